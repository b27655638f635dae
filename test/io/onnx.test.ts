// ONNX files: what is read from them, what runs, and what damaged ones give.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText, FewmaskError, OnnxError, UnsupportedError } from '../../runtime/errors.ts';
import { loadOnnx, OnnxGraph } from '../../runtime/io/onnx/graph.ts';
import { readOnnx, type OnnxModel, type OnnxNode } from '../../runtime/io/onnx/model.ts';
import { fields, varint } from '../../runtime/io/onnx/protobuf.ts';
import { testDevice } from '../support/device.ts';

type Bytes = number[];
const number = (v: number): Bytes => (v < 128 ? [v] : [(v & 127) | 128, ...number(v >>> 7)]);
const int = (id: number, v: number): Bytes => [...number(id << 3), ...number(v)];
const part = (id: number, ...parts: Bytes[]): Bytes => [
  ...number((id << 3) | 2),
  ...number(parts.flat().length),
  ...parts.flat(),
];
const text = (id: number, s: string): Bytes => part(id, [...new TextEncoder().encode(s)]);
const floats = (id: number, v: number[]): Bytes => part(id, [...new Uint8Array(Float32Array.from(v).buffer)]);
const value = (id: number, name: string, code: number): Bytes =>
  part(id, text(1, name), part(2, part(1, int(1, code))));
const node = (op: string, inputs: string[], output: string, ...attributes: Bytes[]): Bytes =>
  part(1, ...inputs.map((i) => text(1, i)), text(2, output), text(4, op), ...attributes.map((a) => part(5, a)));

/** y = LeakyRelu(reshape(x, [3, 2]) + w), its nodes in the wrong order. */
const file = Uint8Array.from([
  ...int(1, 8),
  ...part(8, int(2, 17)),
  ...part(
    7,
    node('LeakyRelu', ['sum'], 'y', [
      ...text(1, 'alpha'),
      ...number((2 << 3) | 5),
      ...new Uint8Array(Float32Array.of(0.5).buffer),
      ...int(20, 1),
    ]),
    node('Add', ['r', 'w'], 'sum'),
    node('Reshape', ['x', 's'], 'r'),
    part(5, part(1, number(2)), int(2, 1), floats(4, [10, -100]), text(8, 'w')),
    part(5, int(1, 2), int(2, 7), text(8, 's'), part(9, [3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])),
    value(11, 'x', 1),
    value(11, 's', 7),
    value(12, 'y', 1),
  ),
]);

test('a model is read and run', async () => {
  const device = await testDevice();
  const graph = loadOnnx(file, device);
  assert.is(graph.model.opset, 17);
  assert.equal(graph.model.inputs, [{ name: 'x', dtype: 'f32' }]);
  assert.equal(graph.model.initializers.get('s'), { dtype: 'i64', shape: [2], data: [3, 2] });
  const x = device.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  const { y } = await graph.run({ x });
  assert.equal(y.shape, [3, 2]);
  assert.equal([...(await y.read())], [11, -49, 13, -48, 15, -47]);
  let error: unknown;
  await graph.run({}).catch((e) => (error = e));
  assert.match(errorText(error), 'the input x is missing');
  graph.dispose();
});

test('varints', () => {
  assert.equal(varint(Uint8Array.of(0xac, 2), 0), [300n, 2]);
  assert.equal(varint(Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 255, 1), 0), [-1n, 10]);
  assert.throws(
    () => varint(Uint8Array.of(128), 0),
    (e: unknown) => e instanceof OnnxError,
  );
  assert.throws(
    () => varint(new Uint8Array(20).fill(255), 0),
    (e: unknown) => e instanceof OnnxError,
  );
  assert.throws(
    () => [...fields(Uint8Array.of(10, 5, 1))],
    (e: Error) => e instanceof OnnxError && e.message.includes('claims 5 bytes, 1 are left'),
  );
});

test('tensors whose elements do not make their shape', () => {
  const model = (...tensor: Bytes[]): Uint8Array => Uint8Array.from(part(7, part(5, ...tensor)));
  for (const lying of [
    model(int(1, 2 ** 30), int(1, 2 ** 30), int(2, 1), floats(4, [1])),
    model(int(1, 3), int(2, 1), part(9, [0, 0, 0, 0])),
    model(int(1, 3), int(2, 7), int(7, 1)),
  ]) {
    assert.throws(
      () => readOnnx(lying),
      (e: unknown) => e instanceof OnnxError,
    );
  }
  assert.throws(
    () => readOnnx(model(int(2, 8))),
    (e: unknown) => e instanceof UnsupportedError,
  );
});

