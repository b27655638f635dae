// ONNX: what changed in the meaning of reductions and choices by opset.

import { test } from 'uvu';
import { list, reals } from '../support/onnxFile.ts';
import { check, ints, refuse, truths, vector } from '../support/onnxRows.ts';

const x23 = reals([2, 3], [1, 2, 3, 4, 5, 6]);

test('reductions: axes are an attribute before opset 18 (ReduceSum: 13), then an input, or none', async () => {
  const sums: Record<string, [by: number[], all: number, none: (v: number) => number]> = {
    ReduceSum: [[6, 15], 21, (v) => v],
    ReduceMean: [[2, 5], 3.5, (v) => v],
    ReduceProd: [[6, 120], 720, (v) => v],
    ReduceMax: [[3, 6], 6, (v) => v],
    ReduceMin: [[1, 4], 1, (v) => v],
    ReduceL1: [[6, 15], 21, Math.abs],
    ReduceL2: [[Math.sqrt(14), Math.sqrt(77)], Math.sqrt(91), Math.abs],
    ReduceSumSquare: [[14, 77], 91, (v) => v * v],
    ReduceLogSum: [[Math.log(6), Math.log(15)], Math.log(21), Math.log],
    ReduceLogSumExp: [
      [1, 4].map((v) => v + Math.log(1 + Math.E + Math.E ** 2)),
      Math.log(x23.data.reduce((s, v) => s + Math.exp(v), 0)),
      (v) => v,
    ],
  };
  for (const [op, [by, all, none]] of Object.entries(sums)) {
    const since = op === 'ReduceSum' ? 13 : 18;
    await check([
      ...[1, 11, since - 1].map((opset) => [op, opset, [x23], { axes: [1], keepdims: 0 }, [[2], by]] as const),
      [op, 11, [x23], { axes: [-1] }, [[2, 1], by]],
      [op, since, [x23, list(-1)], {}, [[2, 1], by]],
      [op, 1, [x23], {}, [[1, 1], [all]]],
      [op, since, [x23], {}, [[1, 1], [all]]],
      [op, since, [x23, list()], { keepdims: 0 }, [[], [all]]],
      [op, since, [x23], { noop_with_empty_axes: 1 }, [[2, 3], x23.data.map(none)]],
    ]);
  }
  await check([
    [
      'ReduceMax',
      20,
      [truths([2, 2], [0, 0, 0, 1]), list(1)],
      {},
      [
        [2, 1],
        [0, 1],
      ],
    ],
    [
      'ReduceMin',
      20,
      [truths([2, 2], [1, 1, 0, 1]), list(1)],
      {},
      [
        [2, 1],
        [1, 0],
      ],
    ],
  ]);
});

test('Softmax, LogSoftmax, Hardmax: over all axes from the first on before opset 13, then over the last', async () => {
  const x = reals([1, 2, 2], [1, 2, 5, 3]);
  const softmax = (v: number[]): number[] => v.map((a) => Math.exp(a) / v.reduce((s, b) => s + Math.exp(b), 0));
  const hardmax = (v: number[]): number[] => v.map((_, i) => Number(i === v.indexOf(Math.max(...v))));
  const logs = (v: number[]): number[] => softmax(v).map(Math.log);
  for (const [op, f] of [
    ['Softmax', softmax],
    ['LogSoftmax', logs],
    ['Hardmax', hardmax],
  ] as const) {
    const whole = [[1, 2, 2], f([1, 2, 5, 3])] as const;
    const rows = [
      [1, 2, 2],
      [...f([1, 2]), ...f([5, 3])],
    ] as const;
    const columns = [f([1, 5]), f([2, 3])];
    await check([
      ...[1, 11].map((opset) => [op, opset, [x], {}, whole] as const),
      ...[1, 11].map((opset) => [op, opset, [x], { axis: 2 }, rows] as const),
      [op, 11, [x], { axis: -1 }, rows],
      [op, 11, [x], { axis: 0 }, whole],
      [op, 13, [x], {}, rows],
      [
        op,
        13,
        [x],
        { axis: 1 },
        [
          [1, 2, 2],
          [columns[0][0], columns[1][0], columns[0][1], columns[1][1]],
        ],
      ],
    ]);
    await refuse([[op, 11, [vector(1, 2)], {}, /there is no axis 1 of 1/]]);
  }
});

test('TopK: k is an attribute before opset 10; the smallest are asked for from 11 on', async () => {
  const x = reals([2, 3], [3, 1, 2, 4, 6, 5]);
  const top = [
    [
      [2, 2],
      [3, 2, 6, 5],
    ],
    [
      [2, 2],
      [0, 2, 1, 2],
    ],
  ] as const;
  await check([
    ['TopK', 1, [x], { k: 2 }, ...top],
    ['TopK', 10, [x, list(2)], {}, ...top],
    ['TopK', 11, [x, list(2)], { axis: 1 }, ...top],
    [
      'TopK',
      11,
      [x, list(1)],
      { largest: 0, axis: 0 },
      [
        [1, 3],
        [3, 1, 2],
      ],
      [
        [1, 3],
        [0, 0, 0],
      ],
    ],
    ['TopK', 24, [x, list(2)], {}, ...top],
  ]);
});

test('ArgMax and ArgMin: the last of equal elements from opset 12 on', async () => {
  const x = reals([1, 4], [2, 7, 7, 2]);
  await check([
    ['ArgMax', 11, [x], { axis: 1 }, [[1, 1], [1]]],
    ['ArgMax', 12, [x], { axis: 1, select_last_index: 1 }, [[1, 1], [2]]],
    ['ArgMin', 13, [x], { axis: -1, select_last_index: 1, keepdims: 0 }, [[1], [3]]],
    ['ArgMin', 1, [x], { axis: 1 }, [[1, 1], [0]]],
  ]);
});

test('OneHot: negative labels count from the end from opset 11 on', async () => {
  const inputs = [ints([3], [1, -1, 3]), list(3), vector(0, 1)];
  await check([
    [
      'OneHot',
      9,
      inputs,
      {},
      [
        [3, 3],
        [0, 1, 0, 0, 0, 0, 0, 0, 0],
      ],
    ],
    [
      'OneHot',
      11,
      inputs,
      {},
      [
        [3, 3],
        [0, 1, 0, 0, 0, 1, 0, 0, 0],
      ],
    ],
    [
      'OneHot',
      11,
      inputs,
      { axis: 0 },
      [
        [3, 3],
        [0, 0, 0, 1, 0, 0, 0, 1, 0],
      ],
    ],
  ]);
});

test.run();
