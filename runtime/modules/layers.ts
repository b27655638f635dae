// The layers: modules with PyTorch's parameter names and first values, over the operations of the same names. Images
// are NHWC.

import { args } from '../args.ts';
import { checkAdvances } from '../autograd/replay.ts';
import { UsageError } from '../errors.ts';
import { checkWhole, pair } from '../kernel/geometry.ts';
import { add } from '../ops/binary.ts';
import { batchNorm, type BatchNormOptions } from '../ops/batchNorm.ts';
import {
  conv2d,
  convTranspose2d,
  type Conv2dOptions,
  type ConvTranspose2dOptions,
  type Pair,
} from '../ops/conv2d/index.ts';
import { dropout, dropout2d } from '../ops/dropout.ts';
import { embedding } from '../ops/gather/index.ts';
import { groupNorm, layerNorm, rmsNorm } from '../ops/groupNorm.ts';
import { linear } from '../ops/linear.ts';
import { slice } from '../ops/window.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { Module, numbered, Parameter, type ForwardMode } from './module.ts';
import { operands } from './precision.ts';
import { streamOf, type Init } from './state.ts';

/** What {@link Sequential} is made of: a module, or a function of one tensor. */
export type Step = (Module & { forward(x: Tensor, mode?: ForwardMode): Tensor }) | ((x: Tensor) => Tensor);

/**
 * One step after the other. Parameters are named by the places: `0.weight`, `2.weight`.
 * @example const net = new Sequential(new Linear(784, 64), relu, new Linear(64, 10)).init(device);
 */
export class Sequential extends Module {
  /** The steps, in order. */
  readonly steps: readonly Step[];

  constructor(...steps: readonly Step[]) {
    super();
    steps.forEach((s, i) => {
      if (typeof s === 'function' || (s instanceof Module && 'forward' in s)) return;
      throw new UsageError(
        `Sequential: step ${i} is neither a module nor a function`,
        'call new Sequential(step, step, …)',
      );
    });
    this.steps = steps;
  }

  override children(): Iterable<readonly [string, Module | Parameter]> {
    return numbered(this.steps);
  }

  /**
   * Applies the steps.
   * @param mode given to the modules; batch normalisation and dropout need it
   * @throws what the steps throw
   */
  forward(x: Tensor, mode?: ForwardMode): Tensor {
    let y = x;
    for (const step of this.steps) y = step instanceof Module ? step.forward(y, mode) : step(y);
    return y;
  }
}

/**
 * y = x w + b over the last axis: {@link linear}.
 * @example const layer = new Linear(784, 10);
 */
export class Linear extends Module {
  /** [cin, cout]; PyTorch's weight transposed. */
  readonly weight: Parameter;
  /** [cout]; null without. */
  readonly bias: Parameter | null;

  constructor(cin: number, cout: number, options: { bias?: boolean } = {}) {
    super();
    args('Linear cin:n cout:n {bias:b}', arguments);
    const fan = { in: cin, out: cout };
    this.weight = new Parameter([cin, cout], { init: 'uniform', fan, layout: 'transposed' });
    this.bias = (options.bias ?? true) ? new Parameter([cout], { init: 'uniform', fan }) : null;
  }

  /**
   * Applies the layer.
   * @param x f32 [..., cin]
   * @returns f32 [..., cout]
   * @throws ShapeError when x does not fit, UsageError before `init`
   */
  forward(x: Tensor): Tensor {
    return linear(...operands(x, this));
  }
}

/** Settings of {@link Conv2d}. */
export interface Conv2dLayerOptions extends Conv2dOptions {
  /** Default true. */
  bias?: boolean;
  /** How the weights are drawn (default 'uniform', PyTorch's). */
  init?: Init;
}

/**
 * 2-D convolution of [n, h, w, cin]: {@link conv2d}.
 * @example const layer = new Conv2d(3, 16, 3, { padding: 1 });
 */
