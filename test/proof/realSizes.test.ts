// Matrix products, normalisation, softmax, resizing, pooling, sums and moves of elements at real sizes, with their
// gradients, element by element against float64. Convolutions are in realConv.test.ts.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import * as ops from '../support/ops.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type Shape, type Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';
import { linear, POSITIONS, type Taps } from '../support/resize.ts';

const seed = Number(process.env.FEWMASK_SEED ?? Date.now() % 2 ** 32);
console.log(`seed ${seed}`);

type Arrays = Record<string, ArrayLike<number>>;
interface Case {
  name: string;
  shapes: Record<string, Shape>;
  run(t: Record<string, Tensor>): Tensor;
  /** The result `y`, and from the inputs and dy the gradients `dx`, … of those that it names. */
  reference(v: Record<string, Float32Array>, dy: Float32Array): Arrays;
  tolerance?: number;
  /**
   * Where the results cancel: the magnitude of what is added up, to which their errors are held instead, 100 times as
   * strictly.
   */
  added?: number;
}

function check({ name, shapes, run, reference, tolerance = 1e-5, added }: Case): void {
  test(name, async () => {
    const device = await testDevice();
    const rng = new Rng(seed, name.length);
    const draw = (s: Shape): Float32Array<ArrayBuffer> =>
      Float32Array.from({ length: sizeOf(s) }, () => rng.uniform(-1, 1));
    const values = Object.fromEntries(Object.entries(shapes).map(([k, s]) => [k, draw(s)]));
    const names = Object.keys(shapes);
    let dy = new Float32Array(0);
    const made = device.scope(() => {
      const t = Object.fromEntries(names.map((k) => [k, device.tensor(values[k], shapes[k])]));
      for (const k of names) t[k].requiresGrad = true;
      const y = run(t);
      dy = draw(y.shape);
      return [
        y,
        ...grad(
          y,
          names.map((k) => t[k]),
          { dy: device.tensor(dy, y.shape) },
        ),
      ];
    });
    const want = reference(values, dy);
    const got = await device.read(made);
    for (const [k, v] of Object.entries(want)) {
      const found = got[k === 'y' ? 0 : 1 + names.indexOf(k.slice(1))];
      if (k !== 'y' || added === undefined) close(found, v, tolerance, `${name}: ${k}`);
      else
        Array.from(v, (w, i) =>
          assert.ok(
            Math.abs(found[i] - w) <= Math.max(tolerance * Math.abs(w), 1e-2 * tolerance * added),
            `${name}: y[${i}] is ${found[i]}, not ${w}`,
          ),
        );
    }
    for (const t of made) t.dispose();
  });
}

/** c += a b for a [m, k], b [k, n], either transposed as it is stored. */
function product(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  m: number,
  k: number,
  n: number,
  ta = false,
  tb = false,
): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++)
    for (let p = 0; p < k; p++) {
      const v = a[ta ? p * m + i : i * k + p];
      if (tb) for (let j = 0; j < n; j++) c[i * n + j] += v * b[j * k + p];
      else for (let j = 0; j < n; j++) c[i * n + j] += v * b[p * n + j];
    }
  return c;
}

for (const [m, k, n] of [
  [1025, 257, 129],
  [3, 70001, 5],
  [4097, 3, 513],
  [129, 2048, 65],
]) {
  check({
    name: `matmul ${m}x${k}x${n}`,
    shapes: { a: [m, k], b: [k, n] },
    run: ({ a, b }) => ops.matmul(a, b),
    reference: ({ a, b }, dy) => ({
      y: product(a, b, m, k, n),
      da: product(dy, b, m, n, k, false, true),
      db: product(a, dy, k, m, n, true),
    }),
  });
}

