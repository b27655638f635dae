// What the benchmark does with its times, without any.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CASES } from '../../bench/cases.ts';
import { fromHwio, fromNhwc, inputsOf, toHwio, toNhwc } from '../../bench/data.ts';
import { writeOnnx } from '../../bench/onnxWriter.ts';
import { regressions, table, withRates, type Report } from '../../bench/report.ts';
import { loadOnnx } from '../../runtime/io/onnx/graph.ts';
import { testDevice } from '../support/device.ts';

const report = (ms: number): Report => ({
  adapter: 'a',
  versions: {},
  command: '',
  date: '',
  peaks: { gflops: 100, gbps: 10 },
  cases: [
    {
      name: 'matmul-512',
      flops: 2e9,
      bytes: 1e6,
      results: [
        { engine: 'fewmask', median_ms: ms, min_ms: ms, max_ms: ms, samples: 5, dropped: 1 },
        { engine: 'tfjs', median_ms: 3 * ms, right: false, difference: [0.5] },
      ],
    },
  ],
});

test('rates follow from the time', () => {
  const r = withRates({ engine: 'fewmask', median_ms: 100 }, { flops: 2e9, bytes: 1e8 }, { gflops: 100, gbps: 10 });
  assert.equal([r.gflops, r.gbps, r.roofline], [20, 1, 0.2]);
  assert.equal(
    withRates({ engine: 'tfjs', why: 'none' }, { flops: 1, bytes: 1 }, { gflops: 1, gbps: 1 }).gflops,
    undefined,
  );
});

test('the table says the ratio to fewmask, and which times are of wrong values', () => {
  const [, own, peer] = table(report(10)).split('\n');
  assert.match(own, /^matmul-512\s+fewmask\s+10\.0 .* 1\.00 .*1 dropped$/);
  assert.match(peer, /tfjs\s+30\.0 .*3\.00.*WRONG: off by 5\.0e-1/);
});

test('a regression is more than ten per cent', () => {
  assert.equal(regressions(report(10.9), report(10)), []);
  assert.equal(regressions(report(11.2), report(10)), ['matmul-512: 11.2 ms, before 10.0 ms (12 % slower)']);
});

test('the layouts turn back', () => {
  const { x, w } = inputsOf('c', {
    op: 'conv',
    n: 2,
    cin: 3,
    h: 4,
    w: 5,
    cout: 6,
    kernel: 3,
    stride: 1,
    dilation: 1,
    groups: 1,
    backward: false,
  });
  const image = toNhwc(x);
  const kernel = toHwio(w);
  assert.equal(image.shape, [2, 4, 5, 3]);
  assert.equal(fromNhwc(image.data, image.shape), x.data);
  assert.equal(fromHwio(kernel.data, kernel.shape), w.data);
  assert.is(kernel.data[1 * 6 + 2], w.data[(2 * 3 + 1) * 9]);
});

test('every case has a name of its own', () => {
  assert.is(new Set(CASES.map((c) => c.name)).size, CASES.length);
});

test('the models written for onnxruntime-web are ONNX', async () => {
  const device = await testDevice();
  const bytes = writeOnnx({
    nodes: [
      { op: 'Conv', inputs: ['x', 'w'], outputs: ['y'], attributes: { kernel_shape: [1, 1], pads: [0, 0, 0, 0] } },
    ],
    inputs: { x: [1, 2, 1, 2] },
    outputs: ['y'],
    weights: { w: { shape: [1, 2, 1, 1], data: Float32Array.of(2, -1) } },
  });
  const graph = loadOnnx(bytes, device);
  const { y } = await graph.run({ x: device.tensor([1, 2, 3, 4], [1, 2, 1, 2]) });
  assert.equal([...(await y.read())], [-1, 0]);
  graph.dispose();
});

test.run();
