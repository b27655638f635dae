// Two whole networks in miniature against PyTorch: logits, loss, every gradient, running statistics, and three steps of SGD and of AdamW.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
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
import { testDevice } from '../support/device.ts';
import { sharedFolder } from '../support/shared.ts';

interface Golden {
  classes: number;
  params: string[];
  buffers: string[];
  sgd: { lr: number; momentum: number; weight_decay: number };
  adamw: { lr: number; betas: [number, number]; eps: number; weight_decay: number };
  tolerances: Record<string, { atol: number; rtol: number }>;
}

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

const NETS: { name: string; make(device: Device): Network; rename(name: string): string; taps: Record<string, string> }[] = [
  { name: 'unet-tiny', make: (d) => new UNet(d, { numClasses: 4, widths: [8, 16, 32], up: 'transpose' }), rename: (n) => n, taps: { 'enc0.1.relu': 'enc0.1', 'enc2.1.relu': 'enc2.1' } },
  {
    name: 'deeplabv3plus-resnet18-tiny',
    make: (d) => new DeepLabV3Plus(d, { numClasses: 5, depth: 18, widths: [8, 12, 16, 24], rates: [2, 4, 6], asppChannels: 16, lowChannels: 6, decoderChannels: 16, alignCorners: false, dilateFirst: true }),
    rename: deeplabName,
    taps: { 'stem.pool': 'backbone.maxpool', 'layer1.1.out': 'backbone.layer1.1', 'layer4.1.out': 'backbone.layer4.1', 'aspp.cat': 'aspp.cat', head: 'head' },
  },
];

type Read = (key: string) => { shape: number[]; data: Float32Array | Int32Array };

function safetensors(buffer: ArrayBuffer): Read {
  const n = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, n)));
  return (key) => {
    const t = header[key];
    const [a, b] = t.data_offsets;
    return { shape: t.shape, data: new (t.dtype === 'I32' ? Int32Array : Float32Array)(buffer, 8 + n + a, (b - a) / 4) };
  };
}

const folder = sharedFolder('conformance/torch-nets');

for (const spec of NETS) {
  const file = folder && join(folder, spec.name);
  if (!file || !existsSync(`${file}.json`)) {
    test.skip(`${spec.name}: the conformance folder is absent`);
    console.log(`skipped: ${spec.name}: ../shared/conformance/torch-nets is absent`);
    continue;
  }
  const golden = JSON.parse(readFileSync(`${file}.json`, 'utf8')) as Golden;
  const bytes = readFileSync(`${file}.safetensors`);
  const read = safetensors(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);

  const compare = (name: string, got: ArrayLike<number>): void => {
    const want = read(name).data;
    const { atol, rtol } = golden.tolerances[name];
    assert.is(got.length, want.length, `${spec.name} ${name}: length`);
    for (let i = 0; i < want.length; i++) {
      if (!(Math.abs(got[i] - want[i]) <= atol + rtol * Math.abs(want[i]))) assert.unreachable(`${spec.name} ${name}: [${i}] got ${got[i]}, expected ${want[i]} (atol ${atol})`);
    }
  };
  const nhwc = (device: Device, key: string): Tensor => {
    const { shape, data } = read(key);
    const [n, c, h, w] = shape;
    const out = new Float32Array(data.length);
    for (let i = 0; i < n; i++) for (let k = 0; k < c; k++) for (let p = 0; p < h * w; p++) out[(i * h * w + p) * c + k] = data[(i * c + k) * h * w + p];
    return device.tensor(out, [n, h, w, c]);
  };
  const nchw = async (t: Tensor): Promise<Float32Array> => {
    const data = await t.read();
    const [n, h, w, c] = t.shape;
    const out = new Float32Array(data.length);
    for (let i = 0; i < n; i++) for (let k = 0; k < c; k++) for (let p = 0; p < h * w; p++) out[(i * c + k) * h * w + p] = data[(i * h * w + p) * c + k];
    return out;
  };
  const labels = (device: Device, key: string): Tensor => {
    const { shape, data } = read(key);
    return device.tensor(data as Int32Array, shape, 'i32');
  };
  const load = (net: Network): void => {
    const state = new Map<string, TorchTensor>();
    for (const [prefix, names] of [['param', golden.params], ['buffer', golden.buffers]] as const) for (const n of names) state.set(spec.rename(n), read(`${prefix}.${n}`) as TorchTensor);
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
    compare('eval_logits', await nchw(device.scope(() => net.forward(nhwc(device, 'x0'), { bn: 'eval' }))));
    const tap = new Map<string, Tensor>();
    const names = golden.params;
    const out = device.scope(() => {
      const x = nhwc(device, 'x0');
      x.requiresGrad = true;
      const logits = net.forward(x, { bn: 'train', tap });
      const loss = crossEntropy(logits, labels(device, 'y0'));
      const grads = grad(loss, [x, ...names.map((n) => net.params.get(spec.rename(n))!)]);
      return { logits, loss, grads, acts: Object.entries(spec.taps).map(([g, ours]) => [g, tap.get(ours)!] as const) };
    });
    for (const [name, t] of out.acts) compare(`act.${name}`, await nchw(t));
    compare('logits', await nchw(out.logits));
    compare('loss', await out.loss.read());
    compare('grad_input', await nchw(out.grads[0]));
    for (const [i, n] of names.entries()) {
      const g = out.grads[i + 1];
      compare(`grad.${n}`, toTorch(g.shape, (await g.read()) as Float32Array).data);
    }
    await stateAs(net, 'buffer1', golden.buffers);
    net.dispose();
  });

  const steps = (name: 'sgd' | 'adamw', make: (params: Map<string, Tensor>) => Optimizer): void =>
    test(`${spec.name}: three steps of ${name}`, async () => {
      const device = await testDevice();
      const net = spec.make(device);
      load(net);
      const optimizer = make(net.params);
      const losses: number[] = [];
      for (let s = 0; s < 3; s++) {
        const loss = device.scope(() => {
          const loss = crossEntropy(net.forward(nhwc(device, `x${s}`), { bn: 'train' }), labels(device, `y${s}`));
          optimizer.step(grad(loss, [...net.params.values()]), hyperTensor(device, { lr: golden[name].lr, step: s + 1 }));
          return loss;
        });
        losses.push(await loss.item());
        loss.dispose();
      }
      compare(`${name}.losses`, losses);
      await stateAs(net, `${name}3`, golden.params);
      await stateAs(net, `${name}3_buffer`, golden.buffers);
      compare(`${name}3_eval_logits`, await nchw(device.scope(() => net.forward(nhwc(device, 'x0'), { bn: 'eval' }))));
      optimizer.dispose();
      net.dispose();
    });
  steps('sgd', (params) => new Sgd(params, { momentum: golden.sgd.momentum, weightDecay: golden.sgd.weight_decay }));
  steps('adamw', (params) => new AdamW(params, { weightDecay: golden.adamw.weight_decay, eps: golden.adamw.eps }));
}

test.run();