/** Statistics and gradients of a normalisation over `n` elements at `at(group, j)`, for each of `groups`. */
function normalised(
  x: Float32Array,
  dy: Float32Array,
  groups: number,
  n: number,
  at: (g: number, j: number) => number,
  gamma: (g: number, j: number) => number,
  beta: (g: number, j: number) => number,
): { y: Float64Array; dx: Float64Array; xh: Float64Array } {
  const y = new Float64Array(x.length);
  const dx = new Float64Array(x.length);
  const xh = new Float64Array(x.length);
  for (let g = 0; g < groups; g++) {
    let mean = 0;
    let square = 0;
    let sum = 0;
    let dot = 0;
    for (let j = 0; j < n; j++) mean += x[at(g, j)] / n;
    for (let j = 0; j < n; j++) square += (x[at(g, j)] - mean) ** 2 / n;
    const inverse = 1 / Math.sqrt(square + 1e-5);
    for (let j = 0; j < n; j++) {
      const i = at(g, j);
      const d = dy[i] * gamma(g, j);
      xh[i] = (x[i] - mean) * inverse;
      y[i] = xh[i] * gamma(g, j) + beta(g, j);
      sum += d / n;
      dot += (d * xh[i]) / n;
    }
    for (let j = 0; j < n; j++) dx[at(g, j)] = inverse * (dy[at(g, j)] * gamma(g, j) - sum - xh[at(g, j)] * dot);
  }
  return { y, dx, xh };
}

const columns = (v: ArrayLike<number>, c: number): Float64Array => {
  const s = new Float64Array(c);
  for (let i = 0; i < v.length; i++) s[i % c] += v[i];
  return s;
};

for (const shape of [
  [8, 128, 128, 8],
  [1, 513, 513, 3],
  [2, 5, 5, 2048],
]) {
  const c = shape[3];
  const n = sizeOf(shape) / c;
  check({
    name: `batchNorm [${shape}]`,
    shapes: { x: shape, gamma: [c], beta: [c] },
    tolerance: 2e-5,
    run: ({ x, gamma, beta }) => ops.batchNorm(x, gamma, beta, undefined, { mode: 'train' }),
    reference: ({ x, gamma, beta }, dy) => {
      const { y, dx, xh } = normalised(
        x,
        dy,
        c,
        n,
        (g, j) => j * c + g,
        (g) => gamma[g],
        (g) => beta[g],
      );
      return {
        y,
        dx,
        dgamma: columns(
          xh.map((v, i) => v * dy[i]),
          c,
        ),
        dbeta: columns(dy, c),
      };
    },
  });
}

check({
  name: 'layerNorm over 128x128x4 of 4',
  shapes: { x: [4, 128, 128, 4], gamma: [128, 128, 4] },
  tolerance: 2e-5,
  run: ({ x, gamma }) => ops.layerNorm(x, [128, 128, 4], gamma),
  reference: ({ x, gamma }, dy) => {
    const n = 65536;
    const { y, dx, xh } = normalised(
      x,
      dy,
      4,
      n,
      (g, j) => g * n + j,
      (_, j) => gamma[j],
      () => 0,
    );
    const dgamma = new Float64Array(n);
    xh.forEach((v, i) => (dgamma[i % n] += v * dy[i]));
    return { y, dx, dgamma };
  },
});

for (const [shape, axis] of [
  [[1, 513, 513, 5], 3],
  [[2, 20001, 3], 1],
  [[3, 70001], 1],
  [[257, 1025], 0],
] as [number[], number][]) {
  const n = shape[axis];
  const inner = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  check({
    name: `softmax [${shape}] along ${axis}`,
    shapes: { x: shape },
    run: ({ x }) => ops.softmax(x, axis),
    reference: ({ x }, dy) => {
      const y = new Float64Array(x.length);
      const dx = new Float64Array(x.length);
      for (let line = 0; line < outer * inner; line++) {
        const first = Math.floor(line / inner) * n * inner + (line % inner);
        let total = 0;
        let dot = 0;
        for (let j = 0; j < n; j++) total += y[first + j * inner] = Math.exp(x[first + j * inner]);
        for (let j = 0; j < n; j++) dot += (y[first + j * inner] /= total) * dy[first + j * inner];
        for (let j = 0; j < n; j++) dx[first + j * inner] = y[first + j * inner] * (dy[first + j * inner] - dot);
      }
      return { y, dx };
    },
  });
}

