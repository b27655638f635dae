// Modules: names and layouts as in PyTorch, draws, modes, files.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { parameter, randomSeed, tensor } from '../../runtime/create.ts';
import { CheckpointError, errorText, ShapeError, UsageError } from '../../runtime/errors.ts';
import { decodeSafetensors, encodeSafetensors, type FileTensor } from '../../runtime/io/safetensors.ts';
import { liveTensors } from '../../runtime/memory.ts';
import {
  BatchNorm,
  Conv2d,
  ConvTranspose2d,
  Dropout,
  Dropout2d,
  Embedding,
  GroupNorm,
  LayerNorm,
  Linear,
  RMSNorm,
  Sequential,
} from '../../runtime/modules/layers.ts';
import { EVAL, Module, Parameter, TRAIN, type ForwardMode } from '../../runtime/modules/module.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import { add, concat, mean, mul, relu, sum } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';

class Block extends Module {
  conv: Conv2d;
  bn: BatchNorm;

  constructor(channels: number) {
    super();
    this.conv = new Conv2d(channels, channels, [3, 1], { padding: [1, 0], groups: 2, bias: false });
    this.bn = new BatchNorm(channels);
  }

  forward(x: Tensor, mode: ForwardMode): Tensor {
    return add(x, this.bn.forward(this.conv.forward(x), mode, true));
  }
}

class Net extends Module {
  stem = new Sequential(new Conv2d(3, 4, 2), relu, new Conv2d(4, 4, 1));
  blocks = [new Block(4), new Block(4)];
  scale = new Parameter([4], { init: 'ones' });
  drop = new Dropout(0.5);
  head = new Linear(4, 5);

  forward(x: Tensor, mode: ForwardMode): Tensor {
    let h = this.stem.forward(x, mode);
    for (const block of this.blocks) h = block.forward(h, mode);
    return this.head.forward(this.drop.forward(mul(mean(h, [1, 2]), this.scale.value), mode));
  }
}

const NAMES = [
  'scale',
  'stem.0.weight',
  'stem.0.bias',
  'stem.2.weight',
  'stem.2.bias',
  'blocks.0.conv.weight',
  'blocks.0.bn.weight',
  'blocks.0.bn.bias',
  'blocks.1.conv.weight',
  'blocks.1.bn.weight',
  'blocks.1.bn.bias',
  'head.weight',
  'head.bias',
];

test("names, shapes and order are PyTorch's", async () => {
  const device = await testDevice();
  const net = new Net().init(device, { seed: 3 });
  assert.equal([...net.params.keys()], NAMES);
  assert.equal(
    [...net.buffers.keys()],
    ['blocks.0.bn.running_mean', 'blocks.0.bn.running_var', 'blocks.1.bn.running_mean', 'blocks.1.bn.running_var'],
  );
  const state = await net.stateDict();
  assert.equal(state.get('stem.0.weight')!.shape, [4, 3, 2, 2]);
  assert.equal(state.get('blocks.0.conv.weight')!.shape, [4, 2, 3, 1]);
  assert.equal(state.get('head.weight')!.shape, [5, 4]);
  assert.is(net.parameterCount, 4 + (48 + 4) + (16 + 4) + 2 * (24 + 8) + 25);
  const held = await net.head.weight.value.read();
  const saved = state.get('head.weight')!.data;
  for (let i = 0; i < 4; i++) for (let o = 0; o < 5; o++) assert.is(saved[o * 4 + i], held[i * 5 + o]);
  net.dispose();
});

test('a state_dict goes through a file into another network, and back bit for bit', async () => {
  const device = await testDevice();
  const a = new Net().init(device, { seed: 1 });
  const b = new Net().init(device, { seed: 2 });
  const file = decodeSafetensors(encodeSafetensors(await a.stateDict()));
  assert.equal(b.loadStateDict(file.tensors).length, NAMES.length + 4);
  assert.equal(await b.stateDict(), await a.stateDict());
  const x = tensor(
    device,
    new Float32Array(2 * 5 * 5 * 3).map((_, i) => Math.sin(i)),
    { shape: [2, 5, 5, 3] },
  );
  assert.equal(await a.forward(x, EVAL).read(), await b.forward(x, EVAL).read());
  for (const net of [a, b]) net.dispose();
});

