// Products: matrices, Einstein sums, attention, convolutions.

import * as e from '../../support/ops.ts';
import { sizeOf, type Shape, type Tensor } from '../../../runtime/tensor.ts';
import { repeated } from '../../support/broadcast.ts';
import { each, made, of, place } from '../../support/nd.ts';
import { f64, type F64 } from '../../support/op.ts';
import { entry, Reject, SPECIALS, type Entry, type Source, type Value } from '../call.ts';

const turned = (t: F64): F64 =>
  made([...t.shape.slice(0, -2), t.shape[t.shape.length - 1], t.shape[t.shape.length - 2]], (at) =>
    of(t, [...at.slice(0, -2), at[at.length - 1], at[at.length - 2]]),
  );
/** Element at an index whose leading axes repeat where they are 1, aligned at the last. */
const at0 = (t: F64, at: readonly number[]): number =>
  of(
    t,
    at.slice(at.length - t.shape.length).map((i, a) => (t.shape[a] === 1 ? 0 : i)),
  );

function product(a: F64, b: F64): F64 {
  const [m, k] = a.shape.slice(-2);
  const n = b.shape[b.shape.length - 1];
  const lead = repeated(
    [{ shape: a.shape.slice(0, -2), data: f64(a.shape.slice(0, -2)).data }, f64(b.shape.slice(0, -2))],
    () => 0,
  ).shape;
  return made([...lead, m, n], (at) => {
    const front = at.slice(0, -2);
    const [i, j] = at.slice(-2);
    let sum = 0;
    for (let l = 0; l < k; l++) sum += at0(a, [...front, i, l]) * at0(b, [...front, l, j]);
    return sum;
  });
}

/** Sums a product of operands over the letters that are not in the result, in plain loops. */
function summed(terms: readonly string[], result: string, xs: readonly F64[]): F64 {
  const sizes = new Map<string, number>();
  terms.forEach((t, i) =>
    [...t].forEach((l, a) => sizes.set(l, Math.max(xs[i].shape[a] === 1 ? (sizes.get(l) ?? 1) : xs[i].shape[a], 0))),
  );
  const inner = [...sizes.keys()].filter((l) => !result.includes(l));
  const shape = [...result].map((l) => sizes.get(l)!);
  return made(shape, (at) => {
    const where = new Map([...result].map((l, i) => [l, at[i]]));
    let sum = 0;
    each(
      inner.map((l) => sizes.get(l)!),
      (rest) => {
        inner.forEach((l, i) => where.set(l, rest[i]));
        sum += xs.reduce(
          (p, x, i) =>
            p *
            of(
              x,
              [...terms[i]].map((l, a) => (x.shape[a] === 1 ? 0 : where.get(l)!)),
            ),
          1,
        );
      },
    );
    return sum;
  });
}

const EQUATIONS = [
  'ij,jk->ik',
  'ij,kj->ik',
  'bij,bjk->bik',
  'bij,bkj->bki',
  'ii->i',
  'ii',
  'ij->ji',
  'ij->',
  'i,j->ij',
  'i,i',
  'ijk,k->ij',
  'nihd,njhd->nhij',
  'ij,jk,kl->il',
  'abc->cab',
  'ij,ij->i',
  'bi,bj->bij',
  'aij,bjk->abik',
  'iij,jk->ik',
];
/** With an ellipsis, and what it stands for. */
const ELLIPSES: readonly (readonly [string, string])[] = [
  ['...ij,...jk->...ik', 'abij,abjk->abik'],
  ['...i->...', 'abi->ab'],
  ['b...c,c->b...', 'bxyc,c->bxy'],
  ['...,i', 'ab,i->abi'],
];

