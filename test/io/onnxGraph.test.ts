// A graph of ONNX as its user meets it: what it declares, inputs that are checked, and memory.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceError, DisposedError, OnnxError, ShapeError, UsageError } from '../../runtime/errors.ts';
import { Device } from '../../runtime/device/device.ts';
import { liveTensors } from '../../runtime/memory.ts';
import { openNode } from '../../runtime/node.ts';
import { loadOnnx, type OnnxTensor } from '../../runtime/onnx.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { list, node, onnxFile, reals } from '../support/onnxFile.ts';
import { refused } from '../support/onnxRows.ts';

const MIB = 2 ** 20;

/** y = (x + x) w, where w has a value that a run may replace. */
const scaled = onnxFile({
  opset: 13,
  nodes: [node('Add', ['x', 'x'], 'twice'), node('Mul', ['twice', 'w'], 'y')],
  inputs: [
    { name: 'x', dtype: 'f32', shape: ['batch', 2] },
    { name: 'w', dtype: 'f32', shape: [2] },
  ],
  outputs: [{ name: 'y', dtype: 'f32', shape: ['batch', 2] }],
  initializers: { w: reals([2], [10, 100]) },
});

test('declared names, types and shapes are shown', async () => {
  const device = await testDevice();
  const bytes = onnxFile({
    opset: 13,
    nodes: [node('Identity', ['image'], 'y'), node('Identity', ['free'], 'z')],
    inputs: [
      { name: 'image', dtype: 'f16', shape: ['batch', 3, null, -1] },
      { name: 'free', dtype: 'i64' },
      { name: 'one', dtype: 'bool', shape: [] },
    ],
    outputs: [{ name: 'y', dtype: 'f16', shape: ['batch', 3, null, 0] }, 'z'],
  });
  const { model } = loadOnnx(bytes, device);
  assert.equal(model.inputs, [
    { name: 'image', dtype: 'f16', shape: ['batch', 3, null, null] },
    { name: 'free', dtype: 'i64' },
    { name: 'one', dtype: 'bool', shape: [] },
  ]);
  assert.equal(model.outputs, [{ name: 'y', dtype: 'f16', shape: ['batch', 3, null, 0] }, { name: 'z' }]);
  const { model: m } = loadOnnx(scaled, device);
  assert.equal([m.inputs.map((i) => i.name), m.optional!.map((i) => i.name)], [['x'], ['w']]);
});

test('an ArrayBuffer, a view into one, and nothing else', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2], [1, 2]);
  const shifted = new Uint8Array(scaled.length + 5);
  shifted.set(scaled, 5);
  const views = [scaled.buffer, new DataView(shifted.buffer, 5), Buffer.from(scaled), shifted.subarray(5)];
  for (const file of views) {
    const graph = loadOnnx(file as ArrayBuffer, device);
    const { y } = await graph.run({ x });
    assert.equal([...(await y.read())], [20, 400]);
    y.dispose();
    graph.dispose();
  }
  for (const wrong of ['model.onnx', null, [...scaled], new Blob([])]) {
    await refused(() => loadOnnx(wrong as unknown as ArrayBuffer, device), UsageError, /its bytes, .*an ArrayBuffer/);
  }
  x.dispose();
});

