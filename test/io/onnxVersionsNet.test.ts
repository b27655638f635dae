// Norms, pooling, convolution and attention whose meaning changed between opsets: each version that differs, against
// references in float64. Source: ONNX's Changelog.md.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UnsupportedError } from '../../runtime/errors.ts';
import type { OnnxTensor } from '../../runtime/io/onnx/model.ts';
import { each, made, of, place } from '../support/nd.ts';
import { list, reals, runNode } from '../support/onnxFile.ts';
import { check, count, refuse, scalar, truths, vector, type Row, type Setting } from '../support/onnxRows.ts';
import { f64 } from '../support/op.ts';

test('BatchNormalization: how it is told to train, and statistics of each activation', async () => {
  const x = f64(
    [2, 2, 3],
    count(12).map((i) => Math.sin(3 * i)),
  );
  const input = reals(x.shape, [...x.data]);
  const [gamma, beta, mean, variance] = [
    [1.5, -2],
    [0.5, 0.25],
    [0.1, -0.3],
    [0.7, 1.2],
  ];
  const inputs = [input, ...[gamma, beta, mean, variance].map((v) => vector(...v))];
  const by = (m: number[], v: number[]): number[] => [
    ...made(x.shape, ([n, c, i]) => {
      const unit = (of(x, [n, c, i]) - m[c]) / Math.sqrt(v[c] + 1e-5);
      return unit * gamma[c] + beta[c];
    }).data,
  ];
  const stored = [x.shape, by(mean, variance)] as const;
  const channel = (c: number): number[] => [0, 1].flatMap((n) => count(3).map((i) => of(x, [n, c, i])));
  const m = [0, 1].map((c) => channel(c).reduce((a, b) => a + b, 0) / 6);
  const v = [0, 1].map((c) => channel(c).reduce((a, b) => a + (b - m[c]) ** 2, 0) / 6);
  const moved = (old: number[], now: number[]): readonly [number[], number[]] => [
    [2],
    old.map((o, c) => 0.9 * o + 0.1 * now[c]),
  ];
  const trained = [x.shape, by(m, v)] as const;
  const statistics = [moved(mean, m), moved(variance, v)] as const;
  await check([
    ['BatchNormalization', 1, inputs, { is_test: 1, consumed_inputs: [0, 0, 0, 1, 1] }, stored],
    ['BatchNormalization', 6, inputs, { is_test: 1 }, stored],
    ['BatchNormalization', 6, inputs, {}, trained],
    ['BatchNormalization', 6, inputs, { is_test: 0 }, trained, ...statistics, [[2], m], [[2], v]],
    ['BatchNormalization', 7, inputs, {}, stored],
    ['BatchNormalization', 7, inputs, {}, trained, ...statistics, [[2], m], [[2], v]],
    ['BatchNormalization', 9, inputs, {}, stored],
    ['BatchNormalization', 9, inputs, {}, trained, ...statistics],
    ['BatchNormalization', 14, inputs, {}, stored],
    ['BatchNormalization', 14, inputs, { training_mode: 1 }, trained, ...statistics],
    ['BatchNormalization', 15, inputs, { training_mode: 1 }, trained],
  ]);
  // A statistic for each activation: of the batch alone.
  const wide = (f: (i: number) => number): OnnxTensor => reals([2, 3], count(6).map(f));
  const each4 = [wide((i) => 1 + i), wide((i) => -i), wide((i) => i / 3), wide((i) => 0.5 + i)];
  const spread = made(x.shape, ([n, c, i]) => {
    const k = 3 * c + i;
    return ((of(x, [n, c, i]) - k / 3) / Math.sqrt(0.5 + k + 1e-5)) * (1 + k) - k;
  });
  const batch = made(x.shape, ([n, c, i]) => {
    const k = 3 * c + i;
    const both = [0, 1].map((b) => of(x, [b, c, i]));
    const middle = (both[0] + both[1]) / 2;
    return ((of(x, [n, c, i]) - middle) / Math.sqrt((both[0] - middle) ** 2 + 1e-5)) * (1 + k) - k;
  });
  await check([
    ['BatchNormalization', 6, [input, ...each4], { is_test: 1, spatial: 0 }, [x.shape, [...spread.data]]],
    ['BatchNormalization', 7, [input, ...each4], { spatial: 0 }, [x.shape, [...spread.data]]],
    ['BatchNormalization', 6, [input, ...each4], { spatial: 0 }, [x.shape, [...batch.data]]],
    // One axis alone is a batch of one channel.
    [
      'BatchNormalization',
      9,
      [vector(1, 3), ...[2, 1, 1, 4].map((n) => vector(n))],
      {},
      [[2], [1, 1 + 4 / Math.sqrt(4 + 1e-5)]],
    ],
  ]);
  await refuse([
    ['BatchNormalization', 9, [input, vector(1), ...inputs.slice(2)], {}, /input 1 is \[1\] for 2 channels/],
  ]);
  await refuse([['BatchNormalization', 14, inputs, { training_mode: 0 }, /there is no output 1/, 2]], UnsupportedError);
});

