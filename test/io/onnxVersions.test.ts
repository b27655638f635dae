// Operators whose meaning changed between opsets: each version that differs, by small examples.
// Source: ONNX's Changelog.md. Resize and Upsample are in onnxResize.test.ts, norms and windows in
// onnxVersionsNet.test.ts, what broadcasts in onnxLegacy.test.ts.

import { test } from 'uvu';
import { UnsupportedError } from '../../runtime/errors.ts';
import { list, reals } from '../support/onnxFile.ts';
import { check, count, ints, refuse, scalar, vector } from '../support/onnxRows.ts';

const x23 = reals([2, 3], [1, 2, 3, 4, 5, 6]);

test('Cast: the name of the type before opset 6, then its number', async () => {
  const x = vector(-1.7, 0, 2.5);
  for (const opset of [1, 5]) {
    await check([
      ['Cast', opset, [x], { to: 'INT64' }, [[3], [-1, 0, 2]]],
      ['Cast', opset, [x], { to: 'BOOL' }, [[3], [1, 0, 1]]],
      ['Cast', opset, [ints([2], [3, -4])], { to: 'FLOAT' }, [[2], [3, -4]]],
      ['Cast', opset, [ints([1], [3])], { to: 'double' }, [[1], [3]]],
    ]);
  }
  await check([6, 9, 13, 19].map((opset) => ['Cast', opset, [x], { to: 7 }, [[3], [-1, 0, 2]]] as const));
  await refuse(
    [
      ['Cast', 1, [x], { to: 'INT8' }, /element type int8 is not supported/],
      ['Cast', 9, [x], { to: 3 }, /element type int8 is not/],
    ],
    UnsupportedError,
  );
  await refuse([['Cast', 1, [x], { to: 'NUMBER' }, /there is no element type NUMBER/]]);
});

test('Clip: bounds are attributes before opset 11, then inputs', async () => {
  const x = vector(-5, 0, 5);
  await check([
    ...[1, 6, 10].map((opset) => ['Clip', opset, [x], { min: -1.5, max: 2.5 }, [[3], [-1.5, 0, 2.5]]] as const),
    ['Clip', 6, [x], { max: 2.5 }, [[3], [-5, 0, 2.5]]],
    ...[11, 12, 13].map((opset) => ['Clip', opset, [x, scalar(-1.5), scalar(2.5)], {}, [[3], [-1.5, 0, 2.5]]] as const),
    ['Clip', 13, [x, null, scalar(2.5)], {}, [[3], [-5, 0, 2.5]]],
    // Where the bounds cross the upper one wins.
    ['Clip', 13, [x, scalar(3), scalar(1)], {}, [[3], [1, 1, 1]]],
  ]);
});

test('Selu: five digits in the first version', async () => {
  const by = (alpha: number, gamma: number): number[] => [gamma * alpha * (Math.exp(-2) - 1), gamma * 3];
  await check([
    ['Selu', 1, [vector(-2, 3)], {}, [[2], by(1.6732, 1.0507)]],
    ['Selu', 6, [vector(-2, 3)], {}, [[2], by(1.6732632423543772, 1.0507009873554805)]],
    ['Selu', 22, [vector(-2, 3)], { alpha: 1.5, gamma: 2 }, [[2], by(1.5, 2)]],
  ]);
});

test('consumed_inputs of the first version changes nothing', async () => {
  const x = vector(1, -2);
  const elu = 2 * (Math.exp(-2) - 1);
  const consumed = { consumed_inputs: [0] };
  await check([
    ['Relu', 1, [x], consumed, [[2], [1, 0]]],
    ['Elu', 1, [x], { ...consumed, alpha: 2 }, [[2], [1, elu]]],
    ['LeakyRelu', 1, [x], { ...consumed, alpha: 0.5 }, [[2], [1, -1]]],
    ['HardSigmoid', 1, [x], consumed, [[2], [0.7, 0.1]]],
    ['Abs', 1, [x], consumed, [[2], [1, 2]]],
    ['Sum', 1, [x, x], consumed, [[2], [2, -4]]],
    ['Add', 1, [x, x], { consumed_inputs: [0, 0] }, [[2], [2, -4]]],
    [
      'InstanceNormalization',
      1,
      [reals([1, 1, 2], [1, 3]), vector(2), vector(1)],
      consumed,
      [
        [1, 1, 2],
        [1 - 2 / Math.sqrt(1 + 1e-5), 1 + 2 / Math.sqrt(1 + 1e-5)],
      ],
    ],
  ]);
});