export class Conv2d extends Module {
  /** [kh, kw, cin / groups, cout]. */
  readonly weight: Parameter;
  /** [cout]; null without. */
  readonly bias: Parameter | null;
  readonly #options: Conv2dOptions;

  constructor(cin: number, cout: number, kernel: Pair, options: Conv2dLayerOptions = {}) {
    super();
    args('Conv2d cin:n cout:n kernel:A {stride:A padding:A dilation:A groups:n bias:b init:x}', arguments);
    const { bias = true, init = 'uniform', ...rest } = options;
    const { groups = 1 } = rest;
    const [kh, kw] = pair('Conv2d', 'kernel', kernel, 1);
    const cig = cin / groups;
    const fan = { in: cig * kh * kw, out: (cout / groups) * kh * kw };
    checkWhole('Conv2d', 'cin / groups and cout / groups', [cig, cout / groups], 1);
    this.#options = rest;
    this.weight = new Parameter([kh, kw, cig, cout], { init, fan, layout: 'conv' });
    this.bias = bias ? new Parameter([cout], { init: init === 'kaiming-out' ? 'zeros' : 'uniform', fan }) : null;
  }

  /**
   * Applies the layer.
   * @param x f32 [n, h, w, cin]; or several whose channels together are cin, as if they were joined (without groups),
   *   which takes no copy of them
   * @returns f32 [n, h', w', cout]
   * @throws ShapeError when x does not fit, UsageError before `init`
   */
  forward(x: Tensor | readonly Tensor[]): Tensor {
    const parts = [x].flat();
    let end = 0;
    const terms = parts.map((part, i) => {
      const [h, w, b] = operands(part, this);
      const start = end;
      end += h.shape[3];
      return conv2d(
        h,
        parts[1] ? slice(w, [null, null, [start, parts[i + 1] ? end : null]]) : w,
        i ? undefined : b,
        this.#options,
      );
    });
    return terms.reduce((a, b) => add(a, b));
  }
}

/**
 * Transposed 2-D convolution of [n, h, w, cin]: {@link convTranspose2d}.
 * @example const up = new ConvTranspose2d(32, 16, 2, { stride: 2 });
 */
export class ConvTranspose2d extends Module {
  /** [kh, kw, cout / groups, cin]. */
  readonly weight: Parameter;
  /** [cout]; null without. */
  readonly bias: Parameter | null;
  readonly #options: ConvTranspose2dOptions;

  constructor(cin: number, cout: number, kernel: Pair, options: ConvTranspose2dOptions & { bias?: boolean } = {}) {
    super();
    args(
      'ConvTranspose2d cin:n cout:n kernel:A {stride:A padding:A dilation:A groups:n outputPadding:A bias:b}',
      arguments,
    );
    const { bias = true, ...rest } = options;
    const { groups = 1 } = rest;
    const [kh, kw] = pair('ConvTranspose2d', 'kernel', kernel, 1);
    const cog = cout / groups;
    const fan = { in: cog * kh * kw, out: (cin / groups) * kh * kw };
    checkWhole('ConvTranspose2d', 'cin / groups and cout / groups', [cin / groups, cog], 1);
    this.#options = rest;
    this.weight = new Parameter([kh, kw, cog, cin], { init: 'uniform', fan, layout: 'conv' });
    this.bias = bias ? new Parameter([cout], { init: 'uniform', fan }) : null;
  }

  /**
   * Applies the layer.
   * @param x f32 [n, h, w, cin]
   * @returns f32 [n, h', w', cout]
   * @throws ShapeError when x does not fit, UsageError before `init`
   */
  forward(x: Tensor): Tensor {
    return convTranspose2d(...operands(x, this), this.#options);
  }
}

/**
 * Batch normalisation over all axes but the last: {@link batchNorm}.
 * @example const layer = new BatchNorm(16);
 */
export class BatchNorm extends Module {
  /** Scale [channels]. */
  readonly weight: Parameter;
  /** Shift, in the shape of the scale. */
  readonly bias: Parameter;
  /** Running mean [channels]. */
  readonly runningMean: Parameter;
  /** Running variance [channels]. */
  readonly runningVariance: Parameter;
  readonly #options: Pick<BatchNormOptions, 'momentum' | 'eps'>;

