// Networks as modules: made at once or by init, alone or as part of another module.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { tensor } from '../../runtime/create.ts';
import type { Device } from '../../runtime/device/device.ts';
import { errorText, UsageError } from '../../runtime/errors.ts';
import { decodeSafetensors, encodeSafetensors } from '../../runtime/io/safetensors.ts';
import { liveTensors } from '../../runtime/memory.ts';
import { Conv2d, Sequential } from '../../runtime/modules/layers.ts';
import { EVAL, Module, TRAIN, type ForwardMode } from '../../runtime/modules/module.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import { mean, relu, square } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { AttentionBranch } from '../../src/nn/attention.ts';
import { DeepLabV3Plus } from '../../src/nn/deeplab.ts';
import { Network, type Features } from '../../src/nn/module.ts';
import { UNet } from '../../src/nn/unet.ts';
import { testDevice } from '../support/device.ts';

const SMALL = { numClasses: 2, width: 4, depth: 2 };
const DEEPLAB = {
  numClasses: 3,
  depth: 18,
  widths: [4, 4, 6, 8],
  asppChannels: 4,
  lowChannels: 4,
  decoderChannels: 4,
} as const;
const image = (device: Device): Tensor => {
  return tensor(
    device,
    Float32Array.from({ length: 2 * 8 * 8 * 3 }, (_, i) => Math.sin(i)),
    { shape: [2, 8, 8, 3] },
  );
};
const usage =
  (message: RegExp) =>
  (e: unknown): boolean =>
    e instanceof UsageError && message.test(errorText(e));

test('init makes what the device in the constructor makes', async () => {
  const device = await testDevice();
  const branch = { encoderChannels: [4, 8], numClasses: 3, foreground: 2, seed: 3 };
  const pairs: [Network | AttentionBranch, Network | AttentionBranch][] = [
    [new UNet(device, { ...SMALL, seed: 3 }), new UNet({ ...SMALL, seed: 3 }).init(device)],
    [
      new UNet(device, { ...SMALL, up: 'transpose', seed: 3 }),
      new UNet({ ...SMALL, up: 'transpose' }).init(device, { seed: 3 }),
    ],
    [new DeepLabV3Plus(device, { ...DEEPLAB, seed: 3 }), new DeepLabV3Plus({ ...DEEPLAB, seed: 3 }).init(device)],
    [new AttentionBranch(device, branch), new AttentionBranch(branch).init(device)],
  ];
  for (const [a, b] of pairs) {
    assert.equal([...a.params.keys()], [...b.params.keys()]);
    assert.is(a.parameterCount, b.parameterCount);
    assert.equal(await a.stateDict(), await b.stateDict());
    assert.is(b.device, device);
    assert.throws(() => a.init(device), usage(/on a device already/));
    a.dispose();
    b.dispose();
    assert.throws(() => a.params, usage(/disposed/));
  }
  const waiting = new UNet(SMALL);
  assert.throws(() => waiting.params, usage(/before its module was made/));
  assert.throws(() => waiting.device, usage(/not on a device yet/));
  assert.throws(() => waiting.forward(image(device), EVAL), usage(/before its module was made/));
});

class Enhanced extends Module {
  net: Network;
  refine = new Conv2d(2, 2, 3, { padding: 1 });

  constructor(net: Network) {
    super();
    this.net = net;
  }

  forward(x: Tensor, mode: ForwardMode): Tensor {
    return this.refine.forward(relu(this.net.forward(x, mode)));
  }
}

for (const [how, make] of [
  ['made by the module around it', () => new UNet(SMALL)],
  ['made before', (device) => new UNet(device, SMALL)],
] as [string, (device: Device) => Network][]) {
  test(`a network in a module, ${how}: trained, saved, loaded, counted, freed`, async () => {
    const device = await testDevice();
    const before = liveTensors(device).length;
    const module = new Enhanced(make(device)).init(device);
    const { net } = module;
    const names = [...net.params.keys()];
    assert.equal([...module.params.keys()], ['refine.weight', 'refine.bias', ...names.map((n) => `net.${n}`)]);
    assert.equal(
      [...module.buffers.keys()],
      [...net.buffers.keys()].map((n) => `net.${n}`),
    );
    assert.is(module.parameterCount, net.parameterCount + 2 * 2 * 9 + 2);
    const x = image(device);
    const sgd = new Sgd(module.params, { lr: 0.1 });
    const old = await module.stateDict();
    const loss = (): Tensor => mean(square(module.forward(x, TRAIN)));
    const first = await loss().item();
    for (let i = 0; i < 3; i++) device.scope(() => sgd.step(grad(loss(), module.params)));
    assert.ok((await loss().item()) < first);
    const trained = await module.stateDict();
    // What stands in front of a batch normalisation has no bias, so that every parameter moves.
    for (const [name, { data }] of trained) assert.not.equal(data, old.get(name)!.data, name);
    const other = new Enhanced(new UNet(SMALL)).init(device, { seed: 9 });
    other.loadStateDict(decodeSafetensors(encodeSafetensors(trained)).tensors);
    assert.equal(await other.forward(x, EVAL).read(), await module.forward(x, EVAL).read());
    assert.not.equal(await module.forward(x, TRAIN).read(), await module.forward(x, EVAL).read());
    sgd.dispose();
    module.dispose();
    other.dispose();
    for (const { tensor: t } of liveTensors(device).slice(before)) t.dispose();
  });
}

test('in a sequence, in an array, a map and a plain object, and twice', async () => {
  const device = await testDevice();
  const x = image(device);
  const sequence = new Sequential(new UNet(SMALL), relu, new Conv2d(2, 1, 1)).init(device);
  assert.equal(sequence.forward(x, EVAL).shape, [2, 8, 8, 1]);
  assert.throws(() => sequence.forward(x), usage(/mode/));
  assert.ok([...sequence.params.keys()].some((n) => n === '0.enc0.0.conv.weight'));
  class Several extends Module {
    shared = new UNet(SMALL);
    nets = [[new UNet(SMALL)], this.shared];
    byName = new Map([['a', new UNet(SMALL)]]);
    plain = { b: { c: new UNet(SMALL) } };
  }
  const several = new Several().init(device);
  const count = several.shared.parameterCount;
  assert.is(several.parameterCount, 4 * count);
  const heads = [...several.params.keys()].filter((n) => n.endsWith('head.bias'));
  assert.equal(heads, ['shared.head.bias', 'nets.0.0.head.bias', 'byName.a.head.bias', 'plain.b.c.head.bias']);
  assert.ok((await several.stateDict()).has('nets.1.head.bias'));
  sequence.dispose();
  several.dispose();
});

class Own extends Network {
  readonly encoderChannels = [4];
  stem = new Conv2d(3, 4, 1);
  extra = { heads: [new Conv2d(4, 2, 1)] };

  encode(x: Tensor): Features {
    return { stages: [relu(this.stem.forward(x))], height: x.shape[1], width: x.shape[2] };
  }

  decodeCoarse({ stages }: Features): Tensor {
    return this.extra.heads[0].forward(stages[0]);
  }
}

test('a network of the user with modules as its properties', async () => {
  const device = await testDevice();
  const net = new Own(null, 2, 0).init(device);
  assert.equal([...net.params.keys()], ['stem.weight', 'stem.bias', 'extra.heads.0.weight', 'extra.heads.0.bias']);
  assert.equal(net.forward(image(device), EVAL).shape, [2, 8, 8, 2]);
  net.dispose();
});

test.run();
