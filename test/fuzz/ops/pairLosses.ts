// Losses of pairs of elements.

import * as e from '../../support/ops.ts';
import { type Tensor } from '../../../runtime/tensor.ts';
import { made } from '../../support/nd.ts';
import { softplus } from '../../support/special.ts';
import { entry, SPECIALS, type Call, type Entry, type Source, type Value } from '../call.ts';
import { classes, total, optional, weightsFor, gates, FINITE, weighted } from './rows.ts';

type Pair = (a: number, b: number, positive: number) => number;

type Run = (a: Tensor, b: Tensor, o: e.PairLossOptions & { posWeight?: Tensor }) => Tensor;

/** Two tensors of a shape, their elements apart where the function has a kink. */
function couple(s: Source, kink: (d: number) => boolean, targets?: readonly [number, number]): [Value, Value] {
  const specials = targets ? FINITE : SPECIALS;
  const a = s.tensor({ rank: [0, 4], specials });
  const b = targets
    ? s.tensor({ shape: a.shape, within: targets, specials })
    : s.tensor({
        shape: a.shape,
        specials,
        element: (i) => {
          for (;;) {
            const v = s.normal();
            if (!kink(a.data[i] - v)) return v;
          }
        },
      });
  return [a, b];
}

function pairs(
  name: string,
  draw: (s: Source) => {
    run: Run;
    f: Pair;
    kink?: (d: number) => boolean;
    targets?: readonly [number, number];
    text?: string;
    positive?: boolean;
    inner?: number;
  },
): Entry {
  return entry(name, (s): Call => {
    const { run, f, kink = () => false, targets, text = '', positive = false, inner = 0 } = draw(s);
    const [a, b] = couple(s, (d) => s.smooth && kink(d), targets);
    const c = classes(a) || 1;
    const shape = a.shape.slice(0, -1);
    const { given, split } = optional(
      s,
      gates(s, shape),
      () => s.tensor({ shape: [] }),
      ...(positive ? [weightsFor(s, c)] : []),
    );
    const reduction = s.choice(['meanC', 'mean', 'sumC', 'none-sum', 'sum', 'none', 5] as const);
    const over = s.choice(['all', 'kept'] as const);
    return {
      inputs: [a, b, ...given],
      grads: [0, 1],
      inner,
      slack: 2,
      text: `${text} ${reduction} ${over}${given.length ? ` ${given.length} weights` : ''}`,
      run: (u, v, ...more) => {
        const [pixelWeight, scalar, posWeight] = split(more);
        return run(u, v, { reduction, over, pixelWeight, scalar, ...(positive ? { posWeight } : {}) });
      },
      reference: (u, v, ...more) => {
        const [w, k, positives] = split(more);
        const n = u.data.length;
        const factor = (i: number): number => (w ? w.data[Math.floor(i / c)] : 1);
        const scale = k ? k.data[0] : 1;
        const l = [...u.data].map((x, i) =>
          weighted(factor(i), f(x, v.data[i], positives ? positives.data[i % c] : 1)),
        );
        if (reduction === 'none') return { shape: u.shape, data: Float64Array.from(l, (v) => scale * v) };
        const counted = over === 'kept' ? total(l.map((_, i) => factor(i))) : Math.max(1, n);
        const all = over === 'kept' ? counted / c : Math.max(1, n / c);
        const d =
          typeof reduction === 'number'
            ? reduction
            : reduction === 'sumC'
              ? all
              : reduction === 'meanC' || reduction === 'mean'
                ? counted
                : 1;
        return made([], () => (d === 0 ? 0 : (scale * total(l)) / d));
      },
    };
  });
}

const small = (a: number, b: number, beta: number): number =>
  Math.abs(a - b) < beta ? (a - b) ** 2 / (2 * beta) : Math.abs(a - b) - beta / 2;

export const PAIRS: Entry[] = [
  pairs('mse', () => ({ run: e.mse, f: (a, b) => (a - b) ** 2 })),
  pairs('l1', () => ({ run: e.l1, f: (a, b) => Math.abs(a - b), kink: (d) => Math.abs(d) < 0.02 })),
  pairs('smoothL1', (s) => {
    const beta = s.choice([0.5, 1, 2]);
    return {
      run: (a, b, o) => e.smoothL1(a, b, { ...o, beta }),
      f: (a, b) => small(a, b, beta),
      kink: (d) => Math.abs(Math.abs(d) - beta) < 0.02,
      text: `beta ${beta}`,
    };
  }),
  pairs('huber', (s) => {
    const delta = s.choice([0.5, 1, 2]);
    return {
      run: (a, b, o) => e.huber(a, b, { ...o, delta }),
      f: (a, b) => delta * small(a, b, delta),
      kink: (d) => Math.abs(Math.abs(d) - delta) < 0.02,
      text: `delta ${delta}`,
    };
  }),
  pairs('bceWithLogits', () => ({
    run: e.bceWithLogits,
    f: (z, y, w) => (1 - y) * z + (1 + (w - 1) * y) * softplus(-z),
    targets: [0, 1],
    positive: true,
  })),
  pairs('klDiv', () => ({
    run: e.klDiv,
    f: (p, q) => (q === 0 ? 0 : q * Math.log(q)) - q * p,
    targets: [0.05, 1],
    inner: 1,
  })),
];