for (const [from, to, c, coordinates] of [
  [65, 513, 5, 'halfPixel'],
  [129, 513, 4, 'alignCorners'],
  [513, 200, 3, 'halfPixel'],
  [256, 512, 4, 'asymmetric'],
] as const) {
  const taps: Taps = linear(POSITIONS[coordinates]);
  const list = Array.from({ length: to }, (_, o) => taps(o, from, to));
  check({
    name: `resizeBilinear ${from} to ${to}, ${c} channels, ${coordinates}`,
    shapes: { x: [1, from, from, c] },
    // Positions are f32, as PyTorch has them: a few units in the last place of `from`, which is the error of a weight.
    tolerance: 1e-5 + 4 * from * 2 ** -24,
    run: ({ x }) => ops.resizeBilinear(x, [to, to], { coordinates }),
    reference: ({ x }, dy) => {
      const y = new Float64Array(to * to * c);
      const dx = new Float64Array(x.length);
      for (let oy = 0; oy < to; oy++)
        for (let ox = 0; ox < to; ox++)
          for (const [iy, wy] of list[oy])
            for (const [ix, wx] of list[ox])
              for (let k = 0; k < c; k++) {
                const i = (iy * from + ix) * c + k;
                const o = (oy * to + ox) * c + k;
                y[o] += wy * wx * x[i];
                dx[i] += wy * wx * dy[o];
              }
      return { y, dx };
    },
  });
}

check({
  name: 'maxPool2d [1, 513, 513, 4]',
  shapes: { x: [1, 513, 513, 4] },
  run: ({ x }) => ops.maxPool2d(x, { kernel: 3, stride: 2, padding: 1 }),
  reference: ({ x }, dy) => {
    const y = new Float64Array(257 * 257 * 4);
    const dx = new Float64Array(x.length);
    for (let o = 0; o < y.length; o++) {
      const c = o % 4;
      const ox = (o >> 2) % 257;
      const oy = Math.floor((o >> 2) / 257);
      let best = -1;
      for (let iy = Math.max(0, 2 * oy - 1); iy < Math.min(513, 2 * oy + 2); iy++)
        for (let ix = Math.max(0, 2 * ox - 1); ix < Math.min(513, 2 * ox + 2); ix++) {
          const i = (iy * 513 + ix) * 4 + c;
          if (best < 0 || x[i] > x[best]) best = i;
        }
      y[o] = x[best];
      dx[best] += dy[o];
    }
    return { y, dx };
  },
});

for (const [shape, axes] of [
  [
    [8, 128, 128, 5],
    [1, 2],
  ],
  [
    [1, 513, 513, 4],
    [0, 1, 2, 3],
  ],
  [[513, 2048], [0]],
  [[513, 2048], [1]],
] as const) {
  const kept = shape.map((_, i) => !(axes as readonly number[]).includes(i));
  const n = sizeOf(shape.filter((_, i) => !kept[i]));
  const places = (i: number): number => {
    let at = 0;
    let rest = i;
    let step = sizeOf(shape);
    shape.forEach((d, a) => {
      step /= d;
      const k = Math.floor(rest / step);
      rest -= k * step;
      if (kept[a]) at = at * d + k;
    });
    return at;
  };
  check({
    name: `mean [${shape}] over ${axes}`,
    shapes: { x: shape },
    added: 0.5,
    run: ({ x }) => ops.mean(x, axes),
    reference: ({ x }, dy) => {
      const y = new Float64Array(dy.length);
      const dx = new Float64Array(x.length);
      for (let i = 0; i < x.length; i++) {
        const k = places(i);
        y[k] += x[i] / n;
        dx[i] = dy[k] / n;
      }
      return { y, dx };
    },
  });
}

check({
  name: 'cumsum of 300001',
  shapes: { x: [300001] },
  run: ({ x }) => ops.cumsum(x),
  reference: ({ x }, dy) => {
    const y = new Float64Array(x.length);
    const dx = new Float64Array(x.length);
    let up = 0;
    let down = 0;
    for (let i = 0; i < x.length; i++) y[i] = up += x[i];
    for (let i = x.length - 1; i >= 0; i--) dx[i] = down += dy[i];
    return { y, dx };
  },
});

check({
  name: 'permute and broadcast [513, 257, 4]',
  shapes: { x: [513, 257, 4], b: [257, 1, 4] },
  run: ({ x, b }) => ops.add(ops.permute(x, [1, 0, 2]), b),
  reference: ({ x, b }, dy) => {
    const y = new Float64Array(x.length);
    const dx = new Float64Array(x.length);
    const db = new Float64Array(b.length);
    for (let i = 0; i < 513; i++)
      for (let j = 0; j < 257; j++)
        for (let c = 0; c < 4; c++) {
          const from = (i * 257 + j) * 4 + c;
          const to = (j * 513 + i) * 4 + c;
          y[to] = x[from] + b[j * 4 + c];
          dx[from] = dy[to];
          db[j * 4 + c] += dy[to];
        }
    return { y, dx, db };
  },
});

test.run();
