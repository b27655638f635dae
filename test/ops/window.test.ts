// Slicing, padding, joining and splitting.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import {
  add,
  chunk,
  concat,
  mul,
  pad,
  pad2d,
  slice,
  split,
  stack,
  type PadOptions,
  type Range,
} from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { Draw, made, of } from '../support/nd.ts';
import { checkCase, f64, type OpCase } from '../support/op.ts';
import { at, build } from '../support/reference.ts';

const ranged = (shape: Shape, ranges: (Range | null)[]): OpCase => ({
  name: `slice [${shape}] by ${JSON.stringify(ranges)}`,
  inputs: { x: { shape } },
  run: ({ x }) => slice(x, ranges),
  reference: ({ x }) => {
    // Python's rules, one index after the other.
    const lists = shape.map((n, a) => {
      const [start, stop, step] = ranges[a] ?? [];
      const by = step ?? 1;
      const low = by > 0 ? 0 : -1;
      const high = by > 0 ? n : n - 1;
      const list: number[] = [];
      const bound = (v: number | null | undefined, none: number): number =>
        v === null || v === undefined ? none : Math.max(low, Math.min(high, v < 0 ? v + n : v));
      const end = bound(stop, by > 0 ? high : low);
      for (let k = bound(start, by > 0 ? low : high); by > 0 ? k < end : k > end; k += by) list.push(k);
      return list;
    });
    return made(
      lists.map((l) => l.length),
      (i) =>
        of(
          x,
          i.map((k, a) => lists[a][k]),
        ),
    );
  },
});

/** Walks from the outermost element outwards, one step at a time. */
function outside(k: number, n: number, mode: string): number {
  if (mode === 'constant') return k >= 0 && k < n ? k : -1;
  if (mode === 'replicate') return Math.min(n - 1, Math.max(0, k));
  let c = k;
  while (c < 0 || c >= n) c = mode === 'circular' ? c + (c < 0 ? n : -n) : c < 0 ? -c : 2 * (n - 1) - c;
  return c;
}

const padded = (shape: Shape, padding: [number, number][], options: PadOptions = {}): OpCase => ({
  name: `pad [${shape}] by ${JSON.stringify(padding)} ${JSON.stringify(options)}`,
  inputs: { x: { shape } },
  run: ({ x }) => pad(x, padding, options),
  reference: ({ x }) =>
    made(
      shape.map((n, a) => n + padding[a][0] + padding[a][1]),
      (i) => {
        const source = i.map((k, a) =>
          outside(
            k - padding[a][0],
            shape[a],
            padding[a].some((p) => p !== 0) ? (options.mode ?? 'constant') : 'constant',
          ),
        );
        return source.some((k) => k < 0) ? (options.value ?? 0) : of(x, source);
      },
    ),
});

const joined = (shapes: Shape[], axis: number): OpCase => ({
  name: `concat [${shapes.join('] [')}] along ${axis}`,
  inputs: Object.fromEntries(shapes.map((shape, i) => [`x${i}`, { shape }])),
  run: (xs) =>
    concat(
      shapes.map((_, i) => xs[`x${i}`]),
      axis,
    ),
  reference: (xs) => {
    const a = axis < 0 ? axis + shapes[0].length : axis;
    return made(
      shapes[0].map((n, b) => (b === a ? shapes.reduce((sum, s) => sum + s[a], 0) : n)),
      (i) => {
        let k = i[a];
        let part = 0;
        while (k >= shapes[part][a]) k -= shapes[part++][a];
        return of(
          xs[`x${part}`],
          i.map((v, b) => (b === a ? k : v)),
        );
      },
    );
  },
});

const stacked = (shape: Shape, count: number, axis: number): OpCase => ({
  name: `stack ${count} of [${shape}] at ${axis}`,
  inputs: Object.fromEntries(Array.from({ length: count }, (_, i) => [`x${i}`, { shape }])),
  run: (xs) =>
    stack(
      Array.from({ length: count }, (_, i) => xs[`x${i}`]),
      axis,
    ),
  reference: (xs) => {
    const a = axis < 0 ? axis + shape.length + 1 : axis;
    return made([...shape.slice(0, a), count, ...shape.slice(a)], (i) =>
      of(
        xs[`x${i[a]}`],
        i.filter((_, b) => b !== a),
      ),
    );
  },
});

