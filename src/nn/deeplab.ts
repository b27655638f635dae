// DeepLabV3+ (Chen et al. 2018): a dilated ResNet, atrous spatial pyramid pooling, and a decoder that joins the first
// stage.

import { concat, globalAvgPool } from '../../runtime/ops/index.ts';
import { single } from '../../runtime/modules/precision.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { Conv, ConvBn, type NormOptions } from './layers.ts';
import { Network, networkArguments, type Features, type ForwardMode, type NetworkArguments } from './module.ts';
import { resizeTo } from './resize.ts';
import { ResNet, type ResNetOptions } from './resnet.ts';

export interface DeepLabOptions extends Omit<ResNetOptions, 'outputStride'> {
  numClasses: number;
  /** 8 or 16 (default 16). */
  outputStride?: 8 | 16;
  /** Dilations of the pyramid's 3x3 branches (default 6, 12, 18; twice that at output stride 8). */
  rates?: readonly number[];
  /** Channels of the pyramid (256), of the first stage after its projection (48), of the decoder (256). */
  asppChannels?: number;
  lowChannels?: number;
  decoderChannels?: number;
  /** Bilinear convention: true as in the segmentation papers' code (default), false as in torchvision. */
  alignCorners?: boolean;
  /** Activation of the pyramid: CPS has a leaky ReLU there, and a ReLU in the decoder (default 'relu'). */
  act?: 'relu' | 'leaky';
  norm?: NormOptions;
  seed?: number;
}

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
  private readonly head: Conv;
  private readonly alignCorners: boolean;

  constructor(...given: NetworkArguments<DeepLabOptions>) {
    const { device, options: o } = networkArguments(given);
    super(device, o.numClasses, o.seed ?? 0);
    const { asppChannels: aspp = 256, lowChannels = 48, decoderChannels = 256, norm, act = 'relu' } = o;
    const os = o.outputStride ?? 16;
    const rates = o.rates ?? [6, 12, 18].map((r) => (os === 8 ? 2 * r : r));
    this.alignCorners = o.alignCorners ?? true;
    this.backbone = new ResNet(this, 'backbone.', { ...o, outputStride: os });
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
    this.head = new Conv(this, 'head', decoderChannels, o.numClasses, 1, { bias: true });
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
    h = this.project.forward(h, mode);
    const finer = [this.resize(h, shallow.shape[1], shallow.shape[2]), this.low.forward(shallow, mode)];
    const logits = single(this.head.forward(this.decoder[1].forward(this.decoder[0].forward(finer, mode), mode)));
    mode.tap?.set('head', logits);
    return logits;
  }

  override enlarge(scores: Tensor, { height, width }: Pick<Features, 'height' | 'width'>): Tensor {
    return this.resize(scores, height, width);
  }
}
