// Which tensors are alive, and what made them: how a leak is found.

import { args } from './args.ts';
import type { Device } from './device/device.ts';
import { mib } from './device/pool.ts';
import { OutOfMemoryError } from './errors.ts';
import type { DType, Shape, Storage, Tensor } from './tensor.ts';

/** Label of the memory that `randomSeed` makes: a plan that replays with the same one would draw the same numbers. */
export const SEED = 'randomSeed';

/** The tensors of each device that have not been disposed, with the stack that made them where that is asked for. */
const live = new WeakMap<Device, Map<Tensor, string | undefined>>();
const traced = new WeakSet<Device>();

/** Notes a tensor that was made. Memory of a plan is the plan's to free, and is not noted. */
export function register(t: Tensor): void {
  if (t.storage.planned) return;
  let tensors = live.get(t.device);
  if (!tensors) live.set(t.device, (tensors = new Map()));
  tensors.set(t, traced.has(t.device) ? stackOf() : undefined);
}

/** Notes that a tensor was disposed. */
export function forget(t: Tensor): void {
  live.get(t.device)?.delete(t);
}

/** Memory of plans that can be seen from outside, by its buffer. */
const planned = new WeakMap<GPUBuffer, Storage>();

/** Notes memory of a plan that its inputs and outputs show. */
export function registerPlanned(storage: Storage): void {
  if (storage.buffer) planned.set(storage.buffer, storage);
}

/** The memory that a live tensor, or an input or output of a plan, has in this buffer. */
export function storageOver(device: Device, buffer: GPUBuffer): Storage | undefined {
  for (const { storage } of live.get(device)?.keys() ?? []) if (storage.buffer === buffer) return storage;
  const known = planned.get(buffer);
  return known?.buffer === buffer ? known : undefined;
}

/** The calls that led here, without those of the engine's own that every tensor has. */
function stackOf(): string | undefined {
  // V8 keeps ten calls, which are the engine's; for this moment it is asked for more.
  const host = Error as { stackTraceLimit?: number };
  const limit = host.stackTraceLimit;
  if (limit !== undefined) host.stackTraceLimit = 40;
  const { stack } = new Error();
  if (limit !== undefined) host.stackTraceLimit = limit;
  return stack
    ?.split('\n')
    .filter((line, i) => i > 0 && !/\b(register|stackOf|new Tensor)\b/.test(line))
    .join('\n');
}

/** A tensor that has not been disposed. */
export interface LiveTensor {
  /** The operation that made it. */
  op: string;
  /** Its shape. */
  shape: Shape;
  /** Its dtype. */
  dtype: DType;
  /** Bytes of its memory, which other tensors may look at too. */
  bytes: number;
  /** The tensor itself. */
  tensor: Tensor;
  /** The calls that made it, if {@link traceTensors} was on by then. */
  stack?: string;
}

/**
 * The tensors that have not been disposed, in the order in which they were made. What plans hold is not among them: it
 * is freed with the plan.
 * @param since only those that are not in an earlier answer
 * @example
 * const before = liveTensors(device);
 * trainingStep();
 * for (const t of liveTensors(device, before)) console.log(`${t.op} [${t.shape}]: ${t.bytes} bytes`);
 */
export function liveTensors(device: Device, since: readonly LiveTensor[] = []): LiveTensor[] {
  args('liveTensors device:D since?:a', arguments);
  const known = new Set(since.map((t) => t?.tensor));
  return [...(live.get(device) ?? [])]
    .filter(([t]) => !known.has(t))
    .map(([tensor, stack]) => {
      const { storage, shape, dtype } = tensor;
      return { op: storage.label, shape, dtype, bytes: storage.bytes, tensor, ...(stack !== undefined && { stack }) };
    });
}

/**
 * Keeps the stack of each tensor that is made from now on, for {@link liveTensors}. It costs time: only for finding a
 * leak.
 * @example traceTensors(device);
 */
export function traceTensors(device: Device, on = true): void {
  args('traceTensors device:D on?:b', arguments);
  if (on) traced.add(device);
  else traced.delete(device);
}

/**
 * Tensors that share memory count as one: the first that was made. The buffer tells, since tensors over a buffer of the
 * caller's have each a storage.
 */