const cases: OpCase[] = [
  {
    name: 'slice [2,5,6,3] from [1,2,0,1]',
    inputs: { x: { shape: [2, 5, 6, 3] } },
    run: ({ x }) => slice(x, [1, 2, 0, 1], [1, 3, 4, 2]),
    reference: ({ x }) => build([1, 3, 4, 2], (n, y, xx, c) => at(x, n + 1, y + 2, xx, c + 1)),
  },
  {
    name: 'pad2d [2,3,4,3] by 1, 0, 2, 3',
    inputs: { x: { shape: [2, 3, 4, 3] } },
    run: ({ x }) =>
      pad2d(
        x,
        [
          [1, 0],
          [2, 3],
        ],
        0.5,
      ),
    reference: ({ x }) =>
      build([2, 4, 9, 3], (n, y, xx, c) => (y >= 1 && xx >= 2 && xx < 6 ? at(x, n, y - 1, xx - 2, c) : 0.5)),
  },
  {
    name: 'concat channels 3 + 4 + 1',
    inputs: { a: { shape: [2, 3, 4, 3] }, b: { shape: [2, 3, 4, 4] }, c: { shape: [2, 3, 4, 1] } },
    run: ({ a, b, c }) => concat([a, b, c], 3),
    reference: ({ a, b, c }) =>
      build([2, 3, 4, 8], (n, y, x, k) =>
        k < 3 ? at(a, n, y, x, k) : k < 7 ? at(b, n, y, x, k - 3) : at(c, n, y, x, k - 7),
      ),
  },
  {
    name: 'slice [2,5,6,12] from [1,2,0,4]',
    inputs: { x: { shape: [2, 5, 6, 12] } },
    run: ({ x }) => slice(x, [1, 2, 0, 4], [1, 3, 4, 8]),
    reference: ({ x }) => build([1, 3, 4, 8], (n, y, xx, c) => at(x, n + 1, y + 2, xx, c + 4)),
  },
  {
    name: 'pad2d [2,3,4,4] by 1, 0, 2, 3',
    inputs: { x: { shape: [2, 3, 4, 4] } },
    run: ({ x }) =>
      pad2d(
        x,
        [
          [1, 0],
          [2, 3],
        ],
        0.5,
      ),
    reference: ({ x }) =>
      build([2, 4, 9, 4], (n, y, xx, c) => (y >= 1 && xx >= 2 && xx < 6 ? at(x, n, y - 1, xx - 2, c) : 0.5)),
  },
  {
    name: 'concat channels 8 + 4',
    inputs: { a: { shape: [2, 3, 4, 8] }, b: { shape: [2, 3, 4, 4] } },
    run: ({ a, b }) => concat([a, b], 3),
    reference: ({ a, b }) => build([2, 3, 4, 12], (n, y, x, k) => (k < 8 ? at(a, n, y, x, k) : at(b, n, y, x, k - 8))),
  },
  {
    name: 'concat batches of vectors',
    inputs: { a: { shape: [2, 3] }, b: { shape: [1, 3] } },
    run: ({ a, b }) => concat([a, b], 0),
    reference: ({ a, b }) => f64([3, 3], [...a.data, ...b.data]),
  },
  ranged([], []),
  ranged(
    [4, 6, 5],
    [
      [1, 3],
      [0, null],
    ],
  ),
  ranged(
    [4, 6, 5],
    [
      [null, null, 2],
      [1, null, 3],
    ],
  ),
  ranged(
    [4, 6, 5],
    [
      [-2, null],
      [null, -1],
    ],
  ),
  ranged([4, 6, 5], [null, [2, 5], [1, 4, 2]]),
  ranged([2, 9, 8], [null, [null, null, -2]]),
  ranged([5], [[9, null, -1]]),
  ranged([5], [[3, 1]]),
  ranged([0, 3], [[null, null, 2]]),
  ranged([3, 2, 3, 2, 4], [[null, null, 2], null, [-1, null, -1], [1], [0, 4]]),
  ranged([8, 128, 128, 3], [null, [null, null, 2], [null, null, 2]]),
  padded([], []),
  padded(
    [2, 4],
    [
      [0, 0],
      [3, 0],
    ],
  ),
  padded(
    [1, 2, 5, 5],
    [
      [0, 0],
      [0, 0],
      [0, -1],
      [-1, 2],
    ],
  ),
  padded(
    [2, 0],
    [
      [1, 0],
      [2, 1],
    ],
    { value: 2 },
  ),
  padded(
    [2, 3, 2, 1, 4],
    [
      [0, 0],
      [1, 1],
      [0, 2],
      [1, 0],
      [0, 0],
    ],
    { value: -1 },
  ),
  padded([3], [[-4, 6]], { value: 1 }),
  padded(
    [2, 3],
    [
      [0, -1],
      [-2, -1],
    ],
  ),
  ...(['reflect', 'replicate', 'circular'] as const).flatMap((mode) => [
    padded([5], [[4, 4]], { mode }),
    padded(
      [2, 3, 5, 6],
      [
        [0, 0],
        [0, 0],
        [2, 1],
        [1, 2],
      ],
      { mode },
    ),
    padded(
      [2, 5, 4, 4],
      [
        [0, 0],
        [1, 2],
        [3, 0],
        [0, 0],
      ],
      { mode },
    ),
    padded(
      [2, 3, 2, 3, 2],
      [
        [1, 0],
        [0, 0],
        [1, 1],
        [2, -1],
        [0, 1],
      ],
      { mode },
    ),
    padded(
      [6, 2],
      [
        [-3, 2],
        [1, -1],
      ],
      { mode },
    ),
    padded(
      [1, 3],
      [
        [0, 0],
        [1, 1],
      ],
      { mode },
    ),
    padded(
      [0, 3],
      [
        [0, 0],
        [1, 1],
      ],
      { mode },
    ),
    padded(
      [8, 128, 128, 3],
      [
        [0, 0],
        [3, 3],
        [3, 3],
        [0, 0],
      ],
      { mode },
    ),
  ]),
  padded(
    [1, 3],
    [
      [3, 2],
      [7, 8],
    ],
    { mode: 'circular' },
  ),
  padded(
    [1, 3],
    [
      [3, 2],
      [7, 8],
    ],
    { mode: 'replicate' },
  ),
  joined([[3]], 0),
  joined(
    [
      [2, 3],
      [4, 3],
    ],
    0,
  ),
  joined(
    [
      [2, 3],
      [2, 2],
    ],
    -1,
  ),
  joined(
    [
      [2, 0, 3],
      [2, 2, 3],
      [2, 1, 3],
    ],
    1,
  ),
  joined(
    [
      [2, 3, 2, 2, 3],
      [2, 3, 4, 2, 3],
    ],
    2,
  ),
  joined(
    [
      [8, 64, 64, 16],
      [8, 64, 64, 8],
    ],
    3,
  ),
  stacked([], 3, 0),
  stacked([2, 3], 3, 0),
  stacked([2, 3], 2, -1),
  stacked([2, 4, 3], 2, 1),
  stacked([0, 3], 2, 1),
];

