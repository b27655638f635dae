// Many seeds, one after another: single calls of every operation (values, gradients), and programs. A failure comes
// with the command that repeats it alone, and with the least program that shows it.

import type { Device } from '../../runtime/device/device.ts';
import { checkProgram, type Failure } from './check.ts';
import type { Entry } from './call.ts';
import { checkNanGradient, drawNanGradient } from './nanGradients.ts';
import { OPERATIONS } from './ops/index.ts';
import { described, drawProgram, drawSingle, pruned, type Program } from './program.ts';
import { drawSpecial } from './specials.ts';

export interface FuzzOptions {
  count: number;
  seed: number;
  log(line: string): void;
}

export interface FuzzResult {
  ran: number;
  failures: string[];
}

/** Devices to take turns, and what opens new ones after one was lost. */
export interface Devices {
  list: readonly Device[];
  reopen?(): Promise<readonly Device[]>;
}

/** @param turn which device it is for, counted around */
async function tried(devices: Devices, program: Program, turn = Math.floor(program.seed / 2)): Promise<Failure | null> {
  try {
    const check = program.nanGradient ? checkNanGradient : checkProgram;
    const wrong = await check(devices.list[turn % devices.list.length], program);
    // The error of a command is reported to the last made of the devices that share it.
    for (const d of devices.list) d.check();
    return wrong;
  } catch (error) {
    const failure = {
      message: String(error instanceof Error ? error.stack : error)
        .split('\n')
        .slice(0, 4)
        .join(' | '),
    };
    if (devices.list.every((d) => alive(d))) return failure;
    if (devices.reopen) devices.list = await devices.reopen();
    return failure;
  }
}

function alive(device: Device): boolean {
  try {
    device.check();
    return true;
  } catch {
    return false;
  }
}

/**
 * The shortest beginning of a program that fails, without the steps that its last one does not need, where that fails
 * too.
 */
async function shrunk(devices: Devices, program: Program): Promise<Program> {
  let least = program;
  for (let n = 1; n < program.steps.length; n++) {
    const shorter = { ...program, steps: program.steps.slice(0, n) };
    if (await tried(devices, shorter)) {
      least = shorter;
      break;
    }
  }
  const needed = pruned(least, least.steps.length - 1);
  return needed.steps.length < least.steps.length && (await tried(devices, needed)) ? needed : least;
}

async function run(
  devices: Devices,
  kind: string,
  { count, seed, log }: FuzzOptions,
  draw: (seed: number) => Program | null,
  turn?: (seed: number) => number,
): Promise<FuzzResult> {
  const failures: string[] = [];
  let ran = 0;
  for (let i = 0; i < count; i++) {
    const own = seed + i;
    const program = draw(own);
    if (!program) continue;
    ran++;
    const wrong = await tried(devices, program, turn?.(own));
    if (wrong) {
      const least = await shrunk(devices, program);
      const message = (await tried(devices, least, turn?.(own)))?.message ?? wrong.message;
      failures.push(`npm run fuzz -- --only ${kind} --seed ${own} --count 1\n${described(least)}\n  ${message}`);
      log(failures[failures.length - 1]);
    }
    if ((i + 1) % 250 === 0) log(`${kind}: ${i + 1} of ${count}, up to seed ${own}, ${failures.length} failed`);
  }
  return { ran, failures };
}

/**
 * Single calls, operation after operation; each both smooth (with its gradient) and with ties, zeros and jumps.
 * @param only leaves the others' seeds out
 */
export const fuzzGradients = (devices: Devices, options: FuzzOptions, only?: readonly Entry[]): Promise<FuzzResult> =>
  run(devices, 'gradients', options, (seed) => {
    const n = OPERATIONS.length;
    const entry = OPERATIONS[seed % n];
    return only && !only.includes(entry) ? null : drawSingle(entry, seed, Math.floor(seed / n) % 3 !== 0);
  });

/**
 * Single calls with NaN, infinities, signed zeros, denormals: values, and every third time where a NaN reaches
 * gradients.
 */
export const fuzzSpecials = (devices: Devices, options: FuzzOptions, only?: readonly Entry[]): Promise<FuzzResult> =>
  run(
    devices,
    'specials',
    options,
    (seed) => {
      const n = OPERATIONS.length;
      const operation = OPERATIONS[seed % n];
      if (only && !only.includes(operation)) return null;
      return (Math.floor(seed / n) % 3 === 0 ? drawNanGradient(operation, seed) : null) ?? drawSpecial(operation, seed);
    },
    (seed) => Math.floor(seed / (3 * OPERATIONS.length)),
  );

/** Random programs. */
export const fuzzPrograms = (devices: Devices, options: FuzzOptions): Promise<FuzzResult> =>
  run(devices, 'programs', options, (seed) => drawProgram(OPERATIONS, seed));
