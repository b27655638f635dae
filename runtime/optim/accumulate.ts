// Gradients summed over several batches, or over several terms of a loss that are differentiated one after the other.

import { args } from '../args.ts';
import { ShapeError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';

/**
 * total <- total + scale * dw in place (total <- scale * dw if `first`).
 * @param scale a number, or a scalar tensor
 * @throws ShapeError when sizes differ or a dtype is not f32, DisposedError
 * @example accumulate(total, dw, 1 / batches);
 */
export function accumulate(total: Tensor, dw: Tensor, scale: number | Tensor = 1, first = false): void {
  args('accumulate total dw scale?:O first?:b', arguments);
  if (total.size !== dw.size || total.dtype !== 'f32' || dw.dtype !== 'f32')
    throw new ShapeError('accumulate', `${dw} cannot be added to ${total}`);
  const n = Math.ceil(dw.size / 4);
  const tensor = typeof scale === 'number' ? null : scale;
  total.device.run({
    shader: 'accumulate',
    entry: 'forward',
    constants: { FIRST: first, SCALE: tensor !== null },
    bindings: { dw, total, scale: tensor ?? dw },
    params: { n, factor: tensor ? 1 : (scale as number) },
    threads: n,
  });
}

/**
 * Sums of gradients by parameter, which outlive plans and scopes.
 * @example
 * const sum = new GradientSum(params);
 * batches.forEach((b, i) => sum.add(grad(loss(b), weights), 1 / batches.length, i === 0));
 * sgd.step(sum.grads, hyper);
 */
export class GradientSum {
  /** The sums by parameter name. */
  readonly grads: ReadonlyMap<string, Tensor>;

  constructor(params: ReadonlyMap<string, Tensor>) {
    args('GradientSum params:M', arguments);
    this.grads = new Map(
      [...params].map(([name, p]) => [name, p.device.keep(p.device.tensor(new Float32Array(p.size), p.shape))]),
    );
  }

  /**
   * Adds one batch; `first` overwrites what was there. @param grads by name, or in the order of the parameters
   * @throws ShapeError when the gradients do not fit
   */
  add(grads: ReadonlyMap<string, Tensor> | readonly Tensor[], scale: number | Tensor = 1, first = false): void {
    if (Array.isArray(grads) && grads.length !== this.grads.size)
      throw new ShapeError('accumulate', `${grads.length} gradients for ${this.grads.size} parameters`);
    let i = 0;
    for (const [name, total] of this.grads) {
      const dw = Array.isArray(grads) ? (grads[i++] as Tensor) : (grads as ReadonlyMap<string, Tensor>).get(name);
      if (dw) accumulate(total, dw, scale, first);
      else if (first) total.device.clear(total);
    }
  }

  /** Frees the sums. */
  dispose(): void {
    for (const t of this.grads.values()) t.dispose();
  }
}
