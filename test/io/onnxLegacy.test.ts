// Operators of several operands before and after they broadcast as NumPy does, against references in float64.
// Source: ONNX's Changelog.md, versions below 7 (8 for lists of inputs).

import { test } from 'uvu';
import type { OnnxTensor } from '../../runtime/io/onnx/model.ts';
import { made, place } from '../support/nd.ts';
import { reals } from '../support/onnxFile.ts';
import { check, count, refuse, truths, vector, type Setting } from '../support/onnxRows.ts';

const x23 = reals([2, 3], [1, 2, 3, 4, 5, 6]);

const BINARY: Record<string, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  Greater: (a, b) => Number(a > b),
  Less: (a, b) => Number(a < b),
  Equal: (a, b) => Number(a === b),
};
const LOGICAL: Record<string, (a: number, b: number) => number> = {
  And: (a, b) => a & b,
  Or: (a, b) => a | b,
  Xor: (a, b) => a ^ b,
};

test('below opset 7 the second operand matches axes of the first, from `axis` on or the last ones', async () => {
  await check([
    [
      'Add',
      6,
      [reals([1, 2, 1, 2], count(4)), vector(10, 20)],
      { broadcast: 1, axis: 1 },
      [
        [1, 2, 1, 2],
        [10, 11, 22, 23],
      ],
    ],
  ]);
  const shape = [2, 3, 2, 3];
  for (const [op, f] of [...Object.entries(BINARY), ...Object.entries(LOGICAL)]) {
    const logical = op in LOGICAL;
    const element = (i: number, k: number): number => (logical ? (i + k) % 2 : 1 + ((i * 7 + k) % 4));
    const values = (n: number, k: number): number[] => count(n).map((i) => element(i, k));
    const tensor = (s: readonly number[], k: number): OnnxTensor => {
      const data = values(
        s.reduce((a, b) => a * b, 1),
        k,
      );
      return logical ? truths(s, data) : reals(s, data);
    };
    const a = tensor(shape, 0);
    const cases: [number[], Setting][] = [
      [shape, {}],
      [[2, 3], { broadcast: 1 }],
      [[2, 3], { broadcast: 1, axis: 2 }],
      [[3, 2], { broadcast: 1, axis: 1 }],
      [[2], { broadcast: 1, axis: 0 }],
      [[3], { broadcast: 1, axis: -1 }],
      [[3], { broadcast: 1, axis: 3 }],
      [[], { broadcast: 1 }],
      [[1, 1], { broadcast: 1 }],
      [[2, 3], { axis: 0 }],
    ];
    for (const opset of [1, 6]) {
      for (const [small, attributes] of cases) {
        const b = tensor(small, 1);
        const axis = (attributes.axis ?? -1) as number;
        const first = axis < 0 ? shape.length - small.length : axis;
        const want = made(shape, (at) => {
          const where = b.data.length === 1 ? small.map(() => 0) : at.slice(first, first + small.length);
          return f(a.data[place(shape, at)], b.data[place(small, where)]);
        });
        await check([[op, opset, [a, b], attributes, [shape, [...want.data]]]]);
      }
    }
    await refuse([
      [op, 6, [a, tensor([3], 1)], {}, /broadcast is not set: opset 6/],
      [op, 6, [a, tensor([3], 1)], { broadcast: 0, axis: 3 }, /broadcast is not set: opset 6/],
      [op, 6, [a, tensor([2, 1], 1)], { broadcast: 1 }, /from 2 on, which opset 6 needs/],
      [op, 6, [a, tensor([3], 1)], { broadcast: 1, axis: 2 }, /from 2 on, which opset 6 needs/],
      [op, 7, [a, tensor([3], 1)], { broadcast: 1, axis: 1 }, /axis is an attribute of opsets below 7/],
    ]);
    // From opset 7 on as NumPy does, both ways.
    const [left, right] = [tensor([1, 2], 0), tensor([2, 1], 1)];
    const both = made([2, 2], ([i, j]) => f(left.data[j], right.data[i]));
    await check([[op, 7, [left, right], {}, [[2, 2], [...both.data]]]]);
  }
});