test('Concat, Split, Tile, Pad, Reshape, Slice: attributes that moved, changed name, or lost a default', async () => {
  const columns = [
    [2, 6],
    [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6],
  ] as const;
  const padded = [
    [2, 5],
    [9, 1, 2, 3, 9, 9, 4, 5, 6, 9],
  ] as const;
  const halves = [
    [
      [2, 2],
      [1, 2, 5, 6],
    ],
    [
      [2, 2],
      [3, 4, 7, 8],
    ],
  ] as const;
  const x24 = reals([2, 4], count(8, 1));
  await check([
    ['Concat', 1, [x23, x23], {}, columns],
    [
      'Concat',
      1,
      [x23, x23],
      { axis: 0 },
      [
        [4, 3],
        [...x23.data, ...x23.data],
      ],
    ],
    ['Concat', 4, [x23, x23], { axis: 1 }, columns],
    ['Concat', 13, [x23, x23], { axis: -1 }, columns],
    ['Tile', 1, [x23, scalar(2), scalar(1)], {}, columns],
    [
      'Tile',
      1,
      [x23, scalar(2), scalar(0)],
      {},
      [
        [4, 3],
        [...x23.data, ...x23.data],
      ],
    ],
    ['Tile', 6, [x23, list(1, 2)], {}, columns],
    ['Tile', 13, [x23, list(1, 2)], {}, columns],
    ['Pad', 1, [x23], { paddings: [0, 1, 0, 1], value: 9.0 }, padded],
    ['Pad', 2, [x23], { pads: [0, 1, 0, 1], value: 9.0 }, padded],
    ['Pad', 11, [x23, list(0, 1, 0, 1), scalar(9)], {}, padded],
    ['Pad', 18, [x23, list(1, 1), scalar(9), list(-1)], {}, padded],
    [
      'Pad',
      19,
      [x23, list(0, 1, 0, 1)],
      { mode: 'wrap' },
      [
        [2, 5],
        [3, 1, 2, 3, 1, 6, 4, 5, 6, 4],
      ],
    ],
    ['Split', 1, [x24], { axis: 1, split: [2, 2] }, ...halves],
    ['Split', 1, [x24, list(2, 2)], { axis: 1 }, ...halves],
    ['Split', 2, [x24], { axis: 1 }, ...halves],
    ['Split', 11, [x24], { axis: -1, split: [2, 2] }, ...halves],
    ['Split', 13, [x24, list(2, 2)], { axis: 1 }, ...halves],
    ['Split', 18, [x24], { axis: 1, num_outputs: 2 }, ...halves],
    [
      'Split',
      2,
      [x24],
      {},
      [
        [1, 4],
        [1, 2, 3, 4],
      ],
      [
        [1, 4],
        [5, 6, 7, 8],
      ],
    ],
    ['Split', 18, [vector(1, 2, 3, 4, 5)], { num_outputs: 3 }, [[2], [1, 2]], [[2], [3, 4]], [[1], [5]]],
    ['Reshape', 1, [x23], { shape: [3, -1] }, [[3, 2], x23.data]],
    ['Reshape', 5, [x23, list(0, -1)], {}, [[2, 3], x23.data]],
    ['Reshape', 14, [reals([0, 3], []), list(3, 0)], { allowzero: 1 }, [[3, 0], []]],
    ['Reshape', 13, [reals([0, 3], []), list(0, 3)], {}, [[0, 3], []]],
    [
      'Slice',
      1,
      [x23],
      { starts: [1], ends: [1000], axes: [1] },
      [
        [2, 2],
        [2, 3, 5, 6],
      ],
    ],
    [
      'Slice',
      1,
      [x23],
      { starts: [0, -2], ends: [1, 3] },
      [
        [1, 2],
        [2, 3],
      ],
    ],
    [
      'Slice',
      10,
      [x23, list(2), list(-5), list(1), list(-2)],
      {},
      [
        [2, 2],
        [3, 1, 6, 4],
      ],
    ],
    [
      'Slice',
      13,
      [x23, list(1), list(2)],
      {},
      [
        [1, 3],
        [4, 5, 6],
      ],
    ],
  ]);
  await refuse([
    ['Concat', 4, [x23, x23], {}, /there is no axis/],
    ['Tile', 6, [x23, list(2)], {}, /1 repeats for \[2,3\]/],
    ['Pad', 2, [x23], { pads: [0, 1, 0] }, /3 pads for 2 axes/],
    ['Pad', 11, [x23], {}, /there are no pads/],
    ['Split', 13, [vector(1, 2, 3, 4, 5)], {}, /5 elements do not divide into 2 parts in opset 13/, 2],
    ['Split', 2, [vector(1, 2, 3, 4, 5)], {}, /do not divide into 3 parts in opset 2/, 3],
    ['Split', 18, [vector(1, 2, 3)], { num_outputs: 3 }, /num_outputs is 3 for 2 outputs/, 2],
    ['Reshape', 14, [x23, list(0, -1)], { allowzero: 1 }, /both 0 and -1/],
    ['Reshape', 13, [x23, list(1, 1, 0)], {}, /copies axis 2/],
    ['Slice', 10, [x23, list(0), list(2), list(0), list(0)], {}, /the step of axis 0 is 0/],
    ['Slice', 10, [x23, list(0, 0), list(1, 1), list(0, -2)], {}, /twice/],
  ]);
  await refuse(
    [
      ['Split', 1, [x24], {}, /opset 1 has no default for axis/, 2],
      ['Pad', 11, [x23, list(0, 1, 0, 1)], { mode: 'nowhere' }, /mode nowhere/],
    ],
    UnsupportedError,
  );
});

