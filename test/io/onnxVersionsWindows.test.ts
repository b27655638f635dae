// ONNX: what changed in the meaning of pooling, unpooling, transposed convolution and sampling by opset.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UnsupportedError } from '../../runtime/errors.ts';
import type { OnnxTensor } from '../../runtime/io/onnx/model.ts';
import { list, reals, runNode } from '../support/onnxFile.ts';
import { check, count, ints, refuse } from '../support/onnxRows.ts';

test('MaxUnpool puts elements where MaxPool of PyTorch found them, also in images of odd size', async () => {
  const cases = [
    [5, 2, 2, 0, 0],
    [7, 3, 2, 0, 0],
    [6, 3, 2, 0, 0],
    [7, 2, 3, 0, 0],
    [5, 3, 2, 1, 0],
    [9, 4, 3, 1, 0],
    [5, 2, 2, 0, 1],
    [4, 2, 2, 0, 0],
  ];
  for (const [size, kernel, stride, pad, ceil] of cases) {
    const n = 2 * 2 * size * (size + 1);
    const x = reals(
      [2, 2, size, size + 1],
      count(n).map((i) => 1 + ((i * 37) % n)),
    );
    const attributes = { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: [pad, pad, pad, pad] };
    const [y, places] = await runNode('MaxPool', [x], { ...attributes, ceil_mode: ceil }, { opset: 12, outputs: 2 });
    const want = Array<number>(n).fill(0);
    places.data.forEach((at, i) => (want[at] = y.data[i]));
    const pooled = [reals(y.shape, [...y.data]), ints(places.shape, [...places.data])];
    for (const opset of [9, 11, 22]) {
      await check([['MaxUnpool', opset, [...pooled, list(...x.shape)], attributes, [x.shape, want]]]);
    }
  }
  const row = (data: number[], places: number[]): OnnxTensor[] => [
    reals([1, 1, data.length], data),
    ints([1, 1, places.length], places),
  ];
  const two = { kernel_shape: [2], strides: [2] };
  await check([
    [
      'MaxUnpool',
      9,
      [...row([1, 2, 3, 4], [1, 3, 4, 6]), list(1, 1, 9)],
      two,
      [
        [1, 1, 9],
        [0, 1, 0, 2, 3, 0, 4, 0, 0],
      ],
    ],
    [
      'MaxUnpool',
      9,
      row([1, 2], [0, 3]),
      two,
      [
        [1, 1, 4],
        [1, 0, 0, 2],
      ],
    ],
    // What onnxruntime has for the places 1, 3, 10 and 12 of an image of 5 x 5.
    [
      'MaxUnpool',
      11,
      [reals([1, 1, 2, 2], [1, 2, 3, 4]), ints([1, 1, 2, 2], [1, 3, 10, 12]), list(1, 1, 5, 5)],
      { kernel_shape: [2, 2], strides: [2, 2] },
      [[1, 1, 5, 5], count(25).map((i) => ({ 1: 1, 3: 2, 10: 3, 12: 4 })[i] ?? 0)],
    ],
  ]);
  await refuse([
    ['MaxUnpool', 11, [...row([1, 2], [0, 3]), list(1, 1)], two, /cannot become \[1,1\]/],
    ['MaxUnpool', 11, [...row([1, 2], [0, 3]), list(1, 2, 4)], two, /cannot become \[1,2,4\]/],
    ['MaxUnpool', 11, [...row([1, 2], [0, 3, 4])], two, /with places/],
  ]);
});

