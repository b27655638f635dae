// Layers: each registers its parameters with a network under PyTorch's names and is called with a tensor and a mode.

import { leakyRelu } from '../../runtime/ops/index.ts';
import {
  BatchNorm as BatchNormLayer,
  Conv2d,
  ConvTranspose2d,
  type Conv2dLayerOptions,
} from '../../runtime/modules/layers.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { ForwardMode, ParameterSet } from './module.ts';

export interface ConvOptions extends Conv2dLayerOptions {
  /** Default false. */
  bias?: boolean;
}

/** A convolution `NAME.weight`, `NAME.bias`. */
export class Conv extends Conv2d {
  constructor(net: ParameterSet, name: string, cin: number, cout: number, kernel: number, options: ConvOptions = {}) {
    super(cin, cout, kernel, { bias: false, ...options });
    net.adopt(name, this);
  }

  get w(): Tensor {
    return this.weight.value;
  }
}

/** A transposed convolution `NAME.weight`, `NAME.bias`. */
export class ConvTranspose extends ConvTranspose2d {
  constructor(net: ParameterSet, name: string, cin: number, cout: number, kernel: number, stride: number) {
    super(cin, cout, kernel, { stride });
    net.adopt(name, this);
  }
}

export interface NormOptions {
  momentum?: number;
  eps?: number;
}

/** Batch normalisation `NAME.weight`, `NAME.bias`, `NAME.running_mean`, `NAME.running_var`. */
export class BatchNorm extends BatchNormLayer {
  constructor(net: ParameterSet, name: string, channels: number, options: NormOptions = {}) {
    super(channels, options);
    net.adopt(name, this);
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
    const { names: [conv, bn] = ['conv', 'bn'], norm, act = 'relu', ...rest } = options;
    this.name = name;
    this.conv = new Conv(net, `${name}.${conv}`, cin, cout, kernel, rest);
    this.bn = new BatchNorm(net, `${name}.${bn}`, cout, norm);
    this.act = act;
  }

  /** @param x or several that lie behind each other along the channels */
  forward(x: Tensor | readonly Tensor[], mode: ForwardMode): Tensor {
    let y = this.bn.forward(this.conv.forward(x), mode, this.act === 'relu');
    if (this.act === 'leaky') y = leakyRelu(y, 0.01);
    mode.tap?.set(this.name, y);
    return y;
  }
}