test('Squeeze and Unsqueeze: axes are an attribute before opset 13, then an input', async () => {
  const x = reals([1, 2, 1], [1, 2]);
  await check([
    ...[1, 11].map(
      (opset) =>
        [
          'Squeeze',
          opset,
          [x],
          { axes: [0] },
          [
            [2, 1],
            [1, 2],
          ],
        ] as const,
    ),
    [
      'Squeeze',
      11,
      [x],
      { axes: [-1] },
      [
        [1, 2],
        [1, 2],
      ],
    ],
    ['Squeeze', 13, [x, list(-1, 0)], {}, [[2], [1, 2]]],
    ['Squeeze', 1, [x], {}, [[2], [1, 2]]],
    ...[1, 11].map(
      (opset) =>
        [
          'Unsqueeze',
          opset,
          [vector(1, 2)],
          { axes: [0, 2] },
          [
            [1, 2, 1],
            [1, 2],
          ],
        ] as const,
    ),
    [
      'Unsqueeze',
      13,
      [vector(1, 2), list(-1, 0)],
      {},
      [
        [1, 2, 1],
        [1, 2],
      ],
    ],
  ]);
  await refuse([
    ['Squeeze', 13, [x, list(1)], {}, /axis 1 of \[1,2,1\] is not 1/],
    ['Squeeze', 13, [x, list(3)], {}, /no axis 3 of 3/],
    ['Unsqueeze', 13, [x, list(0, 0)], {}, /twice/],
    ['Unsqueeze', 13, [x, list(4)], {}, /no axis 4 of 4/],
    ['Unsqueeze', 13, [x], {}, /there are no axes/],
  ]);
});

