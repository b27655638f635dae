// What the optimisers share: parameters by name, settings by group, state that goes into checkpoints, the walk over the
// gradients.

import { args } from '../args.ts';
import { beforeReplay } from '../autograd/replay.ts';
import { ShapeError, UsageError } from '../errors.ts';
import { counted, INSPECT } from '../inspect.ts';
import { checkF32, type Tensor } from '../tensor.ts';
import { clipCoefficient } from './clip.ts';
import { HYPER_SIZE, hyperValues } from './hyper.ts';

/** Settings for some of the parameters; the first group that matches counts. */
export interface ParamGroup {
  /** Does the group hold this parameter? */
  match(name: string, param: Tensor): boolean;
  /** In place of the optimiser's weight decay. */
  weightDecay?: number;
  /** A factor for the learning rate (default 1); 0 leaves the parameters as they are. */
  lrScale?: number;
}

/** Tensors by name: a map, as modules have it, or a plain object. */
export type NamedTensors = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;

/** Settings that all optimisers have. */
export interface OptimizerOptions {
  /**
   * Learning rate before each group's factor: a number, or a function of the number of steps that were made before. Not
   * needed where every step is given its hyper-parameters.
   * @example new Sgd(params, { lr: (step) => 0.1 * poly(step / total) })
   */
  lr?: number | ((step: number) => number);
  /** Default 0. */
  weightDecay?: number;
  /** Settings for some of the parameters (default: none). */
  groups?: readonly ParamGroup[];
  /** Clip all gradients of a step together to this norm (default: no clipping). */
  maxNorm?: number;
}

/**
 * The group without weight decay for biases and the parameters of normalisation: all that have at most one dimension.
 */
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

/**
 * Base of the optimisers: changes parameters in place. Not differentiable.
 * @example const optimizer: Optimizer = new Sgd(net.params, { lr: 0.1 });
 */
export abstract class Optimizer {
  protected readonly slots: Slot[] = [];
  /** Learning rate of the next step, or what gives it. */
  lr: OptimizerOptions['lr'];
  /** Steps made with the optimiser's own learning rate. Set it when a checkpoint is loaded. */
  steps = 0;
  readonly #maxNorm: number | undefined;
  #settings: Tensor | null = null;

  /**
   * @param params the parameters by name, f32
   * @param states names of the state tensors of each parameter, zero at first
   * @throws ShapeError for a parameter that is not f32, UsageError for a negative setting or without parameters;
   * nothing is then allocated
   */
  constructor(params: NamedTensors, options: OptimizerOptions, states: readonly string[]) {
    const { maxNorm, lr } = options;
    if (typeof lr === 'number' && !(lr >= 0)) {
      throw new UsageError(`the learning rate is ${lr}`, 'give a number that is not negative');
    }
    if (maxNorm !== undefined && !(maxNorm > 0)) {
      throw new UsageError(`maxNorm is ${maxNorm}`, 'give a positive number, or leave it out');
    }
    this.#maxNorm = maxNorm;
    this.lr = lr;
    const settings = [
      ...(params instanceof Map
        ? (params as ReadonlyMap<string, Tensor>)
        : Object.entries(params as Record<string, Tensor>)),
    ].map(([name, param]) => {
      checkF32('optimizer', { [`parameter ${name}`]: param });
      const group = options.groups?.find((g) => g.match(name, param));
      const weightDecay = group?.weightDecay ?? options.weightDecay ?? 0;
      const lrScale = group?.lrScale ?? 1;
      if (!(weightDecay >= 0 && lrScale >= 0))
        throw new UsageError(
          `parameter ${name}: weight decay ${weightDecay} and learning-rate factor ${lrScale} must not be negative`,
        );
      return { name, param, weightDecay, lrScale };
    });
    if (settings.length === 0) {
      const hint = 'give the params of a module after its init(device)';
      throw new UsageError(`${this.constructor.name} is given no parameters`, hint);
    }
    for (const s of settings) {
      const zero = (): Tensor =>
        s.param.device.keep(s.param.device.tensor(new Float32Array(s.param.size), s.param.shape));
      this.slots.push({ ...s, state: Object.fromEntries(states.map((name) => [name, zero()])) });
    }
  }

  /** The state by `STATE.PARAMETER`, for checkpoints; write into these tensors to restore it. */
  state(): Map<string, Tensor> {
    return new Map(
      this.slots.flatMap((s) => Object.entries(s.state).map(([key, t]) => [`${key}.${s.name}`, t] as const)),
    );
  }

