// ResNet encoders (He et al. 2016) with torchvision's parameter names (a deep stem: timm's), dilated for segmentation.

import { maxPool2d } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { BatchNorm, Conv, type NormOptions } from './layers.ts';
import type { ForwardMode, Network } from './module.ts';

/** Layers that a ResNet can have here. */
export const DEPTHS = [18, 34, 50, 101] as const;
export type Depth = (typeof DEPTHS)[number];
/** Channels of the four stages before expansion, as published. */
export const WIDTHS: readonly number[] = [64, 128, 256, 512];

export interface ResNetOptions {
  depth: Depth;
  /** 'plain': one 7x7; 'deep': three 3x3 (ResNet-v1c). Stride 2 in all. */
  stem?: 'plain' | 'deep';
  /**
   * Channels of the first two convolutions of a deep stem; the third has twice as many (default: those of the first
   * stage; timm: 32).
   */
  stemWidth?: number;
  /** Size of the image over the size of the last stage: 8, 16, or 32 (no dilation). */
  outputStride?: 8 | 16 | 32;
  /** Channels of the four stages before expansion (default 64, 128, 256, 512). */
  widths?: readonly number[];
  channels?: number;
  /**
   * In a dilated stage, is the first block dilated as much as the others (true), or as the stage before (torchvision,
   * false)?
   */
  dilateFirst?: boolean;
  /**
   * Multiples of the last stage's dilation for its blocks, in turn (default 1). CPS has 2, 4, 8: 1, 2, 4 at output
   * stride 16, with `dilateFirst`.
   */
  multiGrid?: readonly number[];
  norm?: NormOptions;
}

const BLOCKS = { 18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3] } as const;

interface BlockSpec {
  cin: number;
  width: number;
  stride: number;
  /** Dilation of the block's first and further 3x3 convolutions. */
  dilation: readonly [number, number];
}

const options = (stride: number, dilation: number) => ({
  stride,
  padding: dilation,
  dilation,
  init: 'kaiming-out' as const,
});

/** Two 3x3 convolutions, or 1x1, 3x3, 1x1 with four times the channels, added to the input. */
class Block {
  private readonly name: string;
  private readonly parts: { conv: Conv; bn: BatchNorm }[];
  private readonly down: { conv: Conv; bn: BatchNorm } | null;

  constructor(
    net: Network,
    name: string,
    { cin, width, stride, dilation }: BlockSpec,
    bottleneck: boolean,
    norm: NormOptions | undefined,
  ) {
    this.name = name;
    const part = (i: number, a: number, b: number, k: number, s: number, d: number) => ({
      conv: new Conv(net, `${name}.conv${i}`, a, b, k, k === 1 ? { stride: s, init: 'kaiming-out' } : options(s, d)),
      bn: new BatchNorm(net, `${name}.bn${i}`, b, norm),
    });
    const cout = bottleneck ? 4 * width : width;
    this.parts = bottleneck
      ? [part(1, cin, width, 1, 1, 1), part(2, width, width, 3, stride, dilation[0]), part(3, width, cout, 1, 1, 1)]
      : [part(1, cin, width, 3, stride, dilation[0]), part(2, width, width, 3, 1, dilation[1])];
    this.down =
      stride !== 1 || cin !== cout
        ? {
            conv: new Conv(net, `${name}.downsample.0`, cin, cout, 1, { stride, init: 'kaiming-out' }),
            bn: new BatchNorm(net, `${name}.downsample.1`, cout, norm),
          }
        : null;
  }

  forward(x: Tensor, mode: ForwardMode): Tensor {
    const shortcut = this.down ? this.down.bn.forward(this.down.conv.forward(x), mode) : x;
    let y = x;
    this.parts.forEach(
      ({ conv, bn }, i) =>
        (y = bn.forward(conv.forward(y), mode, true, i === this.parts.length - 1 ? shortcut : undefined)),
    );
    mode.tap?.set(this.name, y);
    return y;
  }
}

/** The encoder: a stem and four stages. */
export class ResNet {
  /** Channels of the four stages. */
  readonly channels: readonly number[];
  private readonly stem: ((x: Tensor, mode: ForwardMode) => Tensor)[];
  private readonly stages: Block[][];
  private readonly prefix: string;

  constructor(net: Network, prefix: string, o: ResNetOptions) {
    const bottleneck = o.depth >= 50;
    const widths = o.widths ?? WIDTHS;
    this.prefix = prefix;
    const stemWidth = o.stemWidth ?? widths[0];
    if (o.stem === 'deep') {
      // The names of the ResNet-v1c: convolutions, batch norms and ReLUs counted in one sequence, the last batch norm
      // outside of it.
      const part = (conv: string, norm: string, a: number, b: number, stride: number) => {
        const own = new Conv(net, `${prefix}${conv}`, a, b, 3, { stride, padding: 1, init: 'kaiming-out' });
        const bn = new BatchNorm(net, `${prefix}${norm}`, b, o.norm);
        return (x: Tensor, mode: ForwardMode): Tensor => bn.forward(own.forward(x), mode, true);
      };
      this.stem = [
        part('conv1.0', 'conv1.1', o.channels ?? 3, stemWidth, 2),
        part('conv1.3', 'conv1.4', stemWidth, stemWidth, 1),
        part('conv1.6', 'bn1', stemWidth, 2 * stemWidth, 1),
      ];
    } else {
      const conv = new Conv(net, `${prefix}conv1`, o.channels ?? 3, widths[0], 7, {
        stride: 2,
        padding: 3,
        init: 'kaiming-out',
      });
      const bn = new BatchNorm(net, `${prefix}bn1`, widths[0], o.norm);
      this.stem = [(x, mode) => bn.forward(conv.forward(x), mode, true)];
    }
    let cin = o.stem === 'deep' ? 2 * stemWidth : widths[0];
    const multiGrid = o.multiGrid?.length ? o.multiGrid : [1];
    let reached = 4;
    let dilation = 1;
    this.stages = BLOCKS[o.depth].map((count, s) => {
      const before = dilation;
      let stride = s === 0 ? 1 : 2;
      if (stride === 2 && reached >= (o.outputStride ?? 16)) {
        dilation *= 2;
        stride = 1;
      } else if (stride === 2) reached *= 2;
      return Array.from({ length: count }, (_, b) => {
        const own = s === 3 ? dilation * multiGrid[b % multiGrid.length] : dilation;
        const first = b === 0 && !o.dilateFirst ? before : own;
        const block = new Block(
          net,
          `${prefix}layer${s + 1}.${b}`,
          { cin, width: widths[s], stride: b === 0 ? stride : 1, dilation: [first, own] },
          bottleneck,
          o.norm,
        );
        cin = bottleneck ? 4 * widths[s] : widths[s];
        return block;
      });
    });
    this.channels = widths.map((w) => (bottleneck ? 4 * w : w));
  }

  /** The activations of the four stages. */
  forward(x: Tensor, mode: ForwardMode): Tensor[] {
    let h = x;
    for (const layer of this.stem) h = layer(h, mode);
    h = maxPool2d(h, { kernel: 3, stride: 2, padding: 1 });
    mode.tap?.set(`${this.prefix}maxpool`, h);
    return this.stages.map((stage) => {
      for (const block of stage) h = block.forward(h, mode);
      return h;
    });
  }
}
