// Mixed precision: where layers compute in f16. Parameters stay f32, and gradients arrive there through the casts.

import { args } from '../args.ts';
import { recordingIs } from '../autograd/tape.ts';
import type { Device } from '../device/device.ts';
import { DeviceError } from '../errors.ts';
import { cast } from '../ops/cast.ts';
import { runSynchronous } from '../synchronous.ts';
import { Tensor } from '../tensor.ts';
import type { Parameter } from './module.ts';

/** Within mixedPrecision: the f16 copies of f32 tensors. */
let copies: Map<Tensor, Tensor> | null = null;

/**
 * Runs `body`, in which the modules `Conv2d`, `ConvTranspose2d` and `Linear` compute in f16: their input and their
 * parameters are cast, each parameter once, and sums are made in f32. Other layers and operations keep the dtype that
 * they get; statistics and parameters of normalisations stay f32. Softmax and losses belong behind it, in f32.
 * Gradients of the parameters are f32; small ones vanish without a {@link LossScaler}. One call for each step:
 * parameters must not change within.
 * @returns what it returns; a tensor as f32
 * @throws DeviceError when the adapter has no f16, FewmaskError when the body is asynchronous, and what the body throws
 * Source: Micikevicius et al. 2018; after torch.autocast.
 * @example const loss = crossEntropy(mixedPrecision(device, () => net.forward(x, TRAIN)), labels);
 */
export function mixedPrecision<R>(device: Device, body: () => R): R {
  args('mixedPrecision device:D body:f', arguments);
  if (!device.f16) throw new DeviceError('mixed precision needs shader-f16, which the adapter lacks');
  const before = copies;
  copies ??= new Map();
  try {
    const result = runSynchronous('mixedPrecision', 'the body of mixedPrecision', body);
    return (result instanceof Tensor ? single(result) : result) as R;
  } finally {
    copies = before;
  }
}

/** The copy within mixedPrecision, the tensor itself elsewhere. A copy serves passes with and without gradients. */
function half(t: Tensor | undefined): Tensor | undefined {
  if (!copies || t?.dtype !== 'f32') return t;
  let made = copies.get(t);
  if (!made || made.isDisposed) copies.set(t, (made = recordingIs(true, () => cast(t, 'f16'))));
  return made;
}

/** What the operation of a layer takes: its input, weight and bias, of f16 within mixedPrecision. */
export const operands = (
  x: Tensor,
  { weight, bias }: { weight: Parameter; bias: Parameter | null },
): [Tensor, Tensor, Tensor | undefined] =>
  [x, weight.value, bias?.value].map(half) as [Tensor, Tensor, Tensor | undefined];

/** The tensor; one of f16 as f32. */
export const single = (t: Tensor): Tensor => (t.dtype === 'f16' ? cast(t, 'f32') : t);