test('a state_dict that does not fit changes nothing', async () => {
  const device = await testDevice();
  const net = new Sequential(new Linear(2, 2), new BatchNorm(2)).init(device);
  const before = await net.stateDict();
  const wrong = (
    change: (state: Map<string, { shape: readonly number[]; data: Float32Array }>) => void,
    message: RegExp,
  ): void => {
    const state = new Map([...before].map(([name, t]) => [name, { shape: t.shape, data: t.data.map(() => 7) }]));
    change(state);
    assert.throws(
      () => net.loadStateDict(state),
      (e: unknown) => e instanceof CheckpointError && message.test(errorText(e)),
    );
  };
  wrong((s) => s.delete('1.running_var'), /has no 1.running_var/);
  wrong((s) => s.set('2.bias', { shape: [1], data: new Float32Array(1) }), /has 2.bias, which the network lacks/);
  wrong(
    (s) => s.set('1.bias', { shape: [3], data: new Float32Array(3) }),
    /1.bias is \[3\] in the checkpoint, the network has \[2\]/,
  );
  wrong((s) => s.set('1.bias', { shape: [2], data: new Float32Array(1) }), /1 elements in a Float32Array/);
  wrong((s) => s.set('1.bias', { shape: [2], data: new Int32Array(2) as unknown as Float32Array }), /Int32Array/);
  assert.equal(await net.stateDict(), before);
  assert.equal(
    net.loadStateDict(new Map([['0.bias', { shape: [2], data: Float32Array.of(1, 2) }]]), { partial: true }),
    ['0.bias'],
  );
  net.loadStateDict(
    new Map<string, FileTensor>([...before, ['1.num_batches_tracked', { shape: [], data: new Int32Array(1) }]]),
  );
  net.dispose();
});

test('first values depend on seed and name alone', async () => {
  const device = await testDevice();
  const weights = async (net: Sequential, seed: number): Promise<unknown> => {
    const { data } = (await net.init(device, { seed }).stateDict()).get('1.weight')!;
    net.dispose();
    return data;
  };
  const a = await weights(new Sequential(new Linear(3, 3), new Linear(3, 8)), 5);
  assert.equal(await weights(new Sequential(relu, new Linear(3, 8), new Linear(8, 8)), 5), a);
  assert.not.equal(await weights(new Sequential(relu, new Linear(3, 8)), 6), a);
  const constant = new Parameter([2], { init: 0.5 });
  const own = new Parameter([2], { init: (rng, name) => [rng.uniform(), name.length] });
  class Own extends Module {
    constant = constant;
    own = own;
  }
  const net = new Own().init(device);
  assert.equal([...(await constant.value.read())], [0.5, 0.5]);
  assert.is((await own.value.read())[1], 3);
  net.dispose();
});

test('gradients by name train every parameter', async () => {
  const device = await testDevice();
  const net = new Net().init(device);
  const x = tensor(
    device,
    new Float32Array(2 * 5 * 5 * 3).map((_, i) => Math.cos(i)),
    { shape: [2, 5, 5, 3] },
  );
  const y = net.forward(x, { ...TRAIN, dropout: null });
  const grads = grad(sum(mul(y, y)), net.params);
  assert.equal([...grads.keys()], NAMES);
  for (const [name, g] of grads) {
    assert.equal(g.shape, net.params.get(name)!.shape);
    assert.ok(
      (await g.read()).some((v) => v !== 0),
      name,
    );
  }
  net.dispose();
});

test('modes that are missing are errors, not guesses', async () => {
  const device = await testDevice();
  const x = tensor(device, new Float32Array(8).fill(1), { shape: [4, 2] });
  const bn = new BatchNorm(2).init(device);
  const drop = new Dropout().init(device);
  const usage = (e: unknown): boolean => e instanceof UsageError;
  assert.throws(() => new Linear(2, 2).forward(x), usage);
  assert.throws(() => bn.forward(x), usage);
  assert.throws(() => bn.init(device), usage);
  assert.throws(() => drop.forward(x), usage);
  assert.throws(() => drop.forward(x, TRAIN), usage);
  assert.throws(() => new Dropout().forward(x, { ...TRAIN, dropout: randomSeed(device, 1) }), usage);
  assert.is(drop.forward(x, EVAL), x);
  assert.is(drop.forward(x, { ...TRAIN, dropout: null }), x);
});

