// DeepLabV3+ (Chen et al. 2018): a dilated ResNet, atrous spatial pyramid pooling, and a decoder that joins the first
// stage.

import { concat, globalAvgPool } from '../../runtime/ops/index.ts';
import { single } from '../../runtime/modules/precision.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { choice, fields, fill, flag, nullable, number, numbers, option, type Given } from '../options.ts';
import { defineNetwork, type NetworkBasics } from './define.ts';
import type { Dropout } from '../../runtime/modules/layers.ts';
import { Conv, ConvBn, dropoutLayer, type NormOptions } from './layers.ts';
import { Network, networkArguments, type Features, type ForwardMode, type NetworkArguments } from './module.ts';
import { resizeTo } from './resize.ts';
import { DEPTHS, ResNet, WIDTHS, type Depth } from './resnet.ts';

const size = number({ whole: true, from: 1 });

const options = {
  /** Layers of the ResNet: 18, 34, 50 or 101. */
  depth: option(choice(...DEPTHS), 50, 'layers of the ResNet'),
  /** 'plain': one 7x7 (default); 'deep': three 3x3 (ResNet-v1c). */
  stem: option(choice('plain', 'deep'), 'plain', 'stem of the ResNet: one 7x7, or three 3x3'),
  /** Channels of the first two convolutions of a deep stem; null: those of the first stage (timm: 32). */
  stemWidth: option(nullable(size), null, 'channels of a deep stem; null: those of the first stage'),
  /** Size of the image over the size of the last stage: 8 or 16 (default). */
  outputStride: option(choice(8, 16), 16, 'size of the image over that of the last stage'),
  /** Channels of the ResNet's four stages before expansion (default 64, 128, 256, 512). */
  widths: option(numbers({ whole: true, from: 1 }, 4), WIDTHS, "channels of the ResNet's stages before expansion"),
  /** See {@link ResNetOptions.dilateFirst}. */
  dilateFirst: option(flag, false, 'dilate the first block of a dilated stage as the others'),
  /** See {@link ResNetOptions.multiGrid}. */
  multiGrid: option(numbers({ whole: true, from: 1 }), [1], "multiples of the last stage's dilation, block by block"),
  /** Dilations of the pyramid's 3x3 branches; null: 6, 12, 18, and twice that at output stride 8. */
  rates: option(
    nullable(numbers({ whole: true, from: 1 })),
    null,
    "dilations of the pyramid's branches; null: 6, 12, 18, twice that at output stride 8",
  ),
  /** Channels of the pyramid (default 256). */
  asppChannels: option(size, 256, 'channels of the pyramid'),
  /** Channels of the first stage after its projection (default 48). */
  lowChannels: option(size, 48, 'channels of the first stage after its projection'),
  /** Channels of the decoder (default 256). */
  decoderChannels: option(size, 256, 'channels of the decoder'),
  /** Bilinear convention: true as in the segmentation papers' code (default), false as in torchvision. */
  alignCorners: option(flag, true, 'bilinear resizing with aligned corners'),
  /** Activation of the pyramid: CPS has a leaky ReLU there, and a ReLU in the decoder (default 'relu'). */
  act: option(choice('relu', 'leaky'), 'relu', 'activation of the pyramid'),
  /** Momentum (default 0.1) and eps (default 1e-5) of batch normalisation. */
  norm: option(
    fields<NormOptions>({ momentum: number({ from: 0, to: 1 }), eps: number({ above: 0 }) }),
    {},
    'momentum and eps of batch normalisation',
  ),
  /** Of whole channels, in training (ST++, torchvision: 0.5; there of elements). */
  pyramidDropout: option(number({ from: 0, below: 1 }), 0, 'dropout of channels behind the pyramid (ST++: 0.5)'),
  /** Of elements, in training. */
  decoderDropout: option(number({ from: 0, below: 1 }), 0, 'dropout in front of the scores (ST++: 0.1)'),
};

export type DeepLabOptions = Given<typeof options> & NetworkBasics & { depth: Depth };

const NAMES: readonly [string, string] = ['0', '1'];

/**
 * DeepLabV3+. Takes any image size. Parameters are named as in torchvision's `deeplabv3_resnet*` (`backbone.*`,
 * `classifier.0.*`); the decoder, which torchvision lacks, is `decoder.*`, and the scores are `head`. Given a device,
 * they are made there at once; else by `init`.
 * @example const net = new DeepLabV3Plus(device, { numClasses: 21, depth: 50, outputStride: 16 });
 */
