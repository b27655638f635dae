// Adam, with decoupled or coupled weight decay.

import { args } from '../args.ts';
import { UsageError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { Optimizer, type OptimizerOptions, type NamedTensors, type Slot } from './optimizer.ts';

/** Settings of {@link AdamW}. */
export interface AdamWOptions extends OptimizerOptions {
  /**
   * Default 0.9, 0.999. Where steps are given hyper-parameters, `hyperValues` must be given the same: it makes the bias
   * corrections.
   */
  betas?: readonly [number, number];
  /** Default 1e-8. */
  eps?: number;
  /** True (default): AdamW's decay of the weights themselves. False: Adam's, added to the gradient. */
  decoupled?: boolean;
}

/**
 * AdamW in PyTorch's order (Adam with `decoupled: false`). The default weight decay is 0, not PyTorch's 0.01.
 * @example const adamw = new AdamW(params, { weightDecay: 0.01, groups: [noDecayForVectors] });
 */
export class AdamW extends Optimizer {
  override readonly betas: readonly [number, number];
  readonly #eps: number;
  readonly #decoupled: boolean;

  constructor(params: NamedTensors, options: AdamWOptions = {}) {
    args('AdamW params:M {lr:r weightDecay:n groups:a maxNorm:n betas:S eps:n decoupled:b}', arguments);
    const betas = options.betas ?? [0.9, 0.999];
    if (betas.length !== 2 || !betas.every((b) => b >= 0 && b < 1)) {
      throw new UsageError(`betas ${betas} are not between 0 and 1`);
    }
    super(params, options, ['m', 'v']);
    this.betas = betas;
    this.#eps = options.eps ?? 1e-8;
    this.#decoupled = options.decoupled ?? true;
  }

  protected update(
    { param: w, weightDecay, lrScale, state }: Slot,
    dw: Tensor,
    hyper: Tensor,
    clip: Tensor | undefined,
  ): void {
    const n = Math.ceil(w.size / 4);
    const [beta1, beta2] = this.betas;
    w.device.run({
      shader: 'adamw',
      entry: 'forward',
      constants: { DECOUPLED: this.#decoupled, CLIP: !!clip },
      bindings: { dw, hyper, clip: clip ?? hyper, w, m: state.m, v: state.v },
      params: { n, beta1, beta2, alpha1: 1 - beta1, alpha2: 1 - beta2, eps: this.#eps, decay: weightDecay, lrScale },
      threads: n,
    });
  }
}