test('pooling: padding that counts (7), sizes rounded up (10), dilations (19); real powers (1)', async () => {
  const x = reals([1, 1, 5], [1, 2, 3, 4, 5]);
  const k2 = { kernel_shape: [2], strides: [2] };
  await check([
    [
      'AveragePool',
      1,
      [x],
      { ...k2, pads: [1, 0] },
      [
        [1, 1, 3],
        [1, 2.5, 4.5],
      ],
    ],
    [
      'AveragePool',
      7,
      [x],
      { ...k2, pads: [1, 0], count_include_pad: 1 },
      [
        [1, 1, 3],
        [0.5, 2.5, 4.5],
      ],
    ],
    [
      'AveragePool',
      10,
      [x],
      { ...k2, ceil_mode: 1 },
      [
        [1, 1, 3],
        [1.5, 3.5, 5],
      ],
    ],
    [
      'AveragePool',
      10,
      [x],
      { ...k2, ceil_mode: 1, count_include_pad: 1 },
      [
        [1, 1, 3],
        [1.5, 3.5, 5],
      ],
    ],
    [
      'AveragePool',
      19,
      [x],
      { kernel_shape: [2], dilations: [3] },
      [
        [1, 1, 2],
        [2.5, 3.5],
      ],
    ],
    [
      'MaxPool',
      1,
      [x],
      k2,
      [
        [1, 1, 2],
        [2, 4],
      ],
    ],
    [
      'MaxPool',
      8,
      [x],
      k2,
      [
        [1, 1, 2],
        [2, 4],
      ],
      [
        [1, 1, 2],
        [1, 3],
      ],
    ],
    [
      'MaxPool',
      10,
      [x],
      { kernel_shape: [2], dilations: [3], ceil_mode: 1 },
      [
        [1, 1, 2],
        [4, 5],
      ],
    ],
    [
      'LpPool',
      1,
      [x],
      { ...k2, p: 2.0 },
      [
        [1, 1, 2],
        [Math.sqrt(5), 5],
      ],
    ],
    [
      'LpPool',
      1,
      [x],
      { ...k2, p: 1.5 },
      [
        [1, 1, 2],
        [(1 + 2 ** 1.5) ** (2 / 3), (3 ** 1.5 + 8) ** (2 / 3)],
      ],
    ],
    [
      'LpPool',
      2,
      [x],
      { ...k2, p: 1 },
      [
        [1, 1, 2],
        [3, 7],
      ],
    ],
    [
      'LpPool',
      18,
      [x],
      { ...k2, p: 1, ceil_mode: 1 },
      [
        [1, 1, 3],
        [3, 7, 5],
      ],
    ],
    ['GlobalLpPool', 1, [x], { p: 1.5 }, [[1, 1, 1], [[1, 2, 3, 4, 5].reduce((s, v) => s + v ** 1.5, 0) ** (2 / 3)]]],
    ['GlobalLpPool', 2, [x], { p: 1 }, [[1, 1, 1], [15]]],
  ]);
});

test('padding that is found in a way that ONNX does not have', async () => {
  const x = reals([1, 1, 5], count(5));
  const w = reals([1, 1, 2], [1, 1]);
  await refuse(
    [
      ['MaxPool', 12, [x], { kernel_shape: [2], auto_pad: 'SAME' }, /there is no auto_pad SAME/],
      ['Conv', 11, [x, w], { auto_pad: 'same_upper' }, /there is no auto_pad same_upper/],
      ['ConvTranspose', 11, [x, w], { auto_pad: 'SAME' }, /there is no auto_pad SAME/],
    ],
    UnsupportedError,
  );
});

test('ConvTranspose: before opset 11 the odd element of a padding is cut off on the other side', async () => {
  const inputs = [reals([1, 1, 2], [1, 10]), reals([1, 1, 3], [1, 2, 3])];
  // The whole result is 1 2 3 10 20 30 with stride 3; one of the five is cut off where 5 are wanted.
  const end = [
    [1, 1, 5],
    [1, 2, 3, 10, 20],
  ] as const;
  const front = [
    [1, 1, 5],
    [2, 3, 10, 20, 30],
  ] as const;
  await check([
    ['ConvTranspose', 1, inputs, { strides: [3], output_shape: [5] }, end],
    ['ConvTranspose', 1, inputs, { strides: [3], output_shape: [5], auto_pad: 'SAME_UPPER' }, front],
    ['ConvTranspose', 11, inputs, { strides: [3], output_shape: [5] }, front],
    ['ConvTranspose', 11, inputs, { strides: [3], output_shape: [5], auto_pad: 'SAME_UPPER' }, end],
    ['ConvTranspose', 1, inputs, { strides: [3], output_shape: [1, 1, 5] }, end],
    [
      'ConvTranspose',
      22,
      inputs,
      { strides: [3], auto_pad: 'SAME_LOWER' },
      [
        [1, 1, 6],
        [1, 2, 3, 10, 20, 30],
      ],
    ],
  ]);
});

test('GridSample: the names of its modes changed in opset 20', async () => {
  const inputs = [reals([1, 1, 2, 2], [0, 1, 2, 3]), reals([1, 1, 2, 2], [0, 0, -1, -1])];
  for (const [mode16, mode20] of [
    ['bilinear', 'linear'],
    ['bicubic', 'cubic'],
    ['nearest', 'nearest'],
  ]) {
    const [a] = await runNode('GridSample', inputs, { mode: mode16, align_corners: 1 }, { opset: 16 });
    const [b] = await runNode('GridSample', inputs, { mode: mode20, align_corners: 1 }, { opset: 20 });
    assert.equal([...a.data], [...b.data], mode20);
  }
  const sampled = [
    [1, 1, 1, 2],
    [1.5, 0],
  ] as const;
  await check([16, 20].map((opset) => ['GridSample', opset, inputs, { align_corners: 1 }, sampled] as const));
});

test.run();
