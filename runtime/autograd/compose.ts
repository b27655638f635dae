// Operations that are made of others.

import type { Device } from '../device/device.ts';
import { isTensor, type Tensor } from '../tensor.ts';

/** What an operation makes: a tensor, or several by name. */
export type Results = Tensor | Record<string, Tensor>;

/** Runs `body` and frees what it made on the way to its results, unless a gradient may flow back through it. */
export function composed<R extends Results>(device: Device, body: () => R): R {
  const { result, made } = device.collect(body);
  const results = new Set(isTensor(result) ? [result] : Object.values(result));
  const recorded = [...results].some((t) => t.node);
  for (const t of made) {
    if (recorded || results.has(t)) device.track(t);
    else t.dispose();
  }
  return result;
}
