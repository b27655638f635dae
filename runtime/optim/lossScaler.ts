// Dynamic loss scaling: gradients of f16 are kept away from 0 by a factor of the loss that follows what they can bear. All of it stays on the GPU.

import { grad } from '../autograd/grad.ts';
import type { Device } from '../device/device.ts';
import { ShapeError, UsageError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { checkHyper, HYPER_SIZE } from './hyper.ts';
import type { Gradients } from './optimizer.ts';

/** Settings of {@link LossScaler}. */
export interface LossScalerOptions {
  /** The factor at first (default 65536). Powers of two cost no digit. */
  scale?: number;
  /** Good steps in a row after which it grows (default 2000). */
  interval?: number;
  /** What it is multiplied by then (default 2). */
  growth?: number;
  /** What it is multiplied by after a step whose gradients are not finite (default 0.5). */
  backoff?: number;
  /** It stays from this (default 1) … */
  least?: number;
  /** … to this (default 2^24). */
  most?: number;
}

/**
 * Multiplies a loss before its gradients are taken and takes the factor off them again. A step with a gradient that is not finite is skipped, as by PyTorch's GradScaler:
 * parameters and the optimiser's state stay as they are, and the factor is halved. Eager and in plans, without reading anything back.
 * @example
 * const scaler = new LossScaler(device);
 * const step = plan(device, { x: { shape: [8, 64] }, y: { shape: [8], dtype: 'i32' } }, ({ x, y }) => {
 *   const loss = crossEntropy(mixedPrecision(device, () => net.forward(x)), y);
 *   const grads = scaler.grad(loss, net.params);
 *   sgd.step(grads, scaler.unscale(grads, sgd.nextHyper()));
 *   return { loss };
 * });
 */
export class LossScaler {
  /** The factor, f32 []. */
  readonly scale: Tensor;
  private readonly counts: Tensor;
  private readonly found: Tensor;
  private readonly options: Required<LossScalerOptions>;

  /** @throws UsageError for settings by which it could not move between its bounds */
  constructor(device: Device, options: LossScalerOptions = {}) {
    const o = { scale: 65536, interval: 2000, growth: 2, backoff: 0.5, least: 1, most: 2 ** 24, ...options };
    if (!(o.growth >= 1 && o.backoff > 0 && o.backoff < 1 && o.interval >= 1 && o.least > 0 && o.least <= o.scale && o.scale <= o.most)) throw new UsageError(`the loss scale cannot follow ${JSON.stringify(o)}`);
    this.options = o;
    this.scale = device.keep(device.empty([]));
    this.counts = device.keep(device.empty([2]));
    this.found = device.keep(device.tensor(new Uint32Array(1), [1]));
    this.reset();
  }

  /** Begins anew, with the factor of the options. @throws DisposedError */
  reset(): void {
    const { device } = this.scale;
    device.write(this.scale, Float32Array.of(this.options.scale));
    device.write(this.counts, new Float32Array(2));
  }

  /**
   * What {@link grad} gives, of the loss times the factor.
   * @param loss f32, one element
   * @param wrt a list, or tensors by name
   * @throws as in {@link grad}
   * @example const grads = scaler.grad(loss, net.params);
   */
  grad(loss: Tensor, wrt: readonly Tensor[]): Tensor[];
  grad(loss: Tensor, wrt: ReadonlyMap<string, Tensor>): Map<string, Tensor>;
  grad(loss: Tensor, wrt: readonly Tensor[] | ReadonlyMap<string, Tensor>): Tensor[] | Map<string, Tensor> {
    return grad(loss, wrt as readonly Tensor[], { dy: this.scale.view(loss.shape) });
  }

  /**
   * The hyper-parameters with which optimisers take gradients of {@link LossScaler.grad}: `hyper`, whose gradient scale is divided by the factor, or 0 where a gradient is not
   * finite, so that the step is skipped. The number of the step and Adam's bias corrections leave out steps that were skipped. Then the factor moves: once for a step,
   * whatever the number of networks and optimisers.
   * @param grads f32, all of the step
   * @param hyper see {@link hyperValues}, or an optimiser's {@link Optimizer.nextHyper}; it stays as it is, for an average
   * @returns f32 [HYPER_SIZE]
   * @throws ShapeError when a gradient is not f32 or `hyper` does not fit, DisposedError
   * @example sgd.step(grads, scaler.unscale(grads, hyper));
   */
  unscale(grads: Gradients, hyper: Tensor): Tensor {
    checkHyper('lossScale', hyper);
    const { device } = hyper, { found, scale, counts } = this;
    for (const dw of grads.values()) if (dw.dtype !== 'f32') throw new ShapeError('lossScale', `a gradient [${dw.shape}] is ${dw.dtype}`, 'gradients are f32');
    const { scale: _, ...settings } = this.options;
    for (const dw of grads.values()) device.run({ shader: 'lossScale', entry: 'check', bindings: { dw, found }, params: { n: dw.size, ...settings }, threads: dw.size });
    const y = device.empty([HYPER_SIZE], 'f32', 'hyper-parameters');
    device.run({ shader: 'lossScale', entry: 'update', bindings: { hyper, found, scale, counts, y }, params: { n: 0, ...settings }, groups: [1, 1, 1] });
    return y;
  }

  /** The state for checkpoints, as `Optimizer.state`: `scale`, and `counts` [2], steps since it has moved and steps that were skipped. */
  state(): Map<string, Tensor> {
    return new Map([['scale', this.scale], ['counts', this.counts]]);
  }

  /** Frees the state. */
  dispose(): void {
    for (const t of [this.scale, this.counts, this.found]) t.dispose();
  }
}