test('models that say two things, or something else', () => {
  const weight = (...more: Bytes[]): Bytes => part(5, int(1, 1), int(2, 1), text(8, 'w'), ...more);
  const graph = (...parts: Bytes[]): Uint8Array => Uint8Array.from(part(7, ...parts));
  const refused = (what: string, bytes: Uint8Array): void =>
    assert.throws(
      () => readOnnx(bytes),
      (e: Error) => e instanceof OnnxError && e.message.includes(what),
      what,
    );
  assert.equal(readOnnx(graph(weight(floats(4, [2])))).initializers.get('w')!.data, [2]);
  refused('two initializers called w', graph(weight(floats(4, [1])), weight(floats(4, [2]))));
  refused('two inputs called x', graph(value(11, 'x', 1), value(11, 'x', 7)));
  refused(
    'two attributes called a',
    graph(
      node(
        'Neg',
        ['x'],
        'y',
        [...text(1, 'a'), ...int(3, 1), ...int(20, 2)],
        [...text(1, 'a'), ...int(3, 2), ...int(20, 2)],
      ),
    ),
  );
  refused('two graphs', Uint8Array.from([...graph(), ...graph()]));
  refused('elements of another type', graph(weight(floats(4, [1]), floats(9, [2]))));
  refused('elements of another type', graph(weight(int(5, 1))));
  refused('not UTF-8', graph(part(5, int(1, 1), int(2, 1), part(8, [255]), floats(4, [1]))));
  refused('holds 300', graph(part(5, int(1, 1), int(2, 2), text(8, 'w'), int(5, 300))));
  assert.throws(
    () => readOnnx(graph(part(15, int(1, 1)))),
    (e: unknown) => e instanceof UnsupportedError,
  );
});

test('attributes of another kind than the operator has', async () => {
  const device = await testDevice();
  const file = Uint8Array.from(
    part(7, node('Constant', [], 'y', [...text(1, 'value'), ...int(3, 1), ...int(20, 2)]), value(12, 'y', 1)),
  );
  let error: unknown;
  await loadOnnx(file, device)
    .run({})
    .catch((e) => (error = e));
  assert.instance(error, OnnxError);
});

test('graphs that contradict themselves', async () => {
  const device = await testDevice();
  const n = (op: string, inputs: string[], output: string): OnnxNode => ({
    op,
    inputs,
    outputs: [output],
    attributes: {},
  });
  const wrong = (message: string, ...nodes: OnnxNode[]): void => {
    const model: OnnxModel = {
      opset: 17,
      nodes,
      inputs: [{ name: 'x', dtype: 'f32' }],
      outputs: [{ name: 'y' }],
      initializers: new Map(),
    };
    assert.throws(
      () => new OnnxGraph(device, model),
      (e: Error) => e instanceof FewmaskError && e.message.includes(message),
    );
  };
  wrong('needs its own result', n('Add', ['x', 'b'], 'a'), n('Neg', ['a'], 'b'), n('Neg', ['x'], 'y'));
  wrong('made twice', n('Neg', ['x'], 'y'), n('Abs', ['x'], 'y'));
  wrong('which nothing makes', n('Neg', ['z'], 'y'));
  wrong('nothing makes the output', n('Neg', ['x'], 'z'));
  wrong('there is no such operator', n('toString', ['x'], 'y'));
});

test('a thousand damaged files give a typed error or a result', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  let seed = 1;
  let failed = 0;
  const random = (n: number): number => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % n;
  for (let i = 0; i < 1000; i++) {
    let bytes = file.slice();
    for (let k = random(4); k >= 0; k--) bytes[random(bytes.length)] = random(256);
    if (random(4) === 0) bytes = bytes.slice(0, random(bytes.length));
    try {
      const graph = loadOnnx(bytes, device);
      const names = graph.model.inputs.map((i) => [i.name, x] as const);
      for (const t of Object.values(await graph.run(Object.fromEntries(names)))) t.dispose();
      graph.dispose();
    } catch (error) {
      assert.ok(error instanceof FewmaskError, `mutation ${i}: ${(error as Error).stack}`);
      failed++;
    }
  }
  assert.ok(failed > 100);
});

test.run();
