// The dilations of a ResNet's last stage.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { add, batchNorm, conv2d, relu } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { DeepLabV3Plus } from '../../src/nn/deeplab.ts';
import { EVAL, TRAIN } from '../../src/nn/module.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';

/**
 * By block: the dilations of its 3x3 convolutions. The first takes the place of a stride, and keeps the dilation of the
 * stage before, but with `dilateFirst`.
 */
const CASES: {
  name: string;
  depth: 18 | 50;
  outputStride: 8 | 16;
  multiGrid?: number[];
  dilateFirst?: boolean;
  dilations: number[][];
}[] = [
  { name: 'ResNet-50, output stride 16', depth: 50, outputStride: 16, dilations: [[1], [2], [2]] },
  {
    name: 'ResNet-50, output stride 16, grid 1, 2, 4',
    depth: 50,
    outputStride: 16,
    multiGrid: [1, 2, 4],
    dilations: [[1], [4], [8]],
  },
  {
    name: 'the same, the first block dilated: that of CPS',
    depth: 50,
    outputStride: 16,
    multiGrid: [1, 2, 4],
    dilateFirst: true,
    dilations: [[2], [4], [8]],
  },
  {
    name: 'ResNet-18, output stride 8, a grid longer than the stage',
    depth: 18,
    outputStride: 8,
    multiGrid: [2, 1, 4],
    dilations: [
      [2, 8],
      [4, 4],
    ],
  },
];

for (const { name, depth, outputStride, multiGrid, dilateFirst, dilations } of CASES) {
  test(name, async () => {
    const device = await testDevice();
    const rng = new Rng(depth, outputStride);
    const net = new DeepLabV3Plus(device, {
      numClasses: 3,
      depth,
      outputStride,
      widths: [4, 4, 6, 8],
      asppChannels: 4,
      lowChannels: 4,
      decoderChannels: 4,
      ...(multiGrid && { multiGrid }),
      ...(dilateFirst && { dilateFirst }),
    });
    const x = device.tensor(
      Float32Array.from({ length: 2 * 96 * 80 * 3 }, () => rng.normal()),
      [2, 96, 80, 3],
    );
    const { stages } = net.encode(x, EVAL);
    const part = (y: Tensor, conv: string, bn: string, dilation = 1): Tensor => {
      const weight = net.params.get(`${conv}.weight`)!;
      const running = { mean: net.buffers.get(`${bn}.running_mean`)!, variance: net.buffers.get(`${bn}.running_var`)! };
      const convolved = conv2d(y as Tensor<'f32', 4>, weight, undefined, {
        padding: weight.shape[0] === 3 ? dilation : 0,
        dilation,
      });
      return batchNorm(convolved, net.params.get(`${bn}.weight`)!, net.params.get(`${bn}.bias`)!, running, {
        mode: 'eval',
      });
    };
    let y = stages[2];
    dilations.forEach((ds, b) => {
      const block = `backbone.layer4.${b}`;
      const into = y;
      const shortcut = b === 0 ? part(into, `${block}.downsample.0`, `${block}.downsample.1`) : into;
      const parts = depth === 50 ? [1, ds[0], 1] : ds;
      parts.forEach((d, i) => {
        y = part(y, `${block}.conv${i + 1}`, `${block}.bn${i + 1}`, d);
        y = relu(i === parts.length - 1 ? add(y, shortcut) : y);
      });
    });
    close(await stages[3].read(), await y.read(), 1e-5, name);
    net.dispose();
  });
}

test("the leaky ReLU of CPS is the pyramid's, not the decoder's", async () => {
  const device = await testDevice();
  const rng = new Rng(5, 5);
  const net = new DeepLabV3Plus(device, {
    numClasses: 3,
    depth: 18,
    widths: [4, 4, 6, 8],
    asppChannels: 4,
    lowChannels: 4,
    decoderChannels: 4,
    act: 'leaky',
  });
  const x = device.tensor(
    Float32Array.from({ length: 2 * 64 * 64 * 3 }, () => rng.normal()),
    [2, 64, 64, 3],
  );
  const tap = new Map<string, Tensor>();
  net.forward(x, { ...TRAIN, tap });
  const negative = async (name: string): Promise<boolean> => (await tap.get(name)!.read()).some((v) => v < 0);
  for (const name of ['convs.0', 'convs.1', 'convs.2', 'convs.3', 'project'])
    assert.ok(await negative(`classifier.0.${name}`), name);
  for (const name of ['low', 'conv0', 'conv1']) assert.not(await negative(`decoder.${name}`), name);
  net.dispose();
});

test.run();