const draw = new Draw(20263);
for (let i = 0; i < 30; i++) {
  const shape = draw.shape(draw.whole(1, 5));
  const axis = draw.whole(0, shape.length - 1);
  const bound = (): number | null => draw.choice([null, draw.whole(-6, 6)]);
  const mode = draw.choice(['constant', 'reflect', 'replicate', 'circular'] as const);
  const most = (n: number): number =>
    mode === 'reflect' ? Math.min(3, n - 1) : n === 0 && mode !== 'constant' ? 0 : 3;
  cases.push(
    ranged(
      shape,
      shape.map(() => [bound(), bound(), draw.choice([null, 1, 2, 3, -1, -2])]),
    ),
    padded(
      shape,
      shape.map((n) =>
        draw.bernoulli(0.5) || most(n) < 1
          ? [0, 0]
          : [draw.whole(-Math.min(1, n >> 1), most(n)), draw.whole(-Math.min(1, n >> 1), most(n))],
      ),
      { mode, value: mode === 'constant' ? 0.5 : 0 },
    ),
    joined(
      Array.from({ length: draw.whole(1, 4) }, () => shape.map((n, a) => (a === axis ? draw.whole(0, 4) : n))),
      axis,
    ),
  );
}

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('bad shapes are refused', async () => {
  const device = await testDevice();
  const x = device.tensor(new Float32Array(24), [1, 2, 3, 4]);
  assert.throws(() => slice(x, [0, 0, 0, 0], [1, 3, 3, 4]), /does not lie inside/);
  assert.throws(() => concat([x, device.tensor(new Float32Array(6), [1, 2, 3, 1])], 2), /does not fit/);
  assert.throws(() => concat([], 0), /nothing to join/);
  assert.throws(() => concat([x], 4), /no axis 4/);
  assert.throws(() => stack([x, device.empty([1, 2, 3])]), /differ/);
  assert.throws(() => slice(x, [null, null, null, null, null]), /5 ranges/);
  assert.throws(() => slice(x, [[0, 1, 0]]), /is not a range/);
  assert.throws(() => pad(x, [[1, 1]]), /padding is/);
  assert.throws(
    () =>
      pad(
        x,
        [
          [0, 0],
          [2, 0],
          [0, 0],
          [0, 0],
        ],
        { mode: 'reflect' },
      ),
    /cannot be padded by 2 and 0/,
  );
  assert.throws(
    () =>
      pad(x, [
        [0, 0],
        [-2, -1],
        [0, 0],
        [0, 0],
      ]),
    /cannot be padded/,
  );
  assert.throws(() => pad(device.empty([0]), [[1, 0]], { mode: 'circular' }), /cannot be padded/);
  assert.throws(() => pad(device.empty([1]), [[0, 0]], { mode: 'wrap' as 'circular' }), /no mode wrap/);
  assert.throws(() => split(x, [1, 1], 2), /do not make 3/);
  assert.throws(() => split(x, 0, 2), /the size is/);
  assert.throws(() => chunk(x, 2, 4), /no axis 4/);
});

