// Dynamic loss scaling: gradients of f16 are kept away from 0 by a factor of the loss that follows what they can bear.
// All of it stays on the GPU.

import { args } from '../args.ts';
import type { Device } from '../device/device.ts';
import { UsageError } from '../errors.ts';
import { checkF32, type Tensor } from '../tensor.ts';
import { HYPER_SIZE } from './hyper.ts';
import type { Gradients } from './optimizer.ts';

/** Settings of {@link LossScaler}. */
export interface LossScalerOptions {
  /** The factor at first, 1 to 2^24 (default 65536). Powers of two cost no digit. */
  scale?: number;
  /** Good steps in a row after which it doubles (default 2000). */
  interval?: number;
}

/**
 * A factor of a loss, given to `grad` as dy, that is taken off the gradients again. A step with a gradient that is not
 * finite is skipped, as by PyTorch's GradScaler: parameters and the optimiser's state stay as they are, and the factor
 * is halved. It keeps between 1 and 2^24. Eager and in plans, without reading anything back.
 * @example
 * const scaler = new LossScaler(device);
 * const step = plan(device, { x: { shape: [8, 64] }, y: { shape: [8], dtype: 'i32' } }, ({ x, y }) => {
 *   const loss = crossEntropy(mixedPrecision(device, () => net.forward(x)), y);
 *   const grads = grad(loss, net.params, { dy: scaler.scale });
 *   sgd.step(grads, scaler.unscale(grads, sgd.nextHyper()));
 *   return { loss };
 * });
 */
export class LossScaler {
  /** The factor, f32 []. It and the counts belong into a checkpoint. */
  readonly scale: Tensor;
  /**
   * u32 [3]: 0, good steps since the factor has moved, steps that were skipped. To be cleared where the numbers of the
   * steps start again.
   */
  readonly counts: Tensor;
  readonly #interval: number;

  /** @throws UsageError for a factor beyond its bounds */
  constructor(device: Device, options: LossScalerOptions = {}) {
    args('LossScaler device:D {scale:N interval:n}', arguments);
    const { scale = 65536, interval = 2000 } = options;
    if (!(scale >= 1 && scale <= 2 ** 24)) throw new UsageError(`the loss scale ${scale} is not from 1 to 2^24`);
    this.#interval = interval;
    this.scale = device.keep(device.tensor([scale], []));
    this.counts = device.keep(device.tensor(new Uint32Array(3), [3]));
  }

  /**
   * The hyper-parameters with which optimisers take the gradients of a scaled loss: `hyper`, whose gradient scale is
   * divided by the factor, or 0 where a gradient is not finite, so that the step is skipped. The number of the step and
   * Adam's bias corrections leave out steps that were skipped. Then the factor moves: once for a step, whatever the
   * number of networks and optimisers.
   * @param grads f32, all of the step
   * @param hyper see {@link hyperValues}, or an optimiser's {@link Optimizer.nextHyper}; it stays as it is, for an
   *   average
   * @returns f32 [HYPER_SIZE]
   * @throws ShapeError when a gradient is not f32 or `hyper` does not fit, DisposedError
   * @example sgd.step(grads, scaler.unscale(grads, hyper));
   */
  unscale(grads: Gradients, hyper: Tensor): Tensor {
    for (const t of [hyper, ...grads.values()]) checkF32('lossScale', { t });
    const { scale, counts } = this;
    const interval = this.#interval;
    const { device } = scale;
    const run = (entry: string, n: number, bindings: Record<string, Tensor>): void =>
      device.run({
        shader: 'lossScale',
        entry,
        bindings: { ...bindings, counts },
        params: { n, interval },
        threads: n,
      });
    return device.guarded(() => {
      const y = device.empty([HYPER_SIZE], 'f32', 'lossScale');
      device.copy(hyper, y);
      for (const dw of grads.values()) run('check', dw.size, { dw });
      run('update', 1, { scale, hyper: y });
      return y;
    });
  }

  /** Frees the state. */
  dispose(): void {
    this.scale.dispose();
    this.counts.dispose();
  }
}