const MATRICES: Entry[] = [
  entry('matmul', (s) => {
    const ta = s.flag(0.3);
    const tb = s.flag(0.3);
    if (s.flag(0.2)) {
      // A vector on one side or on both.
      const k = s.length();
      const left = s.flag();
      const both = s.flag(0.3);
      const v = s.tensor({ shape: [k] });
      if (both)
        return {
          inputs: [v, s.tensor({ shape: [k] })],
          bound: 'linear',
          run: (a, b) => e.matmul(a, b),
          reference: (a, b) => made([], () => a.data.reduce((t, x, i) => t + x * b.data[i], 0)),
        };
      const lead = s.shape(s.whole(0, 2)).map((d) => Math.min(d, 3));
      const m = s.tensor({ shape: left ? [...lead, k, s.length()] : [...lead, s.length(), k] });
      return {
        inputs: left ? [v, m] : [m, v],
        bound: 'linear',
        run: (a, b) => e.matmul(a, b),
        reference: (a, b) => {
          const y = left ? product({ shape: [1, k], data: a.data }, b) : product(a, { shape: [k, 1], data: b.data });
          return { shape: y.shape.filter((_, i) => i !== y.shape.length - (left ? 2 : 1)), data: y.data };
        },
      };
    }
    const a = s.tensor({ rank: [2, 4] });
    const lead = s.partner(a.shape.slice(0, -2));
    const k = a.shape[a.shape.length - (ta ? 2 : 1)];
    const n = s.length();
    const b = s.tensor({ shape: [...lead, ...(tb ? [n, k] : [k, n])] });
    return {
      inputs: [a, b],
      bound: 'linear',
      text: `${ta ? 'a transposed ' : ''}${tb ? 'b transposed' : ''}`,
      run: (u, v) => e.matmul(u, v, { transposeA: ta, transposeB: tb }),
      reference: (u, v) => product(ta ? turned(u) : u, tb ? turned(v) : v),
    };
  }),
  entry('linear', (s) => {
    const x = s.tensor({ rank: [1, 4], fits: (d) => d[d.length - 1] > 0 });
    const cin = x.shape[x.shape.length - 1];
    const cout = s.length(1);
    const w = s.tensor({ shape: [cin, cout] });
    const b = s.flag(0.6) ? [s.tensor({ shape: [cout] })] : [];
    return {
      inputs: [x, w, ...b],
      bound: 'linear',
      run: (t, u, v) => e.linear(t, u, v),
      reference: (t, u, v) =>
        made([...t.shape.slice(0, -1), cout], (at) => {
          let sum = v ? v.data[at[at.length - 1]] : 0;
          for (let k = 0; k < cin; k++) sum += of(t, [...at.slice(0, -1), k]) * u.data[k * cout + at[at.length - 1]];
          return sum;
        }),
    };
  }),
  entry('einsum', (s) => {
    const [equation, plain] = s.flag(0.2) ? s.choice(ELLIPSES) : [s.choice(EQUATIONS), ''];
    const [left, right] = (plain || equation).split('->');
    const terms = left.split(',');
    const sizes = new Map<string, number>();
    const size = (l: string): number =>
      sizes.get(l) ?? (sizes.set(l, s.flag(0.1) ? s.whole(0, 1) : s.whole(1, 6)), sizes.get(l)!);
    // A size of 1 goes with any; a diagonal is square.
    // Three factors are multiplied two by two, in an order that decides where opposite infinities or zeros meet one.
    const specials = terms.length > 2 ? [NaN, 0, -0] : SPECIALS;
    const xs = terms.map((t) =>
      s.tensor({
        specials,
        shape: [...t].map((l) => (s.flag(0.08) && t.indexOf(l) === t.lastIndexOf(l) ? Math.min(1, size(l)) : size(l))),
      }),
    );
    const all = terms.join('');
    const result =
      right ??
      [...new Set(all)]
        .filter((l) => all.indexOf(l) === all.lastIndexOf(l))
        .sort()
        .join('');
    return {
      inputs: xs,
      bound: 'linear',
      text: equation,
      run: (...t) => e.einsum(equation, ...t),
      reference: (...t) => summed(terms, result, t),
    };
  }),
  entry(
    'scaledDotProductAttention',
    (s) => {
      const lead = s.shape(s.whole(0, 2)).map((d) => Math.min(d, 3));
      const [i, j, d, c] = [s.whole(0, 7), s.whole(0, 9), s.whole(1, 6), s.whole(1, 5)];
      const q = s.tensor({ shape: [...lead, i, d] });
      const k = s.tensor({ shape: [...lead, j, d] });
      const v = s.tensor({ shape: [...lead, j, c] });
      const form = s.int(3);
      const causal = s.flag(0.3);
      const scale = s.choice([undefined, 0.5]);
      const own = scale ?? 1 / Math.sqrt(d);
      const shape = s.flag() ? [i, j] : [...lead, i, j];
      const mask =
        form === 0 ? [] : form === 1 ? [s.tensor({ shape, dtype: 'i32', within: [0, 1] })] : [s.tensor({ shape })];
      return {
        inputs: [q, k, v, ...mask],
        inner: 1,
        text: `${['no', 'boolean', 'added'][form]} mask${causal ? ' causal' : ''} scale ${scale}`,
        run: (a, b, w, m) => e.scaledDotProductAttention(a, b, w, { mask: m, causal, scale }),
        reference: (a, b, w, m) => {
          const z = product(a, turned(b));
          const p = f64(z.shape);
          each(z.shape, (at, n) => {
            const seen = (!causal || at[at.length - 1] <= at[at.length - 2]) && (form !== 1 || at0(m, at) !== 0);
            p.data[n] = seen ? own * z.data[n] + (form === 2 ? at0(m, at) : 0) : -Infinity;
          });
          for (let row = 0; row < p.data.length; row += j) {
            const l = p.data.subarray(row, row + j);
            const top = Math.max(...l);
            const sum = l.reduce((t, x) => t + (x === -Infinity ? 0 : Math.exp(x - top)), 0);
            l.forEach((x, n) => (l[n] = x === -Infinity ? 0 : Math.exp(x - top) / sum));
          }
          return product(p, w);
        },
      };
    },
    { nanGradients: 'the probability of a masked key is 0, which matrix products multiply by NaN, as in PyTorch' },
  ),
];

