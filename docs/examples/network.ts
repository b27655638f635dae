// A network of your own: a small fully convolutional one (Long et al. 2015). Two stages halve the image, a third looks
// further by dilation, and the scores are enlarged to the size of the image.
//
// The record below is all there is to do: the check of its options, defaults, the help of `train`, its flags, the choice
// in the page, checkpoints and `predict` follow from it.

import {
  Conv,
  ConvBn,
  defineNetwork,
  Network,
  options,
  registerNetwork,
  type Features,
  type ForwardMode,
  type NetworkBasics,
} from 'fewmask';
import { resizeBilinear, type Device, type Tensor } from 'fewmask/engine';

const own = {
  width: options.option(options.number({ whole: true, from: 1 }), 16, 'channels of the first stage'),
  dilation: options.option(options.choice(1, 2, 4), 2, 'dilation of the last stage'),
};

class TinyFcn extends Network {
  readonly encoderChannels: readonly number[];
  private readonly stages: readonly ConvBn[];
  private readonly head: Conv;

  constructor(device: Device, given: options.Given<typeof own> & NetworkBasics) {
    super(device, given.numClasses, given.seed ?? 0);
    const { width, dilation } = options.fill(own, given);
    this.encoderChannels = [width, 2 * width, 2 * width];
    this.stages = [
      new ConvBn(this, 'stage1', given.channels ?? 3, width, 3, { stride: 2, padding: 1 }),
      new ConvBn(this, 'stage2', width, 2 * width, 3, { stride: 2, padding: 1 }),
      new ConvBn(this, 'stage3', 2 * width, 2 * width, 3, { padding: dilation, dilation }),
    ];
    this.head = new Conv(this, 'head', 2 * width, given.numClasses, 1, { bias: true });
    this.markHead('head.');
  }

  encode(x: Tensor, mode: ForwardMode): Features {
    const stages: Tensor[] = [];
    for (const stage of this.stages) stages.push(stage.forward(stages.at(-1) ?? x, mode));
    return { stages, height: x.shape[1], width: x.shape[2] };
  }

  decodeCoarse({ stages }: Features): Tensor {
    return this.head.forward(stages[2]);
  }

  override enlarge(scores: Tensor, { height, width }: Pick<Features, 'height' | 'width'>): Tensor {
    return resizeBilinear(scores, [height, width], { alignCorners: true });
  }
}

export const tinyFcn = defineNetwork({
  name: 'tiny-fcn',
  title: 'Tiny FCN',
  paper: 'Long et al. 2015',
  about: 'three convolutions and an enlargement',
  options: own,
  flags: ['width', 'dilation'],
  make: (device, given) => new TinyFcn(device, given),
});

registerNetwork(tinyFcn);
