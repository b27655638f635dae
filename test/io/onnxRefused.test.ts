// External data of ONNX models, and what is refused by its own name.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OnnxError, UnsupportedError, UsageError } from '../../runtime/errors.ts';
import { loadOnnx, onnxFiles } from '../../runtime/onnx.ts';
import { testDevice } from '../support/device.ts';
import {
  attribute,
  externalTensor,
  int,
  list,
  node,
  onnxFile,
  part,
  rawBytes,
  reals,
  str,
  tensorHead,
  type FileNode,
} from '../support/onnxFile.ts';
import { refused } from '../support/onnxRows.ts';

test('external data is read where a resolver is given, and else refused by the names of tensor and file', async () => {
  const device = await testDevice();
  const w = reals([2], [3, 5]);
  const place = { location: 'weights/part 1.bin', offset: '4', length: '8' };
  const inFile = externalTensor('k', w, { location: 'c.bin' });
  const model = (where: Record<string, string>, ...more: number[][]): Uint8Array =>
    onnxFile({
      opset: 13,
      nodes: [
        node('Mul', ['x', 'w'], 'm'),
        node('Add', ['m', 'c'], 'y'),
        { op: 'Constant', inputs: [], outputs: ['c'], raw: [[str(1, 'value'), part(5, ...inFile), int(20, 4)]] },
      ],
      inputs: [{ name: 'x', dtype: 'f32' }],
      outputs: ['y'],
      raw: [part(5, ...externalTensor('w', w, where), ...more)],
    });
  const files: Record<string, Uint8Array | ArrayBuffer> = {
    'weights/part 1.bin': Uint8Array.from([0, 0, 0, 0, ...rawBytes(w), 9]),
    'c.bin': Uint8Array.from(rawBytes(w)).buffer,
  };
  const bytes = model(place);
  assert.equal(onnxFiles(bytes).sort(), ['c.bin', 'weights/part 1.bin']);
  assert.equal(onnxFiles(onnxFile({ opset: 13, nodes: [], inputs: [], outputs: [] }).buffer), []);
  const external = (location: string): Uint8Array | ArrayBuffer | undefined => files[location];
  const graph = loadOnnx(bytes, device, { external });
  const x = device.tensor([1, 2], [2]);
  assert.equal([...(await (await graph.run({ x })).y.read())], [6, 15]);
  const named = /^k: its data is external, in the file c\.bin/;
  await refused(() => loadOnnx(bytes, device), UnsupportedError, named, /pass \{ external \}/);
  const one = (f: string): Uint8Array | ArrayBuffer | undefined => (f === 'c.bin' ? files[f] : undefined);
  const missing = /no file weights\/part 1\.bin with the data of w/;
  await refused(() => loadOnnx(bytes, device, { external: one }), OnnxError, missing);
  const later = (): ArrayBuffer => Promise.resolve(files['c.bin']) as unknown as ArrayBuffer;
  const promised = /the file c\.bin is read from its bytes, not from a value of type Promise/;
  await refused(() => loadOnnx(bytes, device, { external: later }), UsageError, promised);
  const wrong: [Record<string, string>, RegExp, ...number[][]][] = [
    [{ ...place, offset: '8' }, /bytes 8 to 16 of weights\/part 1\.bin, which has 13/],
    [{ ...place, length: '12' }, /w needs 8 bytes, its external data has 12/],
    [{ ...place, offset: '-4' }, /the offset .* is '-4'/],
    [{ ...place, offset: '1e1' }, /the offset/],
    [{ ...place, length: '99999999999999999999' }, /the length/],
    ...['../secret', 'a/../../b', '/etc/passwd', 'C:\\x', 'http://x/y', ''].map(
      (location) => [{ location }, /absolute or contain \.\./] as [Record<string, string>, RegExp],
    ),
    [place, /data both here and in/, part(9, rawBytes(w))],
  ];
  for (const [where, what, ...more] of wrong) {
    await refused(() => loadOnnx(model(where, ...more), device, { external }), OnnxError, what);
  }
  assert.throws(
    () => onnxFiles(model({ location: '../secret' })),
    (e: unknown) => e instanceof OnnxError,
  );
  x.dispose();
  graph.dispose();
});

