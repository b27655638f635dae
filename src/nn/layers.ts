// Layers: each registers its parameters with a network under PyTorch's names and is called with a tensor and a mode.

import { batchNorm, conv2d, convTranspose2d, leakyRelu, type Conv2dOptions, type Pair } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { ForwardMode, Init, ParameterSet } from './module.ts';

export interface ConvOptions extends Conv2dOptions {
  bias?: boolean;
  init?: Init;
}

/** A convolution `NAME.weight`, `NAME.bias`. */
export class Conv {
  readonly w: Tensor;
  readonly b: Tensor | undefined;
  private readonly options: ConvOptions;

  constructor(net: ParameterSet, name: string, cin: number, cout: number, kernel: number, options: ConvOptions = {}) {
    const cig = cin / (options.groups ?? 1);
    const area = kernel * kernel;
    const fan = { in: cig * area, out: (cout / (options.groups ?? 1)) * area };
    this.options = options;
    this.w = net.param(`${name}.weight`, [kernel, kernel, cig, cout], options.init ?? 'uniform', fan);
    this.b = options.bias ? net.param(`${name}.bias`, [cout], options.init === 'kaiming-out' ? 'zeros' : 'uniform', fan) : undefined;
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.w, this.b, this.options);
  }
}

/** A transposed convolution `NAME.weight`, `NAME.bias`. */
export class ConvTranspose {
  private readonly w: Tensor;
  private readonly b: Tensor;
  private readonly stride: Pair;

  constructor(net: ParameterSet, name: string, cin: number, cout: number, kernel: number, stride: number) {
    const fan = { in: cout * kernel * kernel, out: cin * kernel * kernel };
    this.stride = stride;
    this.w = net.param(`${name}.weight`, [kernel, kernel, cout, cin], 'uniform', fan);
    this.b = net.param(`${name}.bias`, [cout], 'uniform', fan);
  }

  forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.w, this.b, { stride: this.stride });
  }
}

export interface NormOptions {
  momentum?: number;
  eps?: number;
}

/** Batch normalisation `NAME.weight`, `NAME.bias`, `NAME.running_mean`, `NAME.running_var`. */
export class BatchNorm {
  private readonly gamma: Tensor;
  private readonly beta: Tensor;
  private readonly mean: Tensor;
  private readonly variance: Tensor;
  private readonly options: NormOptions;

  constructor(net: ParameterSet, name: string, channels: number, options: NormOptions = {}) {
    this.gamma = net.param(`${name}.weight`, [channels], 'ones');
    this.beta = net.param(`${name}.bias`, [channels], 'zeros');
    this.mean = net.buffer(`${name}.running_mean`, [channels], 0);
    this.variance = net.buffer(`${name}.running_var`, [channels], 1);
    this.options = options;
  }

  forward(x: Tensor, mode: ForwardMode, relu = false): Tensor {
    const frozen = mode.bn === 'frozen';
    const gamma = frozen ? this.gamma.view(this.gamma.shape) : this.gamma;
    const beta = frozen ? this.beta.view(this.beta.shape) : this.beta;
    const bn = mode.bn === 'train' ? 'train' : 'eval';
    return batchNorm(x, gamma, beta, { mean: this.mean, variance: this.variance }, { ...this.options, mode: bn, update: mode.update ?? true, relu });
  }
}

export interface ConvBnOptions extends ConvOptions {
  norm?: NormOptions;
  /** Default 'relu'. */
  act?: 'relu' | 'leaky' | 'none';
  /** Names of the two parts (default `NAME.conv`, `NAME.bn`). */
  names?: readonly [string, string];
}

/** Convolution without bias, batch normalisation, activation. */
export class ConvBn {
  private readonly name: string;
  private readonly conv: Conv;
  private readonly bn: BatchNorm;
  private readonly act: 'relu' | 'leaky' | 'none';

  constructor(net: ParameterSet, name: string, cin: number, cout: number, kernel: number, options: ConvBnOptions = {}) {
    const [conv, bn] = options.names ?? ['conv', 'bn'];
    this.name = name;
    this.conv = new Conv(net, `${name}.${conv}`, cin, cout, kernel, options);
    this.bn = new BatchNorm(net, `${name}.${bn}`, cout, options.norm);
    this.act = options.act ?? 'relu';
  }

  forward(x: Tensor, mode: ForwardMode): Tensor {
    let y = this.bn.forward(this.conv.forward(x), mode, this.act === 'relu');
    if (this.act === 'leaky') y = leakyRelu(y, 0.01);
    mode.tap?.set(this.name, y);
    return y;
  }
}