  constructor(channels: number, options: Pick<BatchNormOptions, 'momentum' | 'eps'> = {}) {
    super();
    args('BatchNorm channels:n {momentum:n eps:n}', arguments);
    this.weight = new Parameter([channels], { init: 'ones' });
    this.bias = new Parameter([channels]);
    this.runningMean = new Parameter([channels], { trainable: false, name: 'running_mean' });
    this.runningVariance = new Parameter([channels], { init: 'ones', trainable: false, name: 'running_var' });
    this.#options = options;
  }

  /**
   * Applies the layer.
   * @param x f32 [..., channels]
   * @param mode required: TRAIN, EVAL, or one of your own
   * @param relu fuse max(y, 0)
   * @param residual fuse the sum with it, before the ReLU
   * @throws UsageError without a mode
   */
  forward(x: Tensor, mode?: ForwardMode, relu = false, residual?: Tensor): Tensor {
    if (!mode) throw new UsageError('batch normalisation needs to know its mode', 'pass TRAIN or EVAL to forward');
    const { momentum = 0.1, eps } = this.#options;
    const { bn, update, passes = 1 } = mode;
    const [gamma, beta] = [this.weight, this.bias].map(({ value }) =>
      bn === 'frozen' ? value.view(value.shape) : value,
    );
    return batchNorm(
      x,
      gamma,
      beta,
      { mean: this.runningMean.value, variance: this.runningVariance.value },
      {
        eps,
        momentum: 1 - (1 - momentum) ** passes,
        mode: bn === 'train' ? bn : 'eval',
        update,
        relu,
        residual,
      },
    );
  }
}

/**
 * Normalisation over the last axes: {@link layerNorm}.
 * @example const norm = new LayerNorm(256);
 */
export class LayerNorm extends Module {
  /** Scale, in the shape of the last axes. */
  readonly weight: Parameter;
  /** Shift, in the shape of the scale. */
  readonly bias: Parameter;
  readonly #eps: number;

  /** @param shape sizes of the last axes, or of the last one */
  constructor(shape: number | Shape, options: { eps?: number } = {}) {
    super();
    args('LayerNorm shape:A {eps:n}', arguments);
    const last = typeof shape === 'number' ? [shape] : shape;
    this.weight = new Parameter(last, { init: 'ones' });
    this.bias = new Parameter(last);
    this.#eps = options.eps ?? 1e-5;
  }

  /**
   * Applies the layer.
   * @param x f32 [..., shape]
   * @returns f32, shape of x
   * @throws ShapeError when x does not fit, UsageError before `init`
   */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight.shape, this.weight.value, this.bias.value, { eps: this.#eps });
  }
}

/**
 * Division by the root of the mean square over the last axes: {@link rmsNorm}.
 * @example const norm = new RMSNorm(256);
 */
export class RMSNorm extends Module {
  /** Scale, in the shape of the last axes. */
  readonly weight: Parameter;
  readonly #eps: number | undefined;

  /** @param shape sizes of the last axes, or of the last one */
  constructor(shape: number | Shape, options: { eps?: number } = {}) {
    super();
    args('RMSNorm shape:A {eps:n}', arguments);
    this.weight = new Parameter(typeof shape === 'number' ? [shape] : shape, { init: 'ones' });
    this.#eps = options.eps;
  }

  /**
   * Applies the layer.
   * @param x f32 [..., shape]
   * @returns f32, shape of x
   * @throws ShapeError when x does not fit, UsageError before `init`
   */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight.shape, this.weight.value, { eps: this.#eps });
  }
}

/**
 * Normalisation of groups of channels: {@link groupNorm}.
 * @example const norm = new GroupNorm(8, 64);
 */
export class GroupNorm extends Module {
  /** Scale [channels]. */
  readonly weight: Parameter;
  /** Shift, in the shape of the scale. */
  readonly bias: Parameter;
  readonly #groups: number;
  readonly #eps: number;