test('control flow, quantised models, segments, sparse and other tensors, sequences: by their own names', async () => {
  const device = await testDevice();
  const model =
    (n: FileNode, ...raw: number[][]): (() => unknown) =>
    () =>
      loadOnnx(onnxFile({ opset: 13, nodes: [n], inputs: [{ name: 'x', dtype: 'f32' }], outputs: ['y'], raw }), device);
  const graphs = (name: string, id = 6, kind = 5): FileNode['raw'] => [[str(1, name), part(id), int(20, kind)]];
  for (const [op, ...names] of [
    ['If', 'then_branch', 'else_branch'],
    ['Loop', 'body'],
    ['Scan', 'body'],
  ]) {
    const n: FileNode = { ...node(op, ['x'], 'y'), raw: names.flatMap((b) => graphs(b)!) };
    await refused(model(n), UnsupportedError, new RegExp(`^${op}: .*subgraph \\(${names[0]}\\)`), /control flow/);
  }
  const custom: FileNode = { ...node('Custom', ['x'], 'y'), raw: graphs('bodies', 11, 10) };
  await refused(model(custom), UnsupportedError, /^Custom: .*subgraph/);
  const sparse: FileNode = { ...node('Constant', [], 'y'), raw: [[str(1, 'sparse_value'), part(22), int(20, 11)]] };
  await refused(model(sparse), UnsupportedError, /^Constant: .*sparse_value is a sparse tensor/);
  const int8 = part(5, int(1, 1), int(2, 3), str(8, 'wq'), part(9, [200]));
  const quantised = [
    'QuantizeLinear',
    'DequantizeLinear',
    'DynamicQuantizeLinear',
    'QLinearConv',
    'QLinearMatMul',
    'ConvInteger',
    'MatMulInteger',
    'com.microsoft.QAttention',
    'com.microsoft.MatMulNBits',
  ];
  for (const name of quantised) {
    const [op, ...domain] = name.split('.').reverse();
    const n: FileNode = { ...node(op, ['x', 'wq'], 'y'), domain: domain.reverse().join('.') };
    await refused(model(n, int8), UnsupportedError, new RegExp(`^${name}: the model is quantised`));
  }
  // Its zero point comes as a constant of int8, in front.
  const zero: FileNode = { ...node('Constant', [], 'zero'), raw: [[str(1, 'value'), part(5, int(2, 3)), int(20, 4)]] };
  const nodes = [zero, node('DequantizeLinear', ['x', 'scale', 'zero'], 'y')];
  const dequantised = onnxFile({ opset: 13, nodes, inputs: [{ name: 'x', dtype: 'f32' }], outputs: ['y'] });
  await refused(() => loadOnnx(dequantised, device), UnsupportedError, /^DequantizeLinear: the model is quantised/);
  const relu = node('Relu', ['x'], 'y');
  const segments = part(5, int(1, 1), int(2, 7), part(3, int(1, 0)));
  const constant: FileNode = { ...node('Constant', [], 'y'), raw: [[str(1, 'value'), segments, int(20, 4)]] };
  await refused(model(constant), UnsupportedError, /^the value of Constant: its data is in segments/);
  const parts: [number[], RegExp][] = [
    [int8, /^wq: the element type int8 is not supported/],
    [part(5, ...tensorHead('big', list(1)), part(3, int(1, 0))), /^big: its data is in segments/],
    [part(15, part(1)), /^initializer: a tensor is sparse/],
    [part(11, str(1, 'frames'), part(2, part(4))), /^input frames: it is a sequence/],
    [part(11, str(1, 'text'), part(2, part(1, int(1, 8)))), /^input text: the element type string/],
    [part(12, str(1, 'maps'), part(2, part(5))), /^output maps: it is a map/],
  ];
  for (const [bytes, what] of parts) await refused(model(relu, bytes), UnsupportedError, what);
  await refused(model(node('NonMaxSuppression', ['x'], 'y')), UnsupportedError, /^NonMaxSuppression: there is no such/);
});

test('attributes of the first version of the format have no kind: it is told by what is there', async () => {
  const device = await testDevice();
  const bare = (parts: number[][]): number[][] => parts.filter((p) => p[0] !== 160);
  const n: FileNode = { ...node('Clip', ['x'], 'y'), raw: [bare(attribute('min', -1.5)), bare(attribute('max', 2))] };
  const bytes = onnxFile({ opset: 1, nodes: [n], inputs: [{ name: 'x', dtype: 'f32' }], outputs: ['y'] });
  const graph = loadOnnx(bytes, device);
  assert.equal(graph.model.nodes[0].attributes, { min: -1.5, max: 2 });
  const x = device.tensor([-5, 5], [2]);
  assert.equal([...(await (await graph.run({ x })).y.read())], [-1.5, 2]);
});

test.run();