test('dropout layers draw apart, and again the same', async () => {
  const device = await testDevice();
  const net = new Sequential(new Dropout(), new Dropout(), new Dropout2d()).init(device);
  const x = tensor(device, new Float32Array(256).fill(1), { shape: [4, 8, 8] });
  const mode: ForwardMode = { ...TRAIN, dropout: randomSeed(device, 9, 0, 4) };
  const [a, b, c] = net.steps as [Dropout, Dropout, Dropout2d];
  const [first, again, second, channels] = await device.read([
    a.forward(x, mode),
    a.forward(x, mode),
    b.forward(x, mode),
    c.forward(x, mode),
  ]);
  assert.equal(first, again);
  assert.not.equal(first, second);
  for (let i = 0; i < 256; i++) assert.is(channels[i], channels[Math.floor(i / 64) * 64 + (i % 8)]);
  net.dispose();
});

test('layers compute what their operations do', async () => {
  const device = await testDevice();
  const x = tensor(device, [[1, 2, 3, 6]]);
  close(
    await new LayerNorm(4).init(device).forward(x).read(),
    [-1.0690443, -0.5345221, 0, 1.6035664],
    1e-5,
    'layer norm',
  );
  close(
    await new RMSNorm(4).init(device).forward(x).read(),
    [1, 2, 3, 6].map((v) => v / Math.sqrt(12.5)),
    1e-5,
    'RMS norm',
  );
  close(await new GroupNorm(2, 4).init(device).forward(x).read(), [-1, 1, -1, 1], 1e-4, 'group norm');
  const table = new Embedding(3, 2).init(device);
  const w = await table.weight.value.read();
  assert.equal([...(await table.forward(tensor(device, [2, 0], { dtype: 'i32' })).read())], [w[4], w[5], w[0], w[1]]);
  const up = new ConvTranspose2d(2, 3, 2, { stride: 2 }).init(device);
  assert.equal((await up.stateDict()).get('weight')!.shape, [2, 3, 2, 2]);
  assert.equal(up.forward(tensor(device, new Float32Array(8), { shape: [1, 2, 2, 2] })).shape, [1, 4, 4, 3]);
});

test('a convolution of several images is that of the joined ones', async () => {
  const device = await testDevice();
  const rng = new Rng(4, 0);
  const layer = new Conv2d(11, 6, 3, { padding: 1, stride: 2 }).init(device, { seed: 2 });
  const parts = [4, 1, 6].map((c) =>
    device.tensor(
      Float32Array.from({ length: 2 * 7 * 9 * c }, () => rng.normal()),
      [2, 7, 9, c],
    ),
  );
  for (const p of parts) p.requiresGrad = true;
  const wrt = [...parts, layer.weight.value, layer.bias!.value];
  const y = layer.forward(parts);
  const joined = layer.forward(concat(parts, 3));
  const dy = device.tensor(
    Float32Array.from({ length: y.size }, () => rng.normal()),
    y.shape,
  );
  close(await y.read(), await joined.read(), 1e-5, 'y');
  const [got, want] = [grad(y, wrt, { dy }), grad(joined, wrt, { dy })];
  for (const [i, g] of got.entries()) close(await g.read(), await want[i].read(), 1e-5, `gradient ${i}`);
  assert.throws(
    () => layer.forward(parts.slice(0, 2)),
    (e: Error) => e instanceof ShapeError,
  );
  assert.throws(
    () => layer.forward([...parts, parts[1]]),
    (e: Error) => e instanceof ShapeError,
  );
});