test('unknown inputs are refused; an input overrides its initializer, a weight cannot be overridden', async () => {
  const device = await testDevice();
  const graph = loadOnnx(scaled, device);
  const x = device.tensor([1, 2], [1, 2]);
  const w = device.tensor([3, 4], [2]);
  assert.equal([...(await (await graph.run({ x })).y.read())], [20, 400]);
  assert.equal([...(await (await graph.run({ x, w })).y.read())], [6, 16]);
  // The next run has the value of the model again.
  assert.equal([...(await (await graph.run({ x })).y.read())], [20, 400]);
  await refused(() => graph.run({ x, X: x }), ShapeError, /no input X/, /its inputs are x, w/);
  const three = device.tensor([1, 2, 3], [3]);
  await refused(() => graph.run({ x, w: three }), ShapeError, /the input w is \[3\]/, /declares \[2\]/);
  await refused(() => graph.run({ x, w: device.tensor(Int32Array.of(1, 2), [2]) }), ShapeError, /the input w is i32/);
  graph.dispose();
  const fixed = loadOnnx(
    onnxFile({
      opset: 13,
      nodes: [node('Mul', ['x', 'w'], 'y')],
      inputs: [{ name: 'x', dtype: 'f32' }],
      outputs: ['y'],
      initializers: { w: reals([1], [2]) },
    }),
    device,
  );
  await refused(() => fixed.run({ x, w }), ShapeError, /w is a weight of the model, not an input/);
  fixed.dispose();
  const contradiction = onnxFile({
    opset: 13,
    nodes: [node('Neg', ['w'], 'y')],
    inputs: [{ name: 'w', dtype: 'f32', shape: [3] }],
    outputs: ['y'],
    initializers: { w: list(1, 2) },
  });
  await refused(() => loadOnnx(contradiction, device), OnnxError, /initializer w is i64 \[2\], the input f32 \[3\]/);
});

test('shapes, types and named dimensions are checked before anything runs', async () => {
  const device = await testDevice();
  const graph = loadOnnx(
    onnxFile({
      opset: 13,
      nodes: [node('Add', ['a', 'b'], 'y')],
      inputs: [
        { name: 'a', dtype: 'f32', shape: ['n', 3, null, 'n'] },
        { name: 'b', dtype: 'f32', shape: [1, 3, 1, 'n'] },
      ],
      outputs: ['y'],
    }),
    device,
  );
  const t = (...shape: number[]): Tensor => device.tensor(new Float32Array(shape.reduce((p, q) => p * q, 1)), shape);
  const b = t(1, 3, 1, 2);
  assert.equal((await graph.run({ a: t(2, 3, 5, 2), b })).y.shape, [2, 3, 5, 2]);
  const before = device.dispatches;
  await refused(() => graph.run({ a: t(2, 3, 2), b }), ShapeError, /a is \[2,3,2\]/, /declares \[n, 3, \?, n\]/);
  await refused(() => graph.run({ a: t(2, 4, 1, 2), b }), ShapeError, /the input a is \[2,4,1,2\]/);
  const twice = /where n is 4; in another of its dimensions it is 2/;
  await refused(() => graph.run({ a: t(2, 3, 1, 4), b }), ShapeError, twice);
  await refused(() => graph.run({ a: t(4, 3, 1, 4), b }), ShapeError, /the input b .* n is 2; in the input a it is 4/);
  await refused(() => graph.run({ b }), ShapeError, /the input a is missing/, /give a tensor f32 \[n, 3, \?, n\]/);
  await refused(() => graph.run({ a: [1, 2] as unknown as Tensor, b }), ShapeError, /the input a is not a tensor/);
  const whole = device.tensor(new Int32Array(12), [2, 3, 1, 2]);
  await refused(() => graph.run({ a: whole, b }), ShapeError, /the input a is i32/);
  const gone = t(2, 3, 1, 2);
  gone.dispose();
  await refused(() => graph.run({ a: gone, b }), DisposedError);
  const other = new Device(device.gpu);
  const foreign = other.tensor(new Float32Array(12), [2, 3, 1, 2]);
  await refused(() => graph.run({ a: foreign, b }), DeviceError, /the input a is on another device/);
  assert.is(device.dispatches, before);
  graph.dispose();
  await refused(() => graph.run({ a: t(2, 3, 5, 2), b }), DisposedError, /the model has been disposed/);
});

test('forty Relu on [1, 8, 512, 512] run within 96 MiB', async () => {
  const device = await openNode({ budget: 96 * MIB });
  const names = Array.from({ length: 41 }, (_, i) => `x${i}`);
  const bytes = onnxFile({
    opset: 13,
    // The last first: the order is found.
    nodes: names
      .slice(1)
      .map((name, i) => node('Relu', [names[i]], name))
      .reverse(),
    inputs: [{ name: 'x0', dtype: 'f32' }],
    outputs: ['x40'],
  });
  const graph = loadOnnx(bytes, device);
  const x0 = device.tensor(new Float32Array(8 * 512 * 512).fill(-1), [1, 8, 512, 512]);
  const { x40 } = await graph.run({ x0 });
  assert.is((await x40.read())[0], 0);
  assert.ok(device.pool.stats.peak <= 32 * MIB, `${device.pool.stats.peak} bytes`);
  device.close();
});

