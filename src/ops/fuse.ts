// Fusion of two predictions into one sharpened distribution, and sharpening by itself. The results are targets: no
// gradient flows through them.

import { args } from '../../runtime/args.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { SEGMENTATION } from '../../runtime/kernel/generated.ts';
import type { Shape, Tensor } from '../../runtime/tensor.ts';
import { chunks } from '../../runtime/ops/lossReduce.ts';

export interface FuseOptions {
  /**
   * What both maps are divided by: the root mean square over both together (default), or the Euclidean norm of both in
   * each pixel.
   */
  norm?: 'rms-batch' | 'l2-pixel';
  /** Share of the first map (default 0.5). */
  gamma?: number;
  /** T in q^(1/T) (default 0.5); 1 leaves the mixture as it is. */
  temperature?: number;
}

function classes(op: string, shape: Shape, temperature: number): number {
  if (shape.length < 1 || !shape.at(-1)) throw new ShapeError(op, `[${shape}] is not [..., classes]`);
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw new ShapeError(op, `the temperature is ${temperature}`, 'give a positive number');
  return shape.at(-1)!;
}

/**
 * q = sharpen(gamma softmax(a / r) + (1 - gamma) softmax(b / r), T): PseudoSeg's calibrated fusion.
 * @param a [..., C] f32 logits
 * @param b the same shape
 * @returns probabilities of the same shape
 * @example const q = fuse(decoderLogits, attentionLogits, { norm: 'rms-batch', temperature: 0.5 });
 */
export function fuse(a: Tensor, b: Tensor, options: FuseOptions = {}): Tensor {
  args('fuse a b {norm:rms-batch|l2-pixel gamma:n temperature:n}', arguments);
  const { norm = 'rms-batch', gamma = 0.5, temperature = 0.5 } = options;
  if (a.dtype !== 'f32' || b.dtype !== 'f32' || String(a.shape) !== String(b.shape))
    throw new ShapeError('fuse', `${a} and ${b}`, 'give two f32 tensors of one shape');
  if (!(gamma >= 0 && gamma <= 1)) throw new ShapeError('fuse', `gamma is ${gamma}`, 'give a share between 0 and 1');
  const c = classes('fuse', a.shape, temperature);
  const { device } = a;
  const params = { c, items: 1, count: 2 * a.size, gamma, power: 1 / temperature };
  let r = a;
  if (norm === 'rms-batch') {
    const { groups, items } = chunks(a.size);
    const partials = device.empty([groups], 'f32', 'fuse');
    r = device.empty([], 'f32', 'fuse');
    device.run({
      shaders: SEGMENTATION,
      shader: 'fuse',
      entry: 'squares',
      bindings: { a, b, partials },
      params: { ...params, n: a.size, items },
      groups: [groups, 1, 1],
    });
    device.run({
      shaders: SEGMENTATION,
      shader: 'fuse',
      entry: 'finish',
      bindings: { partials, norm: r },
      params: { ...params, n: groups },
      groups: [1, 1, 1],
    });
    partials.dispose();
  }
  const q = device.empty(a.shape, 'f32', 'fuse');
  const n = a.size / c;
  device.run({
    shaders: SEGMENTATION,
    shader: 'fuse',
    entry: 'forward',
    constants: { PIXEL_NORM: norm === 'l2-pixel' },
    bindings: { a, b, r, q },
    params: { ...params, n },
    threads: n,
  });
  if (r !== a) r.dispose();
  return q;
}

/**
 * p_c^(1/T) / sum_k p_k^(1/T); a pixel without any probability stays 0.
 * @param p [..., C] f32 probabilities
 * @param temperature T (default 0.5); below 1 it sharpens
 */
export function sharpen(p: Tensor, temperature = 0.5): Tensor {
  args('sharpen p temperature?:n', arguments);
  if (p.dtype !== 'f32') throw new ShapeError('sharpen', `probabilities are ${p.dtype}`, 'give f32');
  const c = classes('sharpen', p.shape, temperature);
  const q = p.device.empty(p.shape, 'f32', 'sharpen');
  const n = p.size / c;
  p.device.run({
    shaders: SEGMENTATION,
    shader: 'fuse',
    entry: 'sharpen',
    bindings: { a: p, q },
    params: { n, c, items: 1, count: 1, gamma: 1, power: 1 / temperature },
    threads: n,
  });
  return q;
}