test('a shared module is saved under each name, trained once, and freed', async () => {
  const device = await testDevice();
  const before = liveTensors(device).length;
  class Tied extends Module {
    a = new Linear(2, 2);
    b = this.a;
  }
  const net = new Tied().init(device);
  assert.equal([...net.params.keys()], ['a.weight', 'a.bias']);
  assert.is(net.parameterCount, 6);
  assert.equal([...(await net.stateDict()).keys()], ['a.weight', 'a.bias', 'b.weight', 'b.bias']);
  net.dispose();
  assert.is(liveTensors(device).length, before);
});

test('parts in arrays of arrays, maps and plain objects, also in a circle', async () => {
  const device = await testDevice();
  class Parts extends Module {
    grid = [[new Linear(1, 1, { bias: false })], [null, new Parameter([2])]];
    map = new Map<string, unknown>([
      ['k', new Parameter([3])],
      ['deep', { list: [new Parameter([4])] }],
    ]);
    plain: Record<string, unknown> = { p: new Parameter([5]), size: 3 };
    #hidden = new Parameter([6]);

    constructor() {
      super();
      this.plain.self = this.plain;
    }

    get hidden(): Parameter {
      return this.#hidden;
    }
  }
  const net = new Parts().init(device);
  assert.equal([...net.params.keys()], ['grid.1.1', 'map.k', 'map.deep.list.0', 'plain.p', 'grid.0.0.weight']);
  assert.is(net.hidden.ready, false);
  net.dispose();
  class Twice extends Module {
    a = { 'b.c': new Parameter([1]), b: { c: new Parameter([1]) } };
  }
  assert.throws(
    () => new Twice().init(device),
    (e: unknown) => e instanceof UsageError && /two parameters are called a\.b\.c/.test(errorText(e)),
  );
});

test('a tensor that requires a gradient and is not a Parameter is refused', async () => {
  const device = await testDevice();
  class Loose extends Module {
    lin = new Linear(2, 2);
    w: unknown = null;
  }
  const net = new Loose().init(device);
  net.w = net.lin.weight.value;
  assert.is(net.params.size, 2);
  net.w = mul(net.lin.weight.value, 2);
  assert.is(net.params.size, 2);
  const refused = (e: unknown): boolean =>
    e instanceof UsageError && /Loose\.w(\.0)? \[3\] f32 requires a gradient.*new Parameter/.test(errorText(e));
  for (const w of [parameter(tensor(device, [1, 2, 3])), [parameter(tensor(device, [1, 2, 3]))]]) {
    net.w = w;
    assert.throws(() => net.params, refused);
    assert.throws(() => net.parameterCount, refused);
    const error = await net.stateDict().then(
      () => null,
      (e: unknown) => e,
    );
    assert.ok(refused(error));
  }
});

test('a part that is replaced after init, and optimisers of what they do not know', async () => {
  const device = await testDevice();
  class Body extends Module {
    body = new Linear(2, 3);
    head = new Linear(3, 1);
  }
  const net = new Body();
  assert.throws(
    () => new Sgd(net.params, { lr: 1 }),
    (e: unknown) => e instanceof UsageError && /init\(device\)/.test(errorText(e)),
  );
  assert.throws(
    () => new Sgd(new Map(), { lr: 1 }),
    (e: unknown) => e instanceof UsageError && /no parameters/.test(errorText(e)),
  );
  net.init(device);
  const sgd = new Sgd(net.head.params, { lr: 1 });
  const grads = grad(sum(net.head.forward(net.body.forward(tensor(device, [[1, 2]])))), net.params);
  assert.throws(
    () => sgd.step(grads),
    (e: unknown) => e instanceof UsageError && /called body\.weight, …, its parameters weight/.test(errorText(e)),
  );
  const body = await net.body.weight.value.read();
  net.head.dispose();
  net.head = new Linear(3, 5);
  assert.throws(
    () => net.params,
    (e: unknown) => e instanceof UsageError && /init\(device\)/.test(errorText(e)),
  );
  net.init(device);
  assert.is(net.parameterCount, 9 + 20);
  assert.equal(await net.body.weight.value.read(), body);
  assert.throws(
    () => net.init(device),
    (e: unknown) => e instanceof UsageError && /already/.test(errorText(e)),
  );
  net.dispose();
});

test.run();
