// RMSprop and Adagrad.

import { args } from '../args.ts';
import { UsageError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { Optimizer, type OptimizerOptions, type NamedTensors, type Slot } from './optimizer.ts';

/** What RMSprop and Adagrad share: a sum of squared gradients, kept to a part, scales the step. */
abstract class SquareScaled extends Optimizer {
  readonly #rule: { keep: number; gain: number; eps: number };

  constructor(params: NamedTensors, options: OptimizerOptions, rule: { keep: number; gain: number; eps: number }) {
    super(params, options, ['square']);
    this.#rule = rule;
  }

  protected update(
    { param: w, weightDecay, lrScale, state }: Slot,
    dw: Tensor,
    hyper: Tensor,
    clip: Tensor | undefined,
  ): void {
    const n = Math.ceil(w.size / 4);
    w.device.run({
      shader: 'rmsprop',
      entry: 'forward',
      constants: { CLIP: !!clip },
      bindings: { dw, hyper, clip: clip ?? hyper, w, v: state.square },
      params: { n, ...this.#rule, decay: weightDecay, lrScale },
      threads: n,
    });
  }
}

/** Settings of {@link Rmsprop}. */
export interface RmspropOptions extends OptimizerOptions {
  /** Share of the old average of squares that is kept (default 0.99). */
  alpha?: number;
  /** Default 1e-8. */
  eps?: number;
}

/**
 * RMSprop (PyTorch's, without momentum), with coupled weight decay.
 * @example const rmsprop = new Rmsprop(net.params, { lr: 1e-3 });
 */
export class Rmsprop extends SquareScaled {
  constructor(params: NamedTensors, options: RmspropOptions = {}) {
    args('Rmsprop params:M {lr:r weightDecay:n groups:a maxNorm:n alpha:n eps:n}', arguments);
    const alpha = options.alpha ?? 0.99;
    if (!(alpha >= 0 && alpha < 1)) throw new UsageError(`alpha ${alpha} is not between 0 and 1`);
    super(params, options, { keep: alpha, gain: 1 - alpha, eps: options.eps ?? 1e-8 });
  }
}

/**
 * Adagrad (PyTorch's, without learning-rate decay of its own), with coupled weight decay.
 * @example const adagrad = new Adagrad(net.params, { lr: 0.01 });
 */
export class Adagrad extends SquareScaled {
  constructor(params: NamedTensors, options: OptimizerOptions & { eps?: number } = {}) {
    args('Adagrad params:M {lr:r weightDecay:n groups:a maxNorm:n eps:n}', arguments);
    super(params, options, { keep: 1, gain: 1, eps: options.eps ?? 1e-10 });
  }
}