test('a value lives until its last use, whatever its names are, and a run leaves only its outputs', async () => {
  const device = await testDevice();
  // h is used three times, and seen through Identity and Reshape; k is an output that nodes use; right is not used.
  const bytes = onnxFile({
    opset: 13,
    nodes: [
      node('Neg', ['x'], 'h'),
      node('Identity', ['h'], 'same'),
      node('Reshape', ['h', 'shape'], 'row'),
      node('Add', ['h', 'same'], 'k'),
      { op: 'Split', inputs: ['row'], outputs: ['left', 'right'], attributes: { axis: 0 } },
      node('Abs', ['left'], 'a'),
      node('Mul', ['k', 'same'], 'm'),
      node('Identity', ['x'], 'input'),
      node('Identity', ['w'], 'weight'),
      { op: 'Constant', inputs: [], outputs: ['c'], attributes: { value: reals([2, 2], [1, 1, 1, 1]) } },
      node('Add', ['m', 'c'], 'y'),
    ],
    inputs: [{ name: 'x', dtype: 'f32' }],
    outputs: ['k', 'y', 'a', 'input', 'weight', 'c', 'x'],
    initializers: { shape: list(4), w: reals([1], [7]) },
  });
  const graph = loadOnnx(bytes, device);
  const x = device.tensor([1, 2, 3, 4], [2, 2]);
  for (let round = 0; round < 3; round++) {
    const before = liveTensors(device);
    const outputs = await graph.run({ x });
    const made = liveTensors(device, before);
    // The outputs, and in the first run the constant, which stays.
    assert.is(made.length, 7 + (round === 0 ? 1 : 0));
    const values = await device.read(Object.values(outputs));
    assert.equal(Object.fromEntries(Object.keys(outputs).map((name, i) => [name, [...values[i]]])), {
      k: [-2, -4, -6, -8],
      y: [3, 9, 19, 33],
      a: [1, 2],
      input: [1, 2, 3, 4],
      weight: [7],
      c: [1, 1, 1, 1],
      x: [1, 2, 3, 4],
    });
    for (const t of Object.values(outputs)) t.dispose();
    // What was given and the weights are still there.
    assert.equal([...(await x.read())], [1, 2, 3, 4]);
  }
  x.dispose();
  graph.dispose();
});

test('a run that throws frees all that it made; a model that cannot be loaded leaves nothing', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 4], [2, 2]);
  const graph = loadOnnx(
    onnxFile({
      opset: 13,
      nodes: [
        node('Exp', ['x'], 'a'),
        node('Exp', ['a'], 'b'),
        node('MatMul', ['b', 'v'], 'c'),
        node('Add', ['b', 'c'], 'y'),
      ],
      inputs: [
        { name: 'x', dtype: 'f32' },
        { name: 'v', dtype: 'f32' },
      ],
      outputs: ['y', 'a'],
    }),
    device,
  );
  const v = device.tensor([1, 2, 3], [3]);
  const before = device.pool.stats.inUse;
  await refused(() => graph.run({ x, v }), ShapeError, /matmul/i);
  assert.is(device.pool.stats.inUse, before);
  graph.dispose();
  const small = await openNode({ budget: MIB });
  const weight = (n: number): OnnxTensor => reals([n], Array<number>(n).fill(1));
  const heavy = onnxFile({
    opset: 13,
    nodes: [node('Add', ['a', 'b'], 'y')],
    inputs: [],
    outputs: ['y'],
    initializers: { a: weight(1000), b: weight(300000) },
  });
  assert.throws(() => loadOnnx(heavy, small), /does not fit/);
  assert.is(small.pool.stats.inUse, 0);
  small.close();
  for (const t of [x, v]) t.dispose();
});

test.run();
