// Exponential moving average of a network: the teacher.

import { args } from '../args.ts';
import { ShapeError, UsageError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { constantHyper } from './hyper.ts';

/** Parameters and buffers (running statistics) of a network, by name. */
export interface NetworkTensors {
  /** Trainable tensors by name. */
  params: ReadonlyMap<string, Tensor>;
  /** The others by name. */
  buffers: ReadonlyMap<string, Tensor>;
}

/** Settings of {@link Ema}. */
export interface EmaOptions {
  /**
   * Buffers of the target: averaged like the parameters, copied, or left to the target's own forward passes. The
   * published methods differ, so it has to be said.
   */
  buffers: 'ema' | 'copy' | 'own';
  /** a, for updates that are not given hyper-parameters. */
  decay?: number;
}

/** A decay that rises from 0, so that a short run does not keep the first weights. @param step from 0 */
export const risingDecay = (step: number, decay: number): number => Math.min(1 - 1 / (step + 1), decay);

/**
 * target <- a target + (1-a) source, with `a` from the option `decay` or the hyper-parameters (`emaDecay`). Buffers
 * that are not f32 are copied where others are averaged.
 * @example
 * const ema = new Ema(teacher, student, { buffers: 'ema', decay: 0.99 });
 * ema.copy();     // at the start
 * ema.update();   // in each step, after the optimiser
 */
export class Ema {
  readonly #averaged: [Tensor, Tensor][] = [];
  readonly #copied: [Tensor, Tensor][] = [];
  readonly #all: [Tensor, Tensor][] = [];
  readonly #decay: number | undefined;
  #hyper: Tensor | null = null;

  /** @throws ShapeError if the two networks differ */
  constructor(target: NetworkTensors, source: NetworkTensors, options: EmaOptions) {
    args('Ema target:o source:o {buffers!:ema|copy|own decay:n}', arguments);
    this.#decay = options.decay;
    for (const kind of ['params', 'buffers'] as const) {
      const averages = target[kind];
      const sources = source[kind];
      if (averages.size !== sources.size) {
        throw new ShapeError('ema', `the target has ${averages.size} ${kind}, the source ${sources.size}`);
      }
      for (const [name, t] of averages) {
        const s = sources.get(name);
        if (!s || s.size !== t.size || s.dtype !== t.dtype)
          throw new ShapeError('ema', `${name} is ${t} in the target, ${s ?? 'absent'} in the source`);
        this.#all.push([t, s]);
        if (kind === 'buffers' && options.buffers === 'own') continue;
        const average = t.dtype === 'f32' && (kind === 'params' || options.buffers === 'ema');
        (average ? this.#averaged : this.#copied).push([t, s]);
      }
    }
  }

  /** Makes the target equal to the source: parameters and buffers. */
  copy(): void {
    for (const [t, s] of this.#all) t.device.copy(s, t);
  }

  /**
   * One update.
   * @param hyper see `hyperValues` (default: the option `decay`)
   * @throws UsageError without either
   */
  update(hyper: Tensor = this.#ownHyper()): void {
    for (const [average, source] of this.#averaged) {
      const n = Math.ceil(average.size / 4);
      average.device.run({
        shader: 'ema',
        entry: 'forward',
        bindings: { source, hyper, average },
        params: { n },
        threads: n,
      });
    }
    for (const [t, s] of this.#copied) t.device.copy(s, t);
  }

  #ownHyper(): Tensor {
    const decay = this.#decay;
    const { device } = this.#all[0]?.[0] ?? {};
    if (decay === undefined || !device)
      throw new UsageError('the average has no decay', 'give the option decay, or hyper-parameters to update');
    return (this.#hyper ??= device.keep(constantHyper(device, { lr: 0, step: 1, emaDecay: decay })));
  }

  /** Frees what the average holds of its own (not the networks). */
  dispose(): void {
    this.#hyper?.dispose();
    this.#hyper = null;
  }
}
