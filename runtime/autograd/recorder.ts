// What a plan records while its body runs: the commands, the memory of its own, and what it uses from outside.

import type { Device, Launch, Recorder } from '../device/device.ts';
import { Storage } from '../tensor.ts';
import { storagesOf, writtenBy } from './slots.ts';

/** What a plan records. */
export type Command =
  | { kind: 'launch'; launch: Launch }
  | { kind: 'clear'; storage: Storage }
  | { kind: 'copy'; from: Storage; to: Storage; bytes: number };

/** What takes the work of a device while a plan's body runs. */
export class PlanRecorder implements Recorder {
  readonly commands: Command[] = [];
  /** Memory of the plan's own, laid out when all is recorded. */
  readonly storages = new Set<Storage>();
  /**
   * Memory from outside that the commands use: it is held, so that it is not handed out again while the plan may still
   * run.
   */
  readonly outside = new Set<Storage>();
  /** Memory that the commands change. */
  readonly written = new Set<Storage>();
  readonly #constants = new Set<Storage>();
  readonly #device: Device;

  constructor(device: Device) {
    this.#device = device;
  }

  uses(storage: Storage): boolean {
    return this.outside.has(storage);
  }

  owns(storage: Storage): boolean {
    return this.storages.has(storage);
  }

  constant(storage: Storage, is = true): void {
    if (is) this.#constants.add(storage);
    else this.#constants.delete(storage);
  }

  isConstant(storage: Storage): boolean {
    return this.#constants.has(storage);
  }

  allocate(bytes: number, label: string): Storage {
    const s = new Storage(this.#device, bytes, null, true, label);
    this.storages.add(s);
    return s;
  }

  launch(launch: Launch): void {
    this.#add({ kind: 'launch', launch });
  }

  clear(storage: Storage): void {
    this.#add({ kind: 'clear', storage });
  }

  copy(from: Storage, to: Storage, bytes: number): void {
    this.#add({ kind: 'copy', from, to, bytes });
  }

  #add(command: Command): void {
    this.commands.push(command);
    const written = writtenBy(command);
    const read = storagesOf(command).filter((s) => !written.includes(s));
    const constant = read.every((s) => this.#constants.has(s));
    for (const s of written) {
      // What was written before, here or by the replay before this one, may be read in place.
      this.constant(s, constant && this.storages.has(s) && !this.written.has(s));
      this.written.add(s);
    }
    for (const s of storagesOf(command)) {
      if (this.storages.has(s) || this.outside.has(s)) continue;
      s.retain();
      this.outside.add(s);
    }
  }
}
