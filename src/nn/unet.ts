// U-Net (Ronneberger et al. 2015): two 3x3 conv + norm + ReLU a level, 2x2 max-pool, enlargement, concatenation with the
// skip, 1x1 head.

import { maxPool2d, pad2d, resizeBilinear, slice } from '../../runtime/ops/index.ts';
import { single } from '../../runtime/modules/precision.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { choice, fill, nullable, number, numbers, option, type Given } from '../options.ts';
import { UsageError } from '../../runtime/errors.ts';
import { defineNetwork, type NetworkBasics } from './define.ts';
import type { Dropout } from '../../runtime/modules/layers.ts';
import { Conv, ConvBn, ConvTranspose, dropoutLayer } from './layers.ts';
import { Network, networkArguments, type Features, type ForwardMode, type NetworkArguments } from './module.ts';

const options = {
  /** Channels of the first level; each further level has twice as many (default 16). */
  width: option(number({ whole: true, from: 1 }), 16, 'channels of the first level, doubled at each further one'),
  /** Levels, the deepest included (default 4). */
  depth: option(number({ whole: true, from: 1, to: 8 }), 4, 'levels'),
  /** Or the channels of every level; null: from width and depth. */
  widths: option(
    nullable(numbers({ whole: true, from: 1 })),
    null,
    'channels of every level, in the place of width and depth',
  ),
  /**
   * 'bilinear' (half-pixel, default) or 'transpose' (2x2 stride 2). Sides are padded inside with zeros: for 'transpose'
   * to a multiple of 2^(depth-1), for 'bilinear' where they are shorter than that.
   */
  up: option(choice('bilinear', 'transpose'), 'bilinear', 'enlargement in the decoder'),
  /** Batch normalisation, or one that looks at a single image: no statistics that views could share or spoil. */
  norm: option(choice('batch', 'group', 'instance'), 'batch', 'normalisation'),
  act: option(choice('relu', 'leaky'), 'relu', 'activation'),
  /** As UniMatch and SSL4MIS have it for ACDC: 0.05, 0.1, 0.2, 0.3, 0.5. */
  dropout: option(
    nullable(numbers({ from: 0, below: 1 })),
    null,
    "dropout between the two convolutions of the encoder's levels, the first level first",
  ),
};

export type UNetOptions = Given<typeof options> & NetworkBasics;

/**
 * U-Net. Takes any image size. Given a device, its parameters are made there at once; else by `init`, of its own or of
 * the module that it is part of.
 * @example
 * const net = new UNet(device, { numClasses: 11, width: 16 });
 * const same = new UNet({ numClasses: 11, width: 16 }).init(device);
 */
export class UNet extends Network {
  readonly encoderChannels: readonly number[];
  override readonly encoderPrefix = 'enc';
  private readonly encoders: [ConvBn, ConvBn][];
  private readonly drops: (Dropout | null)[];
  private readonly decoders: [ConvBn, ConvBn][];
  private readonly ups: (ConvTranspose | null)[];
  private readonly head: Conv;
  /** Least side that the deepest level takes, and what sides have to be multiples of. */
  private readonly least: number;
  private readonly multiple: number;

  constructor(...given: NetworkArguments<UNetOptions>) {
    const { device, options: basics } = networkArguments(given);
    super(device, basics.numClasses, basics.seed ?? 0);
    const o = fill(options, basics);
    const widths = o.widths ?? Array.from({ length: o.depth }, (_, i) => o.width * 2 ** i);
    const transpose = o.up === 'transpose';
    this.encoderChannels = widths;
    this.least = 2 ** (widths.length - 1);
    this.multiple = transpose ? this.least : 1;
    const layer = { padding: 1, act: o.act, norm: { kind: o.norm } };
    this.encoders = widths.map((c, i) => [
      new ConvBn(this, `enc${i}.0`, i ? widths[i - 1] : (basics.channels ?? 3), c, 3, layer),
      new ConvBn(this, `enc${i}.1`, c, c, 3, layer),
    ]);
    this.drops = widths.map((_, i) => dropoutLayer(this, `enc${i}.dropout`, o.dropout?.[i] ?? 0));
    this.ups = [];
    this.decoders = [];
    for (let i = widths.length - 2; i >= 0; i--) {
      const c = widths[i];
      const deeper = widths[i + 1];
      this.ups.push(transpose ? new ConvTranspose(this, `up${i}`, deeper, c, 2, 2) : null);
      this.decoders.push([
        new ConvBn(this, `dec${i}.0`, c + (transpose ? c : deeper), c, 3, layer),
        new ConvBn(this, `dec${i}.1`, c, c, 3, layer),
      ]);
    }
    this.head = new Conv(this, 'head', widths[0], basics.numClasses, 1, { bias: true });
    this.markHead('head.');
  }

  encode(x: Tensor, mode: ForwardMode): Features {
    const [, height, width] = x.shape;
    const down = (n: number): number => Math.max(this.least, Math.ceil(n / this.multiple) * this.multiple) - n;
    let h =
      down(height) || down(width)
        ? pad2d(x, [
            [0, down(height)],
            [0, down(width)],
          ])
        : x;
    const stages: Tensor[] = [];
    const dropping = this.drops.some((d) => d) ? this.seeded(mode) : mode;
    this.encoders.forEach(([a, b], i) => {
      if (i) h = maxPool2d(h, { kernel: 2, stride: 2 });
      h = a.forward(h, mode);
      h = b.forward(this.drops[i]?.forward(h, dropping) ?? h, mode);
      stages.push(h);
    });
    return { stages, height, width };
  }

  decodeCoarse({ stages, height, width }: Features, mode: ForwardMode): Tensor {
    let h = stages[stages.length - 1];
    this.decoders.forEach(([a, b], i) => {
      const skip = stages[stages.length - 2 - i];
      const up = this.ups[i];
      const enlarged = up ? up.forward(h) : resizeBilinear(h, [skip.shape[1], skip.shape[2]], { alignCorners: false });
      h = b.forward(a.forward([skip, enlarged], mode), mode);
    });
    const logits = single(this.head.forward(h));
    mode.tap?.set('head', logits);
    const [n, oh, ow, c] = logits.shape;
    return oh === height && ow === width ? logits : slice(logits, [0, 0, 0, 0], [n, height, width, c]);
  }
}

/** The record of the U-Net. */
export const unet = defineNetwork({
  name: 'unet',
  title: 'U-Net',
  paper: 'Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597',
  about: 'an encoder and a decoder of equal depth, joined level by level; trained from scratch',
  options,
  flags: ['width', 'depth'],
  checkCrop({ widths, depth = options.depth.usual }, crop) {
    const levels = widths?.length ?? depth;
    // Each level has half the size of the one before.
    const most = 1 + Math.floor(Math.log2(Math.min(...crop)));
    if (levels > most)
      throw new UsageError(
        `the network's depth is ${levels}`,
        `a crop of ${crop.join('x')} takes 1 to ${most} levels (\`depth\`)`,
      );
  },
  make: (device, o) => new UNet(device, o),
});
