// Normalisation, activation and dropout of the U-Net, dropout of DeepLabV3+.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { randomSeed } from '../../runtime/create.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { DeepLabV3Plus } from '../../src/nn/deeplab.ts';
import { EVAL, TRAIN } from '../../src/nn/module.ts';
import { UNet } from '../../src/nn/unet.ts';
import { testDevice } from '../support/device.ts';
import { runTiny } from '../support/tiny.ts';

const SHAPE = [2, 16, 16, 3] as const;
const rng = new Rng(5, 5);
const pixels = Float32Array.from({ length: 2 * 16 * 16 * 3 }, () => rng.normal());

async function same(a: Tensor, b: Tensor, what: string): Promise<void> {
  const [p, q] = [await a.read(), await b.read()];
  p.forEach((v, i) => assert.ok(Math.abs(v - q[i]) <= 1e-5 * (1 + Math.abs(q[i])), `${what}: ${v}, not ${q[i]}`));
}

for (const norm of ['group', 'instance'] as const)
  test(`${norm} norm: training and evaluation are the same, and no image sees another`, async () => {
    const device = await testDevice();
    const net = new UNet(device, { numClasses: 4, width: 8, depth: 3, norm });
    assert.ok(net.params.has('enc0.0.norm.weight'));
    assert.is(net.buffers.size, 0);
    const x = device.tensor(pixels, SHAPE);
    const y = net.forward(x, EVAL);
    await same(net.forward(x, TRAIN), y, 'training');
    const first = net.forward(device.tensor(pixels.slice(0, pixels.length / 2), [1, 16, 16, 3]), TRAIN);
    const whole = await y.read();
    (await first.read()).forEach((v, i) => assert.ok(Math.abs(v - whole[i]) < 1e-4, `alone at ${i}`));
    net.dispose();
  });

test('leaky activation: negative values pass', async () => {
  const device = await testDevice();
  const net = new UNet(device, { numClasses: 4, width: 8, depth: 2, act: 'leaky' });
  const tap = new Map<string, Tensor>();
  net.forward(device.tensor(pixels, SHAPE), { ...EVAL, tap });
  const values = await tap.get('enc0.0')!.read();
  assert.ok(values.some((v) => v < 0));
  net.dispose();
});

test('dropout: none in evaluation, other elements at each level and for each seed', async () => {
  const device = await testDevice();
  const plain = new UNet(device, { numClasses: 4, width: 8, depth: 2 });
  const net = new UNet(device, { numClasses: 4, width: 8, depth: 2, dropout: [0.2, 0.5] });
  assert.equal([...net.params.keys()], [...plain.params.keys()]);
  assert.equal([...net.buffers.keys()], [...plain.buffers.keys()]);
  const x = device.tensor(pixels, SHAPE);
  await same(net.forward(x, EVAL), plain.forward(x, EVAL), 'evaluation');
  const pass = (step: number) => net.forward(x, { ...TRAIN, update: false, dropout: randomSeed(device, 1, 0, step) });
  const [a, b, again] = await Promise.all([pass(0), pass(1), pass(0)].map((t) => t.read()));
  assert.equal(a, again);
  assert.is.not(a[0], b[0]);
  assert.throws(() => net.forward(x, TRAIN), /dropout needs a seed/);
  for (const n of [plain, net]) n.dispose();
});

test('DeepLabV3+ with the dropout of ST++: none in evaluation, no further parameters', async () => {
  const device = await testDevice();
  const small = { numClasses: 3, depth: 18, widths: [4, 4, 8, 8], asppChannels: 8, decoderChannels: 8 } as const;
  const plain = new DeepLabV3Plus(device, small);
  const net = new DeepLabV3Plus(device, { ...small, pyramidDropout: 0.5, decoderDropout: 0.1 });
  assert.equal([...net.params.keys()], [...plain.params.keys()]);
  const x = device.tensor(pixels, SHAPE);
  await same(net.forward(x, EVAL), plain.forward(x, EVAL), 'evaluation');
  const pass = (step: number) => net.forward(x, { ...TRAIN, update: false, dropout: randomSeed(device, 1, 0, step) });
  assert.is.not((await pass(0).read())[0], (await pass(1).read())[0]);
  for (const n of [plain, net]) n.dispose();
});

for (const scheme of ['supervised', 'cps', 'mean-teacher', 'pseudoseg', 'unimatch'])
  test(`${scheme} trains with dropout, and resumes bit for bit`, async () => {
    const network = { kind: 'unet', width: 4, depth: 2, dropout: [0.1, 0.3], norm: 'group', act: 'leaky' };
    const whole = await runTiny({ scheme, network });
    const part = await runTiny({ scheme, network }, { stopAfter: 4 });
    const rest = await runTiny({ scheme, network }, { resume: part.checkpoint! });
    assert.equal(rest.last, whole.last);
    const without = await runTiny({ scheme, network: { ...network, dropout: null } });
    assert.is.not(without.record.steps[0].loss, whole.record.steps[0].loss);
    for (const r of [whole, part, rest, without]) r.dispose();
  });

test.run();
