// The layers of a network that an activation map can be made of.

import { plan } from '../../runtime/autograd/plan.ts';
import { noGrad } from '../../runtime/autograd/tape.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { EVAL, type Network } from '../nn/module.ts';

export interface LayerInfo {
  /** What `gradCam` takes as `layer`. */
  name: string;
  channels: number;
  /** Pixels of the image along a side of the layer's map: 8 means that the map is an eighth as high and wide. */
  stride: number;
  /** The deepest stage of the encoder: the default of `gradCam`. */
  deepest: boolean;
}

/** Large enough for every stride and dilation, so that strides come out whole. */
const SIZE = 64;

/**
 * The layers of a network in the order in which they are computed. Nothing is computed: one pass is recorded and thrown
 * away.
 * @example for (const { name, channels, stride } of listLayers(net)) console.log(name, channels, stride);
 */
export function listLayers(network: Network): LayerInfo[] {
  const tap = new Map<string, Tensor>();
  let deepest: Tensor | undefined;
  const pass = plan(network.device, { x: { shape: [1, SIZE, SIZE, 3] } }, ({ x }) =>
    network.device.scope(() => {
      noGrad(() => {
        const features = network.encode(x, { ...EVAL, tap });
        deepest = features.stages.at(-1);
        network.decode(features, { ...EVAL, tap });
      });
      return {};
    }),
  );
  pass.dispose();
  return [...tap]
    .filter(([, t]) => t.rank === 4)
    .map(([name, t]) => ({
      name,
      channels: t.shape[3],
      stride: Math.round(SIZE / t.shape[1]),
      deepest: t === deepest,
    }));
}