test('Dropout: trains below opset 7 unless told otherwise, then never, from 12 on where an input says so', async () => {
  const ones = reals([1000], Array<number>(1000).fill(1));
  const same = [[1000], ones.data] as const;
  await check([
    ['Dropout', 1, [ones], { is_test: 1, ratio: 0.5 }, same],
    ['Dropout', 6, [ones], { is_test: 1 }, same],
    ['Dropout', 7, [ones], { ratio: 0.5 }, same, same],
    ['Dropout', 10, [ones], {}, same, same],
    ['Dropout', 12, [ones, scalar(0.5)], {}, same, same],
    ['Dropout', 13, [ones, scalar(0.5), truths([], [0])], {}, same],
    ['Dropout', 6, [ones], { ratio: 0.0 }, same],
  ]);
  const training: [number, OnnxTensor[], Setting][] = [
    [1, [ones], { ratio: 0.75 }],
    [6, [ones], { ratio: 0.75, is_test: 0 }],
    [12, [ones, scalar(0.75), truths([], [1])], {}],
  ];
  for (const [opset, inputs, attributes] of training) {
    const [y, mask] = await runNode('Dropout', inputs, attributes, { opset, outputs: 2 });
    const kept = mask.data.reduce((a, b) => a + b, 0);
    assert.ok(kept > 180 && kept < 320, `${kept} of 1000 are kept in opset ${opset}`);
    assert.ok(y.data.every((v, i) => v === 4 * mask.data[i]));
  }
});

test('GroupNormalization: a scale for each group before opset 21, then for each channel', async () => {
  const x = f64(
    [1, 4, 2],
    count(8).map((i) => Math.cos(2 * i)),
  );
  const by = (scale: (c: number) => number, bias: (c: number) => number): number[] => [
    ...made(x.shape, ([, c, i]) => {
      const group = [0, 1, 2, 3].map((k) => x.data[4 * Math.floor(c / 2) + k]);
      const m = group.reduce((a, b) => a + b, 0) / 4;
      const v = group.reduce((a, b) => a + (b - m) ** 2, 0) / 4;
      return ((x.data[2 * c + i] - m) / Math.sqrt(v + 1e-5)) * scale(c) + bias(c);
    }).data,
  ];
  const input = reals(x.shape, [...x.data]);
  const four = vector(1, 2, 3, 4);
  await check([
    [
      'GroupNormalization',
      18,
      [input, vector(2, 3), vector(-1, 1)],
      { num_groups: 2 },
      [
        x.shape,
        by(
          (c) => (c < 2 ? 2 : 3),
          (c) => (c < 2 ? -1 : 1),
        ),
      ],
    ],
    [
      'GroupNormalization',
      21,
      [input, four, four],
      { num_groups: 2 },
      [
        x.shape,
        by(
          (c) => 1 + c,
          (c) => 1 + c,
        ),
      ],
    ],
  ]);
  await refuse([
    ['GroupNormalization', 18, [input, four, four], { num_groups: 2 }, /opset 18 needs \[2\]/],
    ['GroupNormalization', 21, [input, vector(2, 3), vector(2, 3)], { num_groups: 2 }, /opset 21 needs \[4\]/],
    ['GroupNormalization', 21, [input, four, four], { num_groups: 3 }, /4 channels do not divide into 3 groups/],
  ]);
});