type Four = readonly [number, number, number, number];
interface Geometry {
  stride: readonly [number, number];
  dilation: readonly [number, number];
  padding: Four;
  groups: number;
}

/**
 * y[n, oy, ox, o] += x[n, iy, ix, g cig + i] w[ky, kx, i, o] wherever the kernel meets the image; `visit` does one
 * product.
 */
function walk(x: Shape, w: Shape, y: Shape, g: Geometry, visit: (x: number, w: number, y: number) => void): void {
  const [kh, kw, cig, cout] = w;
  const cog = cout / g.groups;
  each(y, ([n, oy, ox, o], to) => {
    const from = Math.floor(o / cog) * cig;
    for (let ky = 0; ky < kh; ky++) {
      const iy = oy * g.stride[0] - g.padding[0] + ky * g.dilation[0];
      if (iy < 0 || iy >= x[1]) continue;
      for (let kx = 0; kx < kw; kx++) {
        const ix = ox * g.stride[1] - g.padding[2] + kx * g.dilation[1];
        if (ix < 0 || ix >= x[2]) continue;
        for (let i = 0; i < cig; i++) visit(place(x, [n, iy, ix, from + i]), ((ky * kw + kx) * cig + i) * cout + o, to);
      }
    }
  });
}

/**
 * Settings for a kernel of some size over images of so many channels; `mine` of them in a group, and `other` ones of
 * the result.
 */
function geometry(s: Source, channels: number): Geometry & { kernel: [number, number]; mine: number; other: number } {
  const groups = s.flag(0.4) ? s.choice([1, 2, 3, 4, channels].filter((g) => channels % g === 0)) : 1;
  const two = (low: number, high: number): [number, number] => [s.whole(low, high), s.whole(low, high)];
  const plain = s.flag(0.4);
  const wide = s.flag(0.4);
  return {
    kernel: two(1, 4),
    stride: plain ? [1, 1] : two(1, 3),
    dilation: plain ? [1, 1] : two(1, 2),
    padding: [s.whole(0, 2), s.whole(0, 2), s.whole(0, 2), s.whole(0, 2)],
    groups,
    mine: channels / groups,
    other: wide ? 4 * s.whole(1, 2) : s.whole(1, 6),
  };
}

const bias = (s: Source, c: number): Value[] => (s.flag() ? [s.tensor({ shape: [c] })] : []);

function convolved(x: F64, w: F64, b: F64 | undefined, y: Shape, g: Geometry): F64 {
  const out = made(y, (at) => (b ? b.data[at[3]] : 0));
  walk(x.shape, w.shape, y, g, (i, j, k) => (out.data[k] += x.data[i] * w.data[j]));
  return out;
}

// Weights are finite in calls with special values: tiled kernels multiply them by the zeros of the padding, others skip
// it, as PyTorch's do.
const PADDED = { nanGradients: 'zeros of the padding times NaN: test/ops/conv2dSpecials.test.ts has what is certain' };