test('lists of inputs broadcast from opset 8 on', async () => {
  const row = vector(10, 20, 30);
  for (const [op, want] of [
    ['Sum', [11, 22, 33, 14, 25, 36]],
    ['Mean', [5.5, 11, 16.5, 7, 12.5, 18]],
    ['Max', [10, 20, 30, 10, 20, 30]],
    ['Min', [1, 2, 3, 4, 5, 6]],
  ] as const) {
    await check([
      [op, 8, [x23, row], {}, [[2, 3], want]],
      [op, 6, [x23, x23], {}, [[2, 3], op === 'Sum' ? [2, 4, 6, 8, 10, 12] : x23.data]],
    ]);
    await refuse([
      [op, 6, [x23, row], {}, /opset 6 does not broadcast/],
      [op, 1, [x23, row], {}, /opset 1 does not broadcast/],
    ]);
  }
});

test('PRelu: a slope for each channel below opset 7, then one that broadcasts to the input', async () => {
  const x = reals([1, 2, 1, 2], [-1, 2, -3, -4]);
  const byChannel = [-10, 2, -60, -80];
  await check([
    ['PRelu', 1, [x, vector(10, 20)], {}, [[1, 2, 1, 2], byChannel]],
    ['PRelu', 6, [x, vector(10, 20)], {}, [[1, 2, 1, 2], byChannel]],
    [
      'PRelu',
      6,
      [x, vector(10)],
      {},
      [
        [1, 2, 1, 2],
        [-10, 2, -30, -40],
      ],
    ],
    [
      'PRelu',
      6,
      [reals([2, 3], [-1, -1, -1, -1, -1, -1]), vector(1, 2, 3)],
      {},
      [
        [2, 3],
        [-1, -2, -3, -1, -2, -3],
      ],
    ],
    [
      'PRelu',
      7,
      [x, vector(10, 20)],
      {},
      [
        [1, 2, 1, 2],
        [-10, 2, -30, -80],
      ],
    ],
    ['PRelu', 16, [x, reals([2, 1, 1], [10, 20])], {}, [[1, 2, 1, 2], byChannel]],
  ]);
  await refuse([
    ['PRelu', 9, [x, vector(1, 2, 3)], {}, /does not broadcast to \[1,2,1,2\]/],
    ['PRelu', 9, [vector(-1), x], {}, /does not broadcast to \[1\]/],
  ]);
});

test('Gemm: C broadcasts below opset 7 only where that is said, is optional from 11 on, keeps its shape', async () => {
  const [a, b] = [reals([2, 2], [1, 2, 3, 4]), reals([2, 2], [1, 0, 0, 1])];
  const bias = vector(10, 20);
  const sum = [
    [2, 2],
    [11, 22, 13, 24],
  ] as const;
  await check([
    ['Gemm', 1, [a, b, bias], { broadcast: 1 }, sum],
    ['Gemm', 6, [a, b, bias], { broadcast: 1 }, sum],
    ['Gemm', 6, [a, b, reals([2, 2], [10, 20, 10, 20])], {}, sum],
    ['Gemm', 7, [a, b, bias], {}, sum],
    [
      'Gemm',
      13,
      [a, b],
      {},
      [
        [2, 2],
        [1, 2, 3, 4],
      ],
    ],
    [
      'Gemm',
      6,
      [a, b, bias],
      { broadcast: 1, transA: 1, alpha: 0.5, beta: 2 },
      [
        [2, 2],
        [20.5, 41.5, 21, 42],
      ],
    ],
  ]);
  await refuse([
    ['Gemm', 6, [a, b, bias], {}, /broadcast is not set: opset 6/],
    ['Gemm', 7, [reals([1, 2], [1, 2]), b, reals([3, 2], [1, 2, 3, 4, 5, 6])], {}, /does not broadcast to \[1,2\]/],
  ]);
});

test.run();
