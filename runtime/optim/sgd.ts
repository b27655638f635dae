// Stochastic gradient descent with momentum.

import { args } from '../args.ts';
import { UsageError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { Optimizer, type OptimizerOptions, type NamedTensors, type Slot } from './optimizer.ts';

/** Settings of {@link Sgd}. */
export interface SgdOptions extends OptimizerOptions {
  /** Default 0. */
  momentum?: number;
  /** Default 0; like PyTorch's, it does not touch the first step. */
  dampening?: number;
  /** Nesterov's momentum (default false). */
  nesterov?: boolean;
}

/**
 * SGD in PyTorch's order, with coupled (L2) weight decay.
 * @example
 * const sgd = new Sgd(params, { momentum: 0.9, weightDecay: 1e-4, groups: [noDecayForVectors] });
 * sgd.step(grads, hyper);
 */
export class Sgd extends Optimizer {
  readonly #momentum: number;
  readonly #dampening: number;
  readonly #nesterov: boolean;

  constructor(params: NamedTensors, options: SgdOptions = {}) {
    args('Sgd params:M {lr:r weightDecay:n groups:a maxNorm:n momentum:n dampening:n nesterov:b}', arguments);
    const { momentum = 0, dampening = 0, nesterov = false } = options;
    if (nesterov && (momentum === 0 || dampening !== 0))
      throw new UsageError('Nesterov needs a momentum, and no dampening');
    super(params, options, momentum ? ['momentum'] : []);
    this.#momentum = momentum;
    this.#dampening = dampening;
    this.#nesterov = nesterov;
  }

  protected update(
    { param: w, weightDecay, lrScale, state }: Slot,
    dw: Tensor,
    hyper: Tensor,
    clip: Tensor | undefined,
  ): void {
    const n = Math.ceil(w.size / 4);
    w.device.run({
      shader: 'sgd',
      entry: this.#momentum ? 'momentum' : 'plain',
      constants: { NESTEROV: this.#nesterov, CLIP: !!clip },
      bindings: { dw, hyper, clip: clip ?? hyper, w, ...(this.#momentum && { v: state.momentum }) },
      params: { n, momentum: this.#momentum, dampening: this.#dampening, decay: weightDecay, lrScale },
      threads: n,
    });
  }
}