const CONVOLUTIONS: Entry[] = [
  entry(
    'conv2d',
    (s) => {
      const x = s.image();
      const { kernel, mine: cig, other: cog, ...g } = geometry(s, x.shape[3]);
      const cout = cog * g.groups;
      const w = s.tensor({ shape: [...kernel, cig, cout], specials: [] });
      const b = bias(s, cout);
      const [oh, ow] = [0, 1].map(
        (i) =>
          Math.floor(
            (x.shape[1 + i] + g.padding[2 * i] + g.padding[2 * i + 1] - g.dilation[i] * (kernel[i] - 1) - 1) /
              g.stride[i],
          ) + 1,
      );
      if (oh < 1 || ow < 1) throw new Reject('the kernel does not fit');
      return {
        inputs: [x, w, ...b],
        bound: 'linear',
        text: JSON.stringify(g),
        run: (t, u, v) => e.conv2d(t, u, v, g),
        reference: (t, u, v) => convolved(t, u, v, [t.shape[0], oh, ow, cout], g),
      };
    },
    PADDED,
  ),
  entry(
    'convTranspose2d',
    (s) => {
      const x = s.image();
      const { kernel, mine: cog, other: cig, ...g } = geometry(s, x.shape[3]);
      const cout = cig * g.groups;
      const w = s.tensor({ shape: [...kernel, cig, cog * g.groups], specials: [] });
      const b = bias(s, cout);
      const extra: [number, number] = [s.int(g.stride[0]), s.int(g.stride[1])];
      const [oh, ow] = [0, 1].map(
        (i) =>
          (x.shape[1 + i] - 1) * g.stride[i] -
          g.padding[2 * i] -
          g.padding[2 * i + 1] +
          g.dilation[i] * (kernel[i] - 1) +
          extra[i] +
          1,
      );
      if (oh < 1 || ow < 1) throw new Reject('nothing remains');
      return {
        inputs: [x, w, ...b],
        bound: 'linear',
        slack: 2,
        text: JSON.stringify({ ...g, extra }),
        run: (t, u, v) => e.convTranspose2d(t, u, v, { ...g, outputPadding: extra }),
        reference: (t, u, v) => {
          const out = made([t.shape[0], oh, ow, cout], (at) => (v ? v.data[at[3]] : 0));
          walk(out.shape, u.shape, t.shape, g, (i, j, k) => (out.data[i] += t.data[k] * u.data[j]));
          return out;
        },
      };
    },
    PADDED,
  ),
  entry(
    'conv1d',
    (s) => {
      const groups = s.flag(0.3) ? 2 : 1;
      const cig = s.whole(1, 5);
      const cout = groups * s.whole(1, 5);
      const x = s.tensor({ shape: [s.whole(0, 2), s.whole(1, 12), cig * groups] });
      const k = s.whole(1, 4);
      const w = s.tensor({ shape: [k, cig, cout], specials: [] });
      const b = bias(s, cout);
      const stride = s.whole(1, 3);
      const dilation = s.whole(1, 2);
      const padding: [number, number] = [s.whole(0, 2), s.whole(0, 2)];
      const ow = Math.floor((x.shape[1] + padding[0] + padding[1] - dilation * (k - 1) - 1) / stride) + 1;
      if (ow < 1) throw new Reject('the kernel does not fit');
      return {
        inputs: [x, w, ...b],
        bound: 'linear',
        text: JSON.stringify({ stride, dilation, padding, groups }),
        run: (t, u, v) => e.conv1d(t, u, v, { stride, dilation, padding, groups }),
        reference: (t, u, v) => {
          const y = convolved(
            { shape: [t.shape[0], 1, t.shape[1], t.shape[2]], data: t.data },
            { shape: [1, k, cig, cout], data: u.data },
            v,
            [t.shape[0], 1, ow, cout],
            { stride: [1, stride], dilation: [1, dilation], padding: [0, 0, ...padding], groups },
          );
          return { shape: [t.shape[0], ow, cout], data: y.data };
        },
      };
    },
    PADDED,
  ),
];

/** Random numbers that a dropout drops by; the engine makes the same. */
const seedOf = (s: Source): Value =>
  s.tensor({ shape: [4], dtype: 'u32', element: (i) => (i === 3 ? 0 : s.int(1000)) });

export const DROPPED = (
  s: Source,
  run: (x: Tensor, seed: Tensor, p: number) => Tensor,
  channels: boolean,
  uniforms: (seed: Float64Array, n: number) => number[],
) => {
  const x = s.tensor({ rank: channels ? [2, 4] : [0, 4] });
  const seed = seedOf(s);
  const p = s.choice([0, 0.25, 0.5, 0.9]);
  const c = x.shape[x.shape.length - 1] ?? 1;
  return {
    inputs: [x, seed],
    bound: 'linear' as const,
    text: `${p}`,
    run: (t: Tensor, k: Tensor) => run(t, k, p),
    reference: (t: F64, k: F64) => {
      const u = uniforms(k.data, channels ? t.shape[0] * c : t.data.length);
      const sample = sizeOf(t.shape) / Math.max(1, t.shape[0]);
      return {
        shape: t.shape,
        data: t.data.map((v, i) => (u[channels ? Math.floor(i / sample) * c + (i % c) : i] >= p ? v / (1 - p) : 0)),
      };
    },
  };
};

export const PRODUCTS: readonly Entry[] = [...MATRICES, ...CONVOLUTIONS];
