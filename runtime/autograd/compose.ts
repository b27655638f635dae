// Operations that are made of others.

import type { Device } from '../device/device.ts';
import type { Tensor } from '../tensor.ts';

/** Runs `body` and frees what it made on the way to its result, unless a gradient may flow back through it. */
export function composed(device: Device, body: () => Tensor): Tensor {
  const { result: y, made } = device.collect(body);
  for (const t of made) {
    if (t === y || y.tracked) device.track(t);
    else t.dispose();
  }
  return y;
}