function byMemory(tensors: readonly LiveTensor[]): { first: LiveTensor; views: number }[] {
  const found = new Map<unknown, { first: LiveTensor; views: number }>();
  for (const t of tensors) {
    const memory = t.tensor.storage.buffer ?? t.tensor.storage;
    const known = found.get(memory);
    if (known) known.views++;
    else found.set(memory, { first: t, views: 0 });
  }
  return [...found.values()];
}

/**
 * The tensors that have not been disposed as text: a line for each operation, shape and place in the code, those with
 * the most bytes first. Memory that several
 * tensors look at, such as a result and its views, is counted once.
 * @param since see {@link liveTensors}
 * @example console.log(leakReport(device, before)); // "3 x conv2d [8,64,64,16] f32: 6291456 bytes"
 */
export function leakReport(device: Device, since: readonly LiveTensor[] = []): string {
  args('leakReport device:D since?:a', arguments);
  const groups = new Map<string, { head: string; stack: string; count: number; views: number; bytes: number }>();
  for (const {
    first: { op, shape, dtype, bytes, stack = '' },
    views,
  } of byMemory(liveTensors(device, since))) {
    const head = `${op} [${shape}] ${dtype}`;
    const key = `${head}\n${stack}`;
    const group = groups.get(key) ?? { head, stack, count: 0, views: 0, bytes: 0 };
    group.count++;
    group.views += views;
    group.bytes += bytes;
    groups.set(key, group);
  }
  const sorted = [...groups.values()].sort((a, b) => b.bytes - a.bytes);
  return sorted
    .map(({ head, stack, count, views, bytes }) => {
      const seen = views === 0 ? '' : ` (and ${views} ${views === 1 ? 'view' : 'views'} of it)`;
      return `${count} x ${head}: ${bytes} bytes${seen}${stack && `\n${stack}`}`;
    })
    .join('\n');
}

/** Labels of tensors that no operation made. */
const GIVEN = new Set(['tensor', 'wrap', SEED, 'empty']);
/** As many results of operations are alive at once only where nothing frees them. */
const MANY = 32;

/** What is alive when memory runs out, for the error: how many tensors, what made most of them, the largest. */
export function aliveReport(device: Device): { message: string; hint: string } {
  const alive = liveTensors(device);
  const help = 'use a smaller batch, crop or width, or raise the memory budget';
  if (alive.length === 0) return { message: '', hint: help };
  const memories = byMemory(alive).map(({ first }) => first);
  const bytes = memories.reduce((n, t) => n + t.bytes, 0);
  const [largest] = [...memories].sort((a, b) => b.bytes - a.bytes);
  const size = `${largest.op} [${largest.shape}] ${largest.dtype} of ${mib(largest.bytes)}`;
  const tensors = alive.length === 1 ? '1 tensor is' : `${alive.length} tensors are`;
  const made = alive.filter((t) => !GIVEN.has(t.op)).length;
  return {
    message: `; ${tensors} alive (${mib(bytes)}): ${mostOf(memories)}; the largest is ${size}`,
    hint: made < MANY ? help : `is a scope missing? Else ${help}`,
  };
}

/** The operations that hold the most bytes: "63 × conv2d, 12 × relu, 5 others". */
export function mostOf(memories: Iterable<{ op: string; bytes: number }>): string {
  const groups = new Map<string, { count: number; bytes: number }>();
  for (const { op, bytes } of memories) {
    const group = groups.get(op) ?? { count: 0, bytes: 0 };
    groups.set(op, { count: group.count + 1, bytes: group.bytes + bytes });
  }
  const sorted = [...groups].sort(([, a], [, b]) => b.bytes - a.bytes);
  const others = sorted.slice(3).reduce((n, [, { count }]) => n + count, 0);
  const named = sorted.slice(0, 3).map(([op, { count }]) => `${count} × ${op}`);
  return [...named, ...(others > 0 ? [`${others} ${others === 1 ? 'other' : 'others'}`] : [])].join(', ');
}

/** A plan does not fit beside what is in use. @param bytes that it needs @param memories that it would hold */
export function tooLarge(device: Device, bytes: number, budget: number, memories: Iterable<Storage>): OutOfMemoryError {
  const { message, hint } = aliveReport(device);
  const inUse = mib(device.pool.stats.inUse);
  const needed = `the step needs ${mib(bytes)} beside ${inUse} in use; the budget is ${mib(budget)}`;
  const most = mostOf([...memories].map((s) => ({ op: s.label, bytes: s.bytes })));
  return new OutOfMemoryError(`${needed}; most of it is for ${most}${message}`, hint);
}