test('LayerNormalization and RMSNormalization with scales that broadcast', async () => {
  const x = f64(
    [2, 2, 3],
    count(12).map((i) => Math.sin(5 * i) + i / 7),
  );
  const input = reals(x.shape, [...x.data]);
  const at = (t: OnnxTensor, index: number[]): number => {
    const own = index.slice(index.length - t.shape.length);
    return t.data[
      place(
        t.shape,
        t.shape.map((d, k) => (d === 1 ? 0 : own[k])),
      )
    ];
  };
  const shapes = [[3], [1], [], [2, 3], [2, 1], [1, 3], [1, 1, 1], [2, 2, 3], [2, 1, 1]];
  for (const axis of [-1, 1, 2, 0, -2]) {
    const first = axis < 0 ? axis + 3 : axis;
    const row = (index: number[]): number[] => {
      const found: number[] = [];
      each(x.shape, (k, i) => {
        if (k.slice(0, first).every((v, d) => v === index[d])) found.push(x.data[i]);
      });
      return found;
    };
    for (const shape of shapes) {
      const n = shape.reduce((a, b) => a * b, 1);
      const scale = reals(
        shape,
        count(n).map((i) => 1 + i / 2),
      );
      const bias = reals(
        shape,
        count(n).map((i) => i / 5 - 1),
      );
      const want = made(x.shape, (index) => {
        const r = row(index);
        const m = r.reduce((a, b) => a + b, 0) / r.length;
        const v = r.reduce((a, b) => a + (b - m) ** 2, 0) / r.length;
        return ((of(x, index) - m) / Math.sqrt(v + 1e-5)) * at(scale, index) + at(bias, index);
      });
      const rms = made(x.shape, (index) => {
        const r = row(index);
        return (of(x, index) / Math.sqrt(r.reduce((a, b) => a + b * b, 0) / r.length + 1e-5)) * at(scale, index);
      });
      await check([
        ['LayerNormalization', 17, [input, scale, bias], { axis }, [x.shape, [...want.data]]],
        ['RMSNormalization', 23, [input, scale], { axis }, [x.shape, [...rms.data]]],
      ]);
    }
  }
  await refuse([
    ['LayerNormalization', 17, [input, vector(1, 2)], {}, /input 1 is \[2\], which does not broadcast/],
    ['LayerNormalization', 17, [input, vector(1, 2, 3), reals([1, 2, 2, 3], count(12))], {}, /input 2/],
    ['LayerNormalization', 17, [input, vector(1)], { axis: 3 }, /there is no axis 3 of 3/],
  ]);
});

test('Attention: windows of opset 25, and rows that see nothing', async () => {
  const tokens = (n: number, j: number): OnnxTensor =>
    reals(
      [1, 1, n, 1],
      count(n).map((i) => Math.sin(3 * i + j)),
    );
  const [q, k, v] = [tokens(4, 0), tokens(6, 1), tokens(6, 2)];
  const attended = (seen: (i: number, j: number) => boolean): number[] =>
    count(4).map((i) => {
      const keys = count(6).filter((j) => seen(i, j));
      const weights = keys.map((j) => Math.exp(q.data[i] * k.data[j]));
      const total = weights.reduce((a, b) => a + b, 0);
      return keys.reduce((s, j, n) => s + (weights[n] / (total || 1)) * v.data[j], 0);
    });
  const row = (setting: Setting, seen: (i: number, j: number) => boolean, ...more: (OnnxTensor | null)[]): Row => [
    'Attention',
    25,
    [q, k, v, ...more],
    setting,
    [[1, 1, 4, 1], attended(seen)],
  ];
  await check([
    row({ left_window_size: 2, right_window_size: 1 }, (i, j) => i - 2 <= j && j <= i + 1),
    row({ left_window_size: 0 }, (i, j) => j >= i),
    row({ right_window_size: 0 }, (i, j) => j <= i),
    row({ left_window_size: 1, right_window_size: 3, is_causal: 1 }, (i, j) => i - 1 <= j && j <= i),
    row({ left_window_size: 1 }, (i, j) => j >= i - 1 + 1 && j < 5, null, null, null, list(5)),
    row({}, (i, j) => i !== 1 && j < 3, truths([4, 3], [1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1])),
    row({ is_causal: 1 }, (i, j) => j <= i - 2 && j < 2, null, null, null, list(2)),
  ]);
  await refuse([
    ['Attention', 25, [q, k, v], { left_window_size: -2 }, /left_window_size is -2/],
    ['Attention', 23, [q, k, v, null, k], {}, /without the other/],
  ]);
});

test.run();
