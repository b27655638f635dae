// Two whole networks in miniature against PyTorch: logits, loss, every gradient, running statistics, and three steps of
// SGD and of AdamW.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import { crossEntropy } from '../../runtime/ops/index.ts';
import { AdamW } from '../../runtime/optim/adamw.ts';
import { hyperTensor } from '../../runtime/optim/hyper.ts';
import type { Optimizer } from '../../runtime/optim/optimizer.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { DeepLabV3Plus } from '../../src/nn/deeplab.ts';
import { toTorch, type Network, type TorchTensor } from '../../src/nn/module.ts';
import { UNet } from '../../src/nn/unet.ts';
import { decodeSafetensors, type FileTensor } from '../../runtime/io/safetensors.ts';
import { testDevice } from '../support/device.ts';
import { sharedFolder } from '../support/shared.ts';
import { matches, nchw, nhwc, type Net } from '../support/torchNets.ts';

/** Our parameter names from the golden's. */
const deeplabName = (name: string): string =>
  name
    .replace(/^stem\.conv/, 'backbone.conv1')
    .replace(/^stem\.bn/, 'backbone.bn1')
    .replace(/^layer/, 'backbone.layer')
    .replace('.down.conv', '.downsample.0')
    .replace('.down.bn', '.downsample.1')
    .replace(/^aspp\.pool\.conv/, 'classifier.0.convs.4.1')
    .replace(/^aspp\.pool\.bn/, 'classifier.0.convs.4.2')
    .replace(/^aspp\.project/, 'classifier.0.project')
    .replace(/^aspp\.(\d)/, 'classifier.0.convs.$1')
    .replace(/^decoder\.(\d)/, 'decoder.conv$1')
    .replace(/^(classifier|decoder)(.*)\.conv\./, '$1$2.0.')
    .replace(/^(classifier|decoder)(.*)\.bn\./, '$1$2.1.');

const NETS: {
  name: string;
  make(device: Device): Network;
  rename(name: string): string;
  taps: Record<string, string>;
}[] = [
  {
    name: 'unet-tiny',
    make: (d) => new UNet(d, { numClasses: 4, widths: [8, 16, 32], up: 'transpose' }),
    rename: (n) => n,
    taps: { 'enc0.1.relu': 'enc0.1', 'enc2.1.relu': 'enc2.1' },
  },
  {
    name: 'deeplabv3plus-resnet18-tiny',
    make: (d) =>
      new DeepLabV3Plus(d, {
        numClasses: 5,
        depth: 18,
        widths: [8, 12, 16, 24],
        rates: [2, 4, 6],
        asppChannels: 16,
        lowChannels: 6,
        decoderChannels: 16,
        alignCorners: false,
        dilateFirst: true,
      }),
    rename: deeplabName,
    taps: {
      'stem.pool': 'backbone.maxpool',
      'layer1.1.out': 'backbone.layer1.1',
      'layer4.1.out': 'backbone.layer4.1',
      'aspp.cat': 'aspp.cat',
      head: 'head',
    },
  },
];

const folder = sharedFolder('conformance/torch-nets');

for (const spec of NETS) {
  const file = folder && join(folder, spec.name);
  if (!file || !existsSync(`${file}.json`)) {
    test.skip(`${spec.name}: the conformance folder is absent`);
    console.log(`skipped: ${spec.name}: ../shared/conformance/torch-nets is absent`);
    continue;
  }
  const golden = JSON.parse(readFileSync(`${file}.json`, 'utf8')) as Net;
  const { tensors } = decodeSafetensors(readFileSync(`${file}.safetensors`), file);
  const read = (key: string): FileTensor => tensors.get(key)!;

  const compare = (name: string, got: ArrayLike<number>): void =>
    matches(got, read(name).data, golden.tolerances[name], `${spec.name} ${name}`);
  const image = (device: Device, key: string): Tensor =>
    nhwc(device.tensor(read(key).data as Float32Array, read(key).shape));
  const asImage = async (t: Tensor): Promise<Float32Array> =>
    (await t.device.scope(() => nchw(t)).read()) as Float32Array;
  const labels = (device: Device, key: string): Tensor =>
    device.tensor(read(key).data as Int32Array, read(key).shape, 'i32');
  const load = (net: Network): void => {
    const state = new Map<string, TorchTensor>();
    for (const [prefix, names] of [
      ['param', golden.params],
      ['buffer', golden.buffers],
    ] as const)
      for (const n of names) state.set(spec.rename(n), read(`${prefix}.${n}`) as TorchTensor);
    net.loadStateDict(state);
  };
  const stateAs = async (net: Network, prefix: string, names: string[]): Promise<void> => {
    const state = await net.stateDict();
    for (const n of names) compare(`${prefix}.${n}`, state.get(spec.rename(n))!.data);
  };

  test(`${spec.name}: evaluation, activations, loss, gradients, running statistics`, async () => {
    const device = await testDevice();
    const net = spec.make(device);
    load(net);
    compare('eval_logits', await asImage(device.scope(() => net.forward(image(device, 'x0'), { bn: 'eval' }))));
    const tap = new Map<string, Tensor>();
    const names = golden.params;
    const out = device.scope(() => {
      const x = image(device, 'x0');
      x.requiresGrad = true;
      const logits = net.forward(x, { bn: 'train', tap });
      const loss = crossEntropy(logits, labels(device, 'y0'));
      const grads = grad(loss, [x, ...names.map((n) => net.params.get(spec.rename(n))!)]);
      return { logits, loss, grads, acts: Object.entries(spec.taps).map(([g, ours]) => [g, tap.get(ours)!] as const) };
    });
    for (const [name, t] of out.acts) compare(`act.${name}`, await asImage(t));
    compare('logits', await asImage(out.logits));
    compare('loss', await out.loss.read());
    compare('grad_input', await asImage(out.grads[0]));
    for (const [i, n] of names.entries()) {
      const g = out.grads[i + 1];
      compare(`grad.${n}`, toTorch(g.shape, (await g.read()) as Float32Array).data);
    }
    await stateAs(net, 'buffer1', golden.buffers);
    net.dispose();
  });

  const steps = (name: 'sgd' | 'adamw', make: (params: ReadonlyMap<string, Tensor>) => Optimizer): void =>
    test(`${spec.name}: three steps of ${name}`, async () => {
      const device = await testDevice();
      const net = spec.make(device);
      load(net);
      const optimizer = make(net.params);
      const losses: number[] = [];
      for (let s = 0; s < 3; s++) {
        const loss = device.scope(() => {
          const loss = crossEntropy(net.forward(image(device, `x${s}`), { bn: 'train' }), labels(device, `y${s}`));
          optimizer.step(
            grad(loss, [...net.params.values()]),
            hyperTensor(device, { lr: golden[name].lr, step: s + 1 }),
          );
          return loss;
        });
        losses.push(await loss.item());
        loss.dispose();
      }
      compare(`${name}.losses`, losses);
      await stateAs(net, `${name}3`, golden.params);
      await stateAs(net, `${name}3_buffer`, golden.buffers);
      compare(
        `${name}3_eval_logits`,
        await asImage(device.scope(() => net.forward(image(device, 'x0'), { bn: 'eval' }))),
      );
      optimizer.dispose();
      net.dispose();
    });
  steps('sgd', (params) => new Sgd(params, { momentum: golden.sgd.momentum, weightDecay: golden.sgd.weight_decay }));
  steps('adamw', (params) => new AdamW(params, { weightDecay: golden.adamw.weight_decay, eps: golden.adamw.eps }));
}

test.run();
