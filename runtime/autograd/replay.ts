// What has to happen on the host before each replay of a plan: an optimiser that is part of one writes the learning
// rate of the step, a random seed the number of the step.

import { UsageError } from '../errors.ts';
import type { Recorder } from '../device/device.ts';
import type { Storage, Tensor } from '../tensor.ts';

const hooks = new WeakMap<Recorder, Map<object, () => void>>();

/**
 * Calls `hook` before each replay of the plan that is being recorded.
 * @param owner on whose behalf; it may ask once in a plan
 * @throws UsageError when it has asked already
 */
export function beforeReplay(recorder: Recorder, owner: object, hook: () => void): void {
  const map = hooks.get(recorder) ?? new Map<object, () => void>();
  if (map.has(owner))
    throw new UsageError(
      'the optimiser steps twice in one plan',
      'give each step its own hyper-parameters, see hyperValues',
    );
  hooks.set(recorder, map.set(owner, hook));
}

/** The hooks of a plan, in the order in which they were added. */
export function replayHooks(recorder: Recorder): readonly (() => void)[] {
  return [...(hooks.get(recorder)?.values() ?? [])];
}

/** @throws UsageError for a seed that a plan, which is being recorded, would find unchanged at each replay */
export function checkAdvances(op: string, seed: Tensor): void {
  if (!seed.device.recorder?.isConstant(seed.storage)) return;
  const what = `${op}: the seed is a constant of the plan, which would draw the same numbers at each replay`;
  throw new UsageError(what, 'use randomSeed, whose step advances with each replay, or make it an input of the plan');
}

/**
 * Refuses to draw the same random numbers again. Seeds that were made in the body have been advanced by their hooks.
 * @param seeds from outside of a plan, with the count of their changes at its last replay
 * @throws UsageError
 */
export function refuseRepeated(seeds: Map<Storage, number>): void {
  for (const [{ changes }, count] of seeds) {
    if (changes.count !== count) continue;
    throw new UsageError(
      'plan: a random seed from outside is the one of the last replay, which would draw the same numbers again',
      'call randomSeed in the body, where its step advances with each replay, or write it before each run',
    );
  }
  for (const seed of seeds.keys()) seeds.set(seed, seed.changes.count);
}
