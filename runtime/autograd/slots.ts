// The static memory layout of a plan: from which command to which each storage lives, and which ones share a buffer.

import { sizeClass } from '../device/pool.ts';
import type { Storage } from '../tensor.ts';
import type { Command } from './recorder.ts';

/** The memory that a command uses. */
export function storagesOf(c: Command): readonly Storage[] {
  return c.kind === 'launch' ? c.launch.bindings : c.kind === 'clear' ? [c.storage] : [c.from, c.to];
}

/** The memory that a command changes. */
export function writtenBy(c: Command): readonly Storage[] {
  if (c.kind === 'clear') return [c.storage];
  if (c.kind === 'copy') return [c.to];
  const { kernel, bindings } = c.launch;
  const kinds = kernel.bindings.filter((b) => b.kind !== 'uniform').map((b) => b.kind);
  return bindings.filter((_, i) => kinds[i] === 'read_write');
}

/** First and last command that touches each storage of the plan; pinned ones live throughout. */
export function lifetimes(
  commands: readonly Command[],
  own: ReadonlySet<Storage>,
  pinned: ReadonlySet<Storage>,
): Map<Storage, [number, number]> {
  const life = new Map<Storage, [number, number]>();
  for (const s of pinned) if (own.has(s)) life.set(s, [-1, commands.length]);
  commands.forEach((c, i) => {
    for (const s of storagesOf(c)) {
      if (!own.has(s)) continue;
      const l = life.get(s);
      if (!l) life.set(s, [i, i]);
      else if (l[1] < i) l[1] = i;
    }
  });
  return life;
}

/** A buffer that several storages share, each for the commands of its life. */
export interface Slot {
  bytes: number;
  taken: [number, number][];
}

/**
 * Greedy by size (largest first): each storage goes into the smallest slot that is free throughout its life, or into a
 * new one.
 */
export function assign(life: ReadonlyMap<Storage, [number, number]>): { slots: Slot[]; slotOf: Map<Storage, Slot> } {
  const slots: Slot[] = [];
  const slotOf = new Map<Storage, Slot>();
  const bySize = [...life].sort((a, b) => b[0].bytes - a[0].bytes || a[1][0] - b[1][0]);
  for (const [s, span] of bySize) {
    const bytes = sizeClass(s.bytes);
    let best: Slot | null = null;
    for (const slot of slots) {
      if (slot.bytes < bytes || (best && best.bytes <= slot.bytes)) continue;
      if (slot.taken.every(([a, b]) => b < span[0] || a > span[1])) best = slot;
    }
    if (!best) {
      best = { bytes, taken: [] };
      slots.push(best);
    }
    best.taken.push(span);
    slotOf.set(s, best);
  }
  return { slots, slotOf };
}