test('Flatten, DepthToSpace, GatherND, Shape: what later versions added', async () => {
  const blocks = reals([1, 8, 1, 1], count(8));
  await check([
    ['Flatten', 1, [reals([2, 1, 3], x23.data)], {}, [[2, 3], x23.data]],
    ['Flatten', 9, [x23], { axis: 0 }, [[1, 6], x23.data]],
    ['Flatten', 9, [x23], { axis: 2 }, [[6, 1], x23.data]],
    ['Flatten', 11, [reals([2, 1, 3], x23.data)], { axis: -1 }, [[2, 3], x23.data]],
    [
      'DepthToSpace',
      1,
      [blocks],
      { blocksize: 2 },
      [
        [1, 2, 2, 2],
        [0, 2, 4, 6, 1, 3, 5, 7],
      ],
    ],
    ['DepthToSpace', 11, [blocks], { blocksize: 2, mode: 'CRD' }, [[1, 2, 2, 2], count(8)]],
    [
      'GatherND',
      11,
      [x23, ints([2, 1], [1, 0])],
      {},
      [
        [2, 3],
        [4, 5, 6, 1, 2, 3],
      ],
    ],
    ['GatherND', 12, [x23, ints([2, 1], [1, 0])], { batch_dims: 1 }, [[2], [2, 4]]],
    ['Shape', 13, [x23], {}, [[2], [2, 3]]],
    ['Shape', 15, [x23], { start: -1 }, [[1], [3]]],
    ['Shape', 15, [x23], { start: 0, end: -9 }, [[0], []]],
  ]);
});

test('scattering adds and multiplies from opset 16 on, takes extremes from 18 on; its first name', async () => {
  const index = ints([1, 2], [1, 1]);
  const updates = reals([1, 2], [7, 8]);
  const x = reals([1, 3], [1, 2, 3]);
  await check([
    [
      'Scatter',
      9,
      [x, ints([1, 2], [2, 0]), updates],
      { axis: 1 },
      [
        [1, 3],
        [8, 2, 7],
      ],
    ],
    [
      'ScatterElements',
      11,
      [x, ints([1, 2], [2, 0]), updates],
      { axis: 1 },
      [
        [1, 3],
        [8, 2, 7],
      ],
    ],
    [
      'ScatterElements',
      16,
      [x, index, updates],
      { axis: 1, reduction: 'add' },
      [
        [1, 3],
        [1, 17, 3],
      ],
    ],
    [
      'ScatterElements',
      16,
      [x, index, updates],
      { axis: 1, reduction: 'mul' },
      [
        [1, 3],
        [1, 112, 3],
      ],
    ],
    [
      'ScatterElements',
      18,
      [x, index, updates],
      { axis: 1, reduction: 'max' },
      [
        [1, 3],
        [1, 8, 3],
      ],
    ],
    [
      'ScatterElements',
      18,
      [x, index, updates],
      { axis: 1, reduction: 'min' },
      [
        [1, 3],
        [1, 2, 3],
      ],
    ],
    ['ScatterND', 11, [vector(1, 2, 3), ints([2, 1], [2, 0]), vector(7, 8)], {}, [[3], [8, 2, 7]]],
    ['ScatterND', 16, [vector(1, 2, 3), ints([2, 1], [1, 1]), vector(7, 8)], { reduction: 'add' }, [[3], [1, 17, 3]]],
    ['ScatterND', 18, [vector(1, 2, 3), ints([2, 1], [1, 1]), vector(7, 8)], { reduction: 'max' }, [[3], [1, 8, 3]]],
  ]);
});

test('Constant: numbers and lists from opset 12 on', async () => {
  await check([
    ...[1, 9, 11].map((opset) => ['Constant', opset, [], { value: x23 }, [[2, 3], x23.data]] as const),
    ['Constant', 12, [], { value_float: 1.5 }, [[], [1.5]]],
    ['Constant', 12, [], { value_int: 3 }, [[], [3]]],
    ['Constant', 13, [], { value_floats: [1.5, 2.5] }, [[2], [1.5, 2.5]]],
    ['Constant', 13, [], { value_ints: [3, 4] }, [[2], [3, 4]]],
  ]);
  await refuse([['Constant', 13, [], { value_string: 'x' }, /neither numbers nor a tensor/]], UnsupportedError);
});

test.run();