  constructor(groups: number, channels: number, options: { eps?: number } = {}) {
    super();
    args('GroupNorm groups:n channels:n {eps:n}', arguments);
    this.weight = new Parameter([channels], { init: 'ones' });
    this.bias = new Parameter([channels]);
    this.#groups = groups;
    this.#eps = options.eps ?? 1e-5;
  }

  /**
   * Applies the layer.
   * @param x f32 [n, ..., channels]
   * @returns f32, shape of x
   * @throws ShapeError when x does not fit, UsageError before `init`
   */
  forward(x: Tensor): Tensor {
    return groupNorm(x, this.#groups, this.weight.value, this.bias.value, { eps: this.#eps });
  }
}

/**
 * Rows of a table: {@link embedding}.
 * @example const tokens = new Embedding(1000, 64);
 */
export class Embedding extends Module {
  /** The table [rows, dims]. */
  readonly weight: Parameter;

  constructor(rows: number, dims: number) {
    super();
    args('Embedding rows:n dims:n', arguments);
    this.weight = new Parameter([rows, dims], { init: 'normal' });
  }

  /**
   * Looks the rows up.
   * @param index i32 or u32 of any shape
   * @returns f32 [..., dims]
   * @throws ShapeError when index is of another dtype, UsageError before `init`
   */
  forward(index: Tensor): Tensor {
    return embedding(index, this.weight.value);
  }
}

/**
 * Dropout in training: {@link dropout}. Each layer draws from a stream of its own, made from its name.
 * @example const layer = new Dropout(0.1);
 */
export class Dropout extends Module {
  /** Probability with which an element is dropped. */
  readonly p: number;
  private readonly stream = new Parameter([4], {
    init: (_, name) => Uint32Array.of(0, streamOf(name), 0, 0),
    trainable: false,
    saved: false,
  });

  constructor(p = 0.5) {
    super();
    args('Dropout p?:n', arguments);
    if (!(p >= 0 && p < 1)) {
      throw new UsageError(`the probability of Dropout or Dropout2d is ${p}`, 'give a number from 0 to below 1');
    }
    this.p = p;
  }

  /**
   * Applies the layer.
   * @param x f32 of any shape
   * @param mode required; in training it brings the seed: `{ ...TRAIN, dropout: randomSeed(device, seed, 0, step) }`
   * @returns f32, shape of x; x itself where nothing is dropped
   * @throws UsageError without a mode, without a seed in training, or before `init`
   */
  forward(x: Tensor, mode?: ForwardMode): Tensor {
    if (!mode) throw new UsageError('dropout needs to know its mode', 'pass TRAIN with a seed, or EVAL, to forward');
    if (mode.dropout === undefined && mode.bn === 'train')
      throw new UsageError(
        'dropout needs a seed in training',
        'pass { ...TRAIN, dropout: randomSeed(device, seed, 0, step) }, or null for none',
      );
    if (!mode.dropout) return x;
    checkAdvances('dropout', mode.dropout);
    return this.drop(x, add(mode.dropout, this.stream.value));
  }

  protected drop(x: Tensor, seed: Tensor): Tensor {
    return dropout(x, seed, this.p);
  }
}

/**
 * Dropout of whole channels of [n, ..., channels] in training: {@link dropout2d}. Else as {@link Dropout}.
 * @example const layer = new Dropout2d(0.1);
 */
export class Dropout2d extends Dropout {
  constructor(p = 0.5) {
    args('Dropout2d p?:n', arguments);
    super(p);
  }

  protected override drop(x: Tensor, seed: Tensor): Tensor {
    return dropout2d(x, seed, this.p);
  }
}