export class DeepLabV3Plus extends Network {
  readonly encoderChannels: readonly number[];
  override readonly encoderPrefix = 'backbone.';
  private readonly backbone: ResNet;
  private readonly branches: ConvBn[];
  private readonly pooled: ConvBn;
  private readonly project: ConvBn;
  private readonly low: ConvBn;
  private readonly decoder: [ConvBn, ConvBn];
  private readonly drops: { pyramid: Dropout | null; decoder: Dropout | null };
  private readonly head: Conv;
  private readonly alignCorners: boolean;

  constructor(...given: NetworkArguments<DeepLabOptions>) {
    const { device, options: basics } = networkArguments(given);
    super(device, basics.numClasses, basics.seed ?? 0);
    const o = fill(options, basics);
    const { asppChannels: aspp, lowChannels, decoderChannels, norm, act } = o;
    const rates = o.rates ?? [6, 12, 18].map((r) => (o.outputStride === 8 ? 2 * r : r));
    this.alignCorners = o.alignCorners;
    this.backbone = new ResNet(this, 'backbone.', {
      ...o,
      channels: basics.channels,
      stemWidth: o.stemWidth ?? undefined,
    });
    this.encoderChannels = this.backbone.channels;
    const cin = this.backbone.channels[3];
    const common = { norm, names: NAMES, init: 'uniform' } as const;
    const pyramid = { ...common, act };
    this.branches = [
      new ConvBn(this, 'classifier.0.convs.0', cin, aspp, 1, pyramid),
      ...rates.map(
        (r, i) =>
          new ConvBn(this, `classifier.0.convs.${i + 1}`, cin, aspp, 3, { ...pyramid, padding: r, dilation: r }),
      ),
    ];
    this.pooled = new ConvBn(this, `classifier.0.convs.${rates.length + 1}`, cin, aspp, 1, {
      ...pyramid,
      names: ['1', '2'],
    });
    this.project = new ConvBn(this, 'classifier.0.project', (rates.length + 2) * aspp, aspp, 1, pyramid);
    this.low = new ConvBn(this, 'decoder.low', this.backbone.channels[0], lowChannels, 1, common);
    this.decoder = [
      new ConvBn(this, 'decoder.conv0', aspp + lowChannels, decoderChannels, 3, { ...common, padding: 1 }),
      new ConvBn(this, 'decoder.conv1', decoderChannels, decoderChannels, 3, { ...common, padding: 1 }),
    ];
    this.drops = {
      pyramid: dropoutLayer(this, 'classifier.0.dropout', o.pyramidDropout, true),
      decoder: dropoutLayer(this, 'decoder.dropout', o.decoderDropout),
    };
    this.head = new Conv(this, 'head', decoderChannels, basics.numClasses, 1, { bias: true });
    for (const prefix of ['classifier.', 'decoder.', 'head.']) this.markHead(prefix);
  }

  encode(x: Tensor, mode: ForwardMode): Features {
    return { stages: this.backbone.forward(x, mode), height: x.shape[1], width: x.shape[2] };
  }

  private resize(x: Tensor, height: number, width: number): Tensor {
    return resizeTo(x, [height, width], { alignCorners: this.alignCorners });
  }

  /** Scores at the size of the first stage: a quarter of the image. */
  decodeCoarse({ stages }: Features, mode: ForwardMode): Tensor {
    const deep = stages[3];
    const shallow = stages[0];
    const parts = this.branches.map((b) => b.forward(deep, mode));
    parts.push(this.resize(this.pooled.forward(globalAvgPool(deep), mode), deep.shape[1], deep.shape[2]));
    let h = concat(parts, 3);
    mode.tap?.set('aspp.cat', h);
    const dropping = this.drops.pyramid || this.drops.decoder ? this.seeded(mode) : mode;
    h = this.project.forward(h, mode);
    h = this.drops.pyramid?.forward(h, dropping) ?? h;
    const finer = [this.resize(h, shallow.shape[1], shallow.shape[2]), this.low.forward(shallow, mode)];
    h = this.decoder[1].forward(this.decoder[0].forward(finer, mode), mode);
    h = this.drops.decoder?.forward(h, dropping) ?? h;
    const logits = single(this.head.forward(h));
    mode.tap?.set('head', logits);
    return logits;
  }

  override enlarge(scores: Tensor, { height, width }: Pick<Features, 'height' | 'width'>): Tensor {
    return this.resize(scores, height, width);
  }
}

/** The record of DeepLabV3+. */
export const deeplabv3plus = defineNetwork({
  name: 'deeplabv3plus',
  title: 'DeepLabV3+',
  paper: 'Chen et al. 2018, https://arxiv.org/abs/1802.02611',
  about: 'a dilated ResNet with a pyramid of dilations and a small decoder; takes pretrained encoders',
  options,
  required: ['depth'],
  flags: ['depth', 'outputStride', 'stem'],
  small: { depth: 18 },
  make: (device, o) => new DeepLabV3Plus(device, o as DeepLabOptions),
});
