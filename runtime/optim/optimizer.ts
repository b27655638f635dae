// What the optimisers share: parameters by name, settings by group, state that goes into checkpoints, the walk over the gradients.

import { ShapeError, UsageError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { clipCoefficient } from './clip.ts';
import { HYPER_SIZE } from './hyper.ts';

/** Settings for some of the parameters; the first group that matches counts. */
export interface ParamGroup {
  match(name: string, param: Tensor): boolean;
  /** In place of the optimiser's weight decay. */
  weightDecay?: number;
  /** A factor for the learning rate (default 1); 0 leaves the parameters as they are. */
  lrScale?: number;
}

export interface OptimizerOptions {
  /** Default 0. */
  weightDecay?: number;
  groups?: readonly ParamGroup[];
  /** Clip all gradients of a step together to this norm (default: no clipping). */
  maxNorm?: number;
}

/** The group without weight decay for biases and the parameters of normalisation: all that have at most one dimension. */
export const noDecayForVectors: ParamGroup = { match: (_, p) => p.rank <= 1, weightDecay: 0 };

/** Gradients by parameter name, or in the order of the parameters. */
export type Gradients = ReadonlyMap<string, Tensor> | readonly Tensor[];

/** One parameter with its settings and its state tensors. */
export interface Slot {
  name: string;
  param: Tensor;
  weightDecay: number;
  lrScale: number;
  state: Record<string, Tensor>;
}

/** Base of the optimisers: changes parameters in place. Not differentiable. */
export abstract class Optimizer {
  protected readonly slots: Slot[] = [];
  private readonly maxNorm: number | undefined;

  /**
   * @param params the parameters by name, f32
   * @param states names of the state tensors of each parameter, zero at first
   * @throws ShapeError for a parameter that is not f32, UsageError for a negative setting; nothing is then allocated
   */
  constructor(params: ReadonlyMap<string, Tensor>, options: OptimizerOptions, states: readonly string[]) {
    this.maxNorm = options.maxNorm;
    const settings = [...params].map(([name, param]) => {
      if (param.dtype !== 'f32') throw new ShapeError('optimizer', `parameter ${name} is ${param.dtype}`, 'parameters are f32');
      const group = options.groups?.find((g) => g.match(name, param));
      const weightDecay = group?.weightDecay ?? options.weightDecay ?? 0;
      const lrScale = group?.lrScale ?? 1;
      if (!(weightDecay >= 0 && lrScale >= 0)) throw new UsageError(`parameter ${name}: weight decay ${weightDecay} and learning-rate factor ${lrScale} must not be negative`);
      return { name, param, weightDecay, lrScale };
    });
    for (const s of settings) {
      const zero = (): Tensor => s.param.device.keep(s.param.device.tensor(new Float32Array(s.param.size), s.param.shape));
      this.slots.push({ ...s, state: Object.fromEntries(states.map((name) => [name, zero()])) });
    }
  }

  /** The state by `STATE.PARAMETER`, for checkpoints; write into these tensors to restore it. */
  state(): Map<string, Tensor> {
    return new Map(this.slots.flatMap((s) => Object.entries(s.state).map(([key, t]) => [`${key}.${s.name}`, t] as const)));
  }

  /**
   * Updates the parameters in place. A parameter without a gradient in the map stays as it is.
   * @param hyper see {@link hyperValues}
   * @param clip a scalar factor for all gradients, from `clipCoefficient` (default: what `maxNorm` asks for)
   */
  step(grads: Gradients, hyper: Tensor, clip?: Tensor): void {
    if (hyper.size !== HYPER_SIZE || hyper.dtype !== 'f32') throw new ShapeError('optimizer', `the hyper-parameters are [${hyper.shape}] ${hyper.dtype}`, `give f32 [${HYPER_SIZE}], see hyperValues`);
    if (Array.isArray(grads) && grads.length !== this.slots.length) throw new ShapeError('optimizer', `${grads.length} gradients for ${this.slots.length} parameters`);
    const own = !clip && this.maxNorm !== undefined ? clipCoefficient(grads, this.maxNorm, hyper) : undefined;
    this.slots.forEach((slot, i) => {
      const dw = Array.isArray(grads) ? (grads[i] as Tensor) : (grads as ReadonlyMap<string, Tensor>).get(slot.name);
      if (!dw || slot.lrScale === 0) return;
      if (dw.size !== slot.param.size || dw.dtype !== 'f32') throw new ShapeError('optimizer', `the gradient of ${slot.name} is [${dw.shape}] ${dw.dtype}, the parameter [${slot.param.shape}]`);
      this.update(slot, dw, hyper, clip ?? own?.coefficient);
    });
    own?.norm.dispose();
    own?.coefficient.dispose();
  }

  protected abstract update(slot: Slot, dw: Tensor, hyper: Tensor, clip: Tensor | undefined): void;

  /** Frees the state (not the parameters). */
  dispose(): void {
    for (const s of this.slots) for (const t of Object.values(s.state)) t.dispose();
  }
}
