// Normalisations.

import * as e from '../../support/ops.ts';
import { sizeOf } from '../../../runtime/tensor.ts';
import { each, made, of } from '../../support/nd.ts';
import type { F64 } from '../../support/op.ts';
import { entry, Reject, type Entry, type Source, type Value } from '../call.ts';

const total = (l: readonly number[]): number => l.reduce((a, b) => a + b, 0);

/** Normalises groups of elements that `group` numbers, then scales and shifts by `channel`. */
function normalised(
  t: F64,
  group: (at: number[]) => number,
  channel: (at: number[]) => number,
  eps: number,
  centre: boolean,
  gamma?: F64,
  beta?: F64,
): F64 {
  const lists = new Map<number, number[]>();
  each(t.shape, (at, i) => {
    const g = group(at);
    const l = lists.get(g);
    if (l) l.push(t.data[i]);
    else lists.set(g, [t.data[i]]);
  });
  const stats = new Map(
    [...lists].map(([g, l]) => {
      const m = centre ? total(l) / l.length : 0;
      return [g, [m, Math.sqrt(l.reduce((a, v) => a + (v - m) ** 2, 0) / l.length + eps)]] as const;
    }),
  );
  return made(t.shape, (at) => {
    const [m, d] = stats.get(group(at))!;
    const c = channel(at);
    return ((of(t, at) - m) / d) * (gamma ? gamma.data[c] : 1) + (beta ? beta.data[c] : 0);
  });
}

const flat = (shape: readonly number[], at: readonly number[]): number => at.reduce((i, k, a) => i * shape[a] + k, 0);

/** gamma and beta, each there or not. */
function affine(
  s: Source,
  shape: readonly number[],
  shift = true,
): { given: Value[]; split: <T>(t: readonly T[]) => [T | undefined, T | undefined]; text: string } {
  const g = s.flag(0.7);
  const b = shift && s.flag(0.7);
  const given = [...(g ? [s.tensor({ shape })] : []), ...(b ? [s.tensor({ shape })] : [])];
  return {
    given,
    split: (t) => [g ? t[0] : undefined, b ? t[g ? 1 : 0] : undefined],
    text: `${g ? 'gamma' : ''} ${b ? 'beta' : ''}`,
  };
}

export const NORMS: Entry[] = [
  ...(['layerNorm', 'rmsNorm'] as const).map((name) =>
    entry(name, (s) => {
      const x = s.tensor({ rank: [1, 4], fits: (d) => d[d.length - 1] > 0, distinct: true });
      const shape = x.shape.slice(s.int(x.shape.length));
      const centre = name === 'layerNorm';
      const eps = s.choice([1e-5, 1e-3, 0.1]);
      if (sizeOf(shape) === 0) throw new Reject('nothing to take a mean of');
      const { given, split, text } = affine(s, shape, centre);
      const lead = x.shape.length - shape.length;
      return {
        inputs: [x, ...given],
        inner: 1,
        text: `[${shape}] ${text} eps ${eps}`,
        run: (t, ...p) =>
          centre ? e.layerNorm(t, shape, ...split(p), { eps }) : e.rmsNorm(t, shape, split(p)[0], { eps }),
        reference: (t, ...p) =>
          normalised(
            t,
            (at) => flat(t.shape.slice(0, lead), at.slice(0, lead)),
            (at) => flat(shape, at.slice(lead)),
            eps,
            centre,
            ...split(p),
          ),
      };
    }),
  ),
  ...(['groupNorm', 'instanceNorm'] as const).map((name) =>
    entry(name, (s) => {
      const groups = name === 'groupNorm' ? s.whole(1, 3) : 0;
      const c = groups ? groups * s.whole(1, 4) : s.whole(1, 6);
      const x = s.tensor({ shape: [s.whole(0, 3), ...s.shape(s.whole(0, 2), 1), c], distinct: true });
      const eps = s.choice([1e-5, 1e-2]);
      const { given, split, text } = affine(s, [c]);
      const width = groups ? c / groups : 1;
      const last = x.shape.length - 1;
      return {
        inputs: [x, ...given],
        inner: 1,
        text: `${groups || 'each channel'} ${text} eps ${eps}`,
        run: (t, ...p) =>
          groups ? e.groupNorm(t, groups, ...split(p), { eps }) : e.instanceNorm(t, ...split(p), { eps }),
        reference: (t, ...p) =>
          normalised(
            t,
            (at) => at[0] * c + Math.floor(at[last] / width),
            (at) => at[last],
            eps,
            true,
            ...split(p),
          ),
      };
    }),
  ),
  entry('batchNorm', (s) => {
    const x = s.tensor({ rank: [2, 4], fits: (d) => d[d.length - 1] > 0 && sizeOf(d) > d[d.length - 1] });
    const c = x.shape[x.shape.length - 1];
    const train = s.flag();
    const relu = !s.smooth && s.flag(0.3);
    const residual = s.flag(0.3);
    const eps = s.choice([1e-5, 1e-2]);
    const last = x.shape.length - 1;
    const gamma = s.tensor({ shape: [c] });
    const beta = s.tensor({ shape: [c] });
    const running = train ? [] : [s.tensor({ shape: [c] }), s.tensor({ shape: [c], within: [0.2, 3] })];
    return {
      inputs: [x, gamma, beta, ...running, ...(residual ? [s.tensor({ shape: x.shape })] : [])],
      inner: 1,
      grads: [0, 1, 2, ...(residual ? [3 + running.length] : [])],
      text: `${train ? 'train' : 'eval'}${residual ? ' residual' : ''}${relu ? ' relu' : ''} eps ${eps}`,
      run: (t, g, b, ...more) =>
        e.batchNorm(t, g, b, train ? undefined : { mean: more[0], variance: more[1] }, {
          mode: train ? 'train' : 'eval',
          eps,
          relu,
          residual: more[running.length],
        }),
      reference: (t, g, b, ...more) => {
        const [m, v] = train ? [] : more;
        const r = more[running.length];
        const y = m
          ? made(
              t.shape,
              (at) =>
                ((of(t, at) - m.data[at[last]]) / Math.sqrt(v.data[at[last]] + eps)) * g.data[at[last]] +
                b.data[at[last]],
            )
          : normalised(
              t,
              (at) => at[last],
              (at) => at[last],
              eps,
              true,
              g,
              b,
            );
        return {
          shape: y.shape,
          data: y.data.map((k, i) => (relu ? Math.max(0, k + (r?.data[i] ?? 0)) : k + (r?.data[i] ?? 0))),
        };
      },
    };
  }),
];