test('integers are padded with integers', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2], [1, 1, 2, 1], 'i32');
  assert.equal(
    [
      ...(await pad2d(
        x,
        [
          [0, 0],
          [1, 1],
        ],
        255,
      ).read()),
    ],
    [255, 1, 2, 255],
  );
  assert.throws(
    () =>
      pad2d(x, [
        [0, 0],
        [0.5, 0],
      ]),
    /padding is/,
  );
  assert.throws(() => slice(x, [0, 0, 0.5, 0], [1, 1, 1, 1]), /does not lie inside/);
});

test('splitting, and the gradient of parts of which one is not used', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [2, 5]);
  x.requiresGrad = true;
  const [a, b, c] = split(x, 2, -1);
  assert.equal(
    [a, b, c].map((t) => [...t.shape]),
    [
      [2, 2],
      [2, 2],
      [2, 1],
    ],
  );
  assert.equal([...(await b.read())], [3, 4, 8, 9]);
  const y = add(mul(a, a), a);
  const [dx] = grad(y, [x], { dy: device.tensor([1, 1, 1, 1], [2, 2]), createGraph: true });
  assert.equal([...(await dx.read())], [3, 5, 0, 0, 0, 13, 15, 0, 0, 0]);
  const [ddx] = grad(dx, [x], { dy: device.tensor(new Float32Array(10).fill(1), [2, 5]) });
  assert.equal([...(await ddx.read())], [2, 2, 0, 0, 0, 2, 2, 0, 0, 0]);
  assert.equal(
    split(x, [0, 5], 1).map((t) => [...t.shape]),
    [
      [2, 0],
      [2, 5],
    ],
  );
  // PyTorch's chunk: the parts are as large as 5 / 4 rounded up, so there are three.
  assert.equal(
    chunk(x, 4, 1).map((t) => t.shape[1]),
    [2, 2, 1],
  );
  assert.equal(
    chunk(device.empty([0, 3]), 2).map((t) => [...t.shape]),
    [[0, 3]],
  );
});

test('the gradient of a padding can be differentiated again', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3], [3]);
  x.requiresGrad = true;
  for (const [mode, counts] of [
    ['constant', [1, 1, 1]],
    ['reflect', [1, 3, 1]],
    ['replicate', [2, 1, 2]],
    ['circular', [2, 1, 2]],
  ] as const) {
    const e = pad(x, [[1, 1]], { mode });
    const ones = device.tensor([1, 1, 1, 1, 1], [5]);
    const [dx] = grad(mul(mul(e, e), e), [x], { dy: ones, createGraph: true });
    assert.equal(
      [...(await dx.read())],
      counts.map((n, i) => 3 * n * (i + 1) ** 2),
    );
    const [ddx] = grad(dx, [x], { dy: device.tensor([1, 1, 1], [3]) });
    assert.equal(
      [...(await ddx.read())],
      counts.map((n, i) => 6 * n * (i + 1)),
    );
  }
});

test.run();