  /**
   * Updates the parameters in place. A parameter without a gradient in the map stays as it is. Inside a plan each
   * replay is a step.
   * @param hyper see {@link hyperValues}; default: the optimiser's own learning rate and number of the step
   * @param clip a scalar factor for all gradients, from `clipCoefficient` (default: what `maxNorm` asks for)
   * @throws ShapeError when gradients or hyper-parameters do not fit, DisposedError
   * @throws UsageError when no gradient is of one of its parameters, without a learning rate, or at a second step with
   * the optimiser's own in one plan
   * @example sgd.step(grad(loss, net.params));
   */
  step(grads: Gradients, hyper?: Tensor, clip?: Tensor): void {
    args('step grads:G hyper? clip?', arguments);
    if (hyper && (hyper.size !== HYPER_SIZE || hyper.dtype !== 'f32'))
      throw new ShapeError(
        'optimizer',
        `the hyper-parameters are ${hyper}`,
        `give f32 [${HYPER_SIZE}], see hyperValues`,
      );
    if (Array.isArray(grads) && grads.length !== this.slots.length)
      throw new ShapeError('optimizer', `${grads.length} gradients for ${this.slots.length} parameters`);
    const named = Array.isArray(grads) ? null : (grads as ReadonlyMap<string, Tensor>);
    if (named && named.size > 0 && !this.slots.some((slot) => named.has(slot.name))) {
      const [given] = named.keys();
      const names = `they are called ${given}, …, its parameters ${this.slots[0].name}, …`;
      throw new UsageError(
        `none of the gradients is of the optimiser's parameters: ${names}`,
        'make optimiser and gradients from the params of the same module',
      );
    }
    const updates = this.slots.flatMap((slot, i): [Slot, Tensor][] => {
      const dw = Array.isArray(grads) ? (grads[i] as Tensor) : (grads as ReadonlyMap<string, Tensor>).get(slot.name);
      if (!dw || slot.lrScale === 0) return [];
      if (dw.size !== slot.param.size || dw.dtype !== 'f32')
        throw new ShapeError('optimizer', `the gradient of ${slot.name} is ${dw}, the parameter [${slot.param.shape}]`);
      return [[slot, dw]];
    });
    const settings = hyper ?? this.nextHyper();
    const own = !clip && this.#maxNorm !== undefined ? clipCoefficient(grads, this.#maxNorm, settings) : undefined;
    for (const [slot, dw] of updates) this.update(slot, dw, settings, clip ?? own?.coefficient);
    own?.norm.dispose();
    own?.coefficient.dispose();
  }

  /** The betas that the bias corrections are made of. */
  protected readonly betas?: readonly [number, number];

  /**
   * The hyper-parameters of the next step, by the optimiser's own learning rate and number of the step: written now, or
   * before each replay of the plan in hand. For a step of which something is made before, as by a {@link LossScaler}.
   * @throws UsageError when no gradient is of one of its parameters, without a learning rate, or at a second step in
   * one plan
   * @example sgd.step(grads, scaler.unscale(grads, sgd.nextHyper()));
   */
  nextHyper(): Tensor {
    if (this.lr === undefined)
      throw new UsageError('the optimiser has no learning rate', 'give lr, or hyper-parameters to step');
    const { device } = this.slots[0]?.param ?? {};
    if (!device) throw new UsageError('the optimiser has no parameters');
    const hyper = (this.#settings ??= device.keep(device.tensor(new Float32Array(HYPER_SIZE), [HYPER_SIZE])));
    const write = (): void => {
      const lr = typeof this.lr === 'function' ? this.lr(this.steps) : this.lr!;
      device.write(hyper, hyperValues({ lr, step: ++this.steps, betas: this.betas }));
    };
    if (device.recorder) beforeReplay(device.recorder, this, write);
    else write();
    return hyper;
  }

  protected abstract update(slot: Slot, dw: Tensor, hyper: Tensor, clip: Tensor | undefined): void;

  /** @internal One line for console.log. */
  [INSPECT](): string {
    return `${this.constructor.name} (${counted(this.slots.length, 'parameter')}, ${counted(this.steps, 'step')} made)`;
  }

  /** Frees the state (not the parameters). */
  dispose(): void {
    this.#settings?.dispose();
    this.#settings = null;
    for (const s of this.slots) for (const t of Object.values(s.state)) t.dispose();
  }
}
