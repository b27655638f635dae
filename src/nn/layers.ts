// Layers: each registers its parameters with a network under PyTorch's names and is called with a tensor and a mode.

import { leakyRelu, relu } from '../../runtime/ops/index.ts';
import {
  BatchNorm as BatchNormLayer,
  Conv2d,
  ConvTranspose2d,
  Dropout,
  Dropout2d,
  GroupNorm,
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

/** Dropout of elements, or of whole channels; null where none is dropped. It saves nothing. */
export function dropoutLayer(net: ParameterSet, name: string, p: number, channels = false): Dropout | null {
  if (p === 0) return null;
  const layer = channels ? new Dropout2d(p) : new Dropout(p);
  net.adopt(name, layer);
  return layer;
}

/** What is normalised together: a channel over the batch, a group of channels of one image, a channel of one image. */
export type NormKind = 'batch' | 'group' | 'instance';

/** Groups of group normalisation, at most (half of the 16 channels that Wu & He 2018 start from). */
const MOST_GROUPS = 8;

/** The most groups that divide the channels. */
function groupsOf(channels: number): number {
  let groups = Math.min(MOST_GROUPS, channels);
  while (channels % groups) groups--;
  return groups;
}

export interface ConvBnOptions extends ConvOptions {
  norm?: NormOptions & { kind?: NormKind };
  /** Default 'relu'. */
  act?: 'relu' | 'leaky' | 'none';
  /** Names of the two parts (default `NAME.conv`, and `NAME.bn` or, for other normalisations, `NAME.norm`). */
  names?: readonly [string, string];
}

/** Convolution without bias, normalisation (of the batch unless said otherwise), activation. */
export class ConvBn {
  private readonly name: string;
  private readonly conv: Conv;
  private readonly norm: BatchNorm | GroupNorm;
  private readonly act: 'relu' | 'leaky' | 'none';

  constructor(net: ParameterSet, name: string, cin: number, cout: number, kernel: number, options: ConvBnOptions = {}) {
    const { norm: { kind = 'batch', ...norm } = {}, act = 'relu', ...rest } = options;
    const { names: [conv, after] = ['conv', kind === 'batch' ? 'bn' : 'norm'], ...convOptions } = rest;
    this.name = name;
    this.conv = new Conv(net, `${name}.${conv}`, cin, cout, kernel, convOptions);
    if (kind === 'batch') this.norm = new BatchNorm(net, `${name}.${after}`, cout, norm);
    else {
      this.norm = new GroupNorm(kind === 'group' ? groupsOf(cout) : cout, cout, { eps: norm.eps });
      net.adopt(`${name}.${after}`, this.norm);
    }
    this.act = act;
  }

  /** @param x or several that lie behind each other along the channels */
  forward(x: Tensor | readonly Tensor[], mode: ForwardMode): Tensor {
    const z = this.conv.forward(x);
    let y = this.norm instanceof BatchNorm ? this.norm.forward(z, mode, this.act === 'relu') : this.norm.forward(z);
    if (this.act === 'relu' && !(this.norm instanceof BatchNorm)) y = relu(y);
    if (this.act === 'leaky') y = leakyRelu(y, 0.01);
    mode.tap?.set(this.name, y);
    return y;
  }
}
