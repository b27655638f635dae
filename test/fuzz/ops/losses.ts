// Losses.

import * as e from '../../support/ops.ts';
import { sizeOf, type Shape, type Tensor } from '../../../runtime/tensor.ts';
import { made } from '../../support/nd.ts';
import { f64, type F64 } from '../../support/op.ts';
import { sigmoid, softplus } from '../../support/special.ts';
import { entry, Reject, type Call, type Entry, type Source, type Value } from '../call.ts';
import { classes, total, optional, weightsFor, gates, FINITE, weighted } from './rows.ts';
import { PAIRS } from './pairLosses.ts';

/** Logits [..., c] with at least one class. */
const logitsOf = (s: Source): Value => s.tensor({ rank: [1, 4], fits: (d) => d[d.length - 1] > 0 });

const pixels = (x: F64): Shape => x.shape.slice(0, -1);

const rowOf = (x: F64, p: number): number[] => [...x.data.subarray(p * classes(x), (p + 1) * classes(x))];

function logProbabilities(l: readonly number[]): number[] {
  const top = Math.max(...l);
  const z = top + Math.log(total(l.map((v) => Math.exp(v - top))));
  return l.map((v) => v - z);
}

type Count = 'valid' | 'all' | 'weight' | 'kept' | 'none-sum' | number;

/** Sum over pixels by a denominator; 0 where nothing is counted. */
function summed(parts: { loss: number; share: number }[], denominator: Count): F64 {
  const d =
    typeof denominator === 'number'
      ? denominator
      : denominator === 'all'
        ? Math.max(1, parts.length)
        : denominator === 'none-sum'
          ? 1
          : total(parts.map((p) => p.share));
  const sum = total(parts.map((p) => p.loss));
  return { shape: [], data: Float64Array.of(d === 0 ? 0 : sum / d) };
}

function labelled(name: 'crossEntropy' | 'crossEntropyMap' | 'nll' | 'nllMap'): Entry {
  return entry(name, (s): Call => {
    const x = logitsOf(s);
    const c = classes(x);
    const shape = pixels(x);
    const map = name.endsWith('Map');
    const log = name.startsWith('nll');
    const labels = s.tensor({ shape, dtype: 'i32', within: [-1, c] });
    const ignoreIndex = s.flag() ? 255 : s.int(c);
    const { given, split } = optional(s, weightsFor(s, c), gates(s, shape));
    const smoothing = log ? 0 : s.choice([0, 0, 0.1, 1]);
    const focal = log || smoothing > 0 ? 0 : s.choice([0, 0, 1, 2, 2.5]);
    const denominator = s.choice<Count>(['valid', 'all', 'weight', 'kept', 'none-sum', 3]);
    const own = log ? { ignoreIndex } : { ignoreIndex, labelSmoothing: smoothing, focalGamma: focal };
    const run = (t: Tensor, l: Tensor, ...more: Tensor[]): Tensor => {
      const [classWeights, pixelWeight] = split(more);
      const o = { ...own, classWeights, pixelWeight };
      return map ? e[name as 'crossEntropyMap'](t, l, o) : e[name as 'crossEntropy'](t, l, { ...o, denominator });
    };
    return {
      inputs: [x, labels, ...given],
      inner: 1,
      slack: focal > 0 ? 8 : 2,
      grads: [0],
      text: `${JSON.stringify(own)} ${map ? '' : denominator}${given.length ? ` ${given.length} weights` : ''}`,
      run,
      reference: (t, l, ...more) => {
        const [k, w] = split(more);
        const weight = (i: number): number => (k ? k.data[i] : 1);
        const parts = [...l.data].map((y, p) => {
          if (y === ignoreIndex || y < 0 || y >= c) return { loss: 0, share: 0 };
          const lp = log ? rowOf(t, p) : logProbabilities(rowOf(t, p));
          const factor = w ? w.data[p] : 1;
          const hard = weight(y) * -lp[y];
          const smooth = smoothing > 0 ? (smoothing / c) * total(lp.map((v, i) => -v * weight(i))) : 0;
          const loss = focal > 0 ? (1 - Math.exp(lp[y])) ** focal * hard : (1 - smoothing) * hard + smooth;
          return {
            loss: weighted(factor, loss),
            share: denominator === 'weight' ? weight(y) : denominator === 'kept' ? factor : 1,
          };
        });
        return map ? { shape, data: Float64Array.from(parts, (p) => p.loss) } : summed(parts, denominator);
      },
    };
  });
}

function soft(name: 'softCrossEntropy' | 'softCrossEntropyMap'): Entry {
  return entry(name, (s): Call => {
    const x = logitsOf(s);
    const c = classes(x);
    const shape = pixels(x);
    const map = name.endsWith('Map');
    const q = s.tensor({ shape: x.shape, within: [0, 1] });
    const { given, split } = optional(s, weightsFor(s, c), gates(s, shape));
    const labelSmoothing = s.choice([0, 0, 0.2]);
    const targetGradient = s.flag(0.4);
    const denominator = s.choice(['valid', 'all', 'kept', 'none-sum', 3] as const);
    const o = { labelSmoothing, targetGradient };
    return {
      inputs: [x, q, ...given],
      inner: 1,
      slack: 2,
      grads: targetGradient ? [0, 1] : [0],
      text: `${JSON.stringify(o)} ${map ? '' : denominator}`,
      run: (t, u, ...more) => {
        const [classWeights, pixelWeight] = split(more);
        const all = { ...o, classWeights, pixelWeight };
        return map ? e.softCrossEntropyMap(t, u, all) : e.softCrossEntropy(t, u, { ...all, denominator });
      },
      reference: (t, u, ...more) => {
        const [k, w] = split(more);
        const parts = Array.from({ length: sizeOf(shape) }, (_, p) => {
          const lp = logProbabilities(rowOf(t, p));
          const factor = w ? w.data[p] : 1;
          return {
            loss: weighted(
              factor,
              total(
                lp.map(
                  (v, i) => -v * (k ? k.data[i] : 1) * ((1 - labelSmoothing) * u.data[p * c + i] + labelSmoothing / c),
                ),
              ),
            ),
            share: denominator === 'kept' ? factor : factor !== 0 ? 1 : 0,
          };
        });
        return map ? { shape, data: Float64Array.from(parts, (p) => p.loss) } : summed(parts, denominator);
      },
    };
  });
}

const softmax = (l: readonly number[]): number[] => logProbabilities(l).map(Math.exp);

const OTHER: Entry[] = [
  entry('dice', (s) => {
    const x = logitsOf(s);
    const c = classes(x);
    const labels = s.tensor({ shape: pixels(x), dtype: 'i32', within: [-1, c] });
    const ignoreIndex = s.flag() ? 255 : s.int(c);
    const smooth = s.choice([1, 0.5, 2]);
    return {
      inputs: [x, labels],
      inner: 1,
      grads: [0],
      text: `ignore ${ignoreIndex} smooth ${smooth}`,
      run: (t, l) => e.dice(t, l, { ignoreIndex, smooth }),
      reference: (t, l) => {
        const both = Array<number>(c).fill(0);
        const sizes = Array<number>(c).fill(0);
        l.data.forEach((y, p) => {
          if (y === ignoreIndex || y < 0 || y >= c) return;
          softmax(rowOf(t, p)).forEach((v, k) => {
            both[k] += y === k ? v : 0;
            sizes[k] += v + (y === k ? 1 : 0);
          });
        });
        return made([], () => 1 - total(both.map((v, k) => (2 * v + smooth) / (sizes[k] + smooth))) / c);
      },
    };
  }),
  entry('softDice', (s) => {
    const p = s.tensor({ rank: [2, 4], fits: (d) => sizeOf(d) > 0, within: [0.05, 1] });
    const t = s.tensor({ shape: p.shape, within: [0, 1] });
    const n = p.shape[0];
    const c = classes(p);
    const smooth = s.choice([1, 0.5, 2]);
    const squared = s.flag();
    const perImage = s.flag();
    const reduction = s.choice(['mean', 'none'] as const);
    const rows = perImage ? n : 1;
    return {
      inputs: [p, t],
      inner: 1,
      text: JSON.stringify({ smooth, squared, perImage, reduction }),
      run: (u, v) => e.softDice(u, v, { smooth, squared, perImage, reduction }),
      reference: (u, v) => {
        const both = f64([rows, c]);
        const size = f64([rows, c]);
        const each = sizeOf(p.shape) / rows;
        const power = squared ? 2 : 1;
        u.data.forEach((a, i) => {
          const at = Math.floor(i / each) * c + (i % c);
          const b = v.data[i];
          both.data[at] += a * b;
          size.data[at] += a ** power + b ** power;
        });
        const score = both.data.map((w, i) => 1 - (2 * w + smooth) / (size.data[i] + smooth));
        return reduction === 'none'
          ? { shape: perImage ? [n, c] : [c], data: score }
          : made([], () => total([...score]) / score.length);
      },
    };
  }),
  entry('sigmoidFocal', (s) => {
    const x = s.tensor({ fits: (d) => sizeOf(d) > 0, rank: [0, 4], specials: FINITE });
    const t = s.tensor({ shape: x.shape, within: [0, 1], specials: FINITE });
    const alpha = s.choice([0.25, 0.6, -1]);
    const gamma = s.choice([0, 1, 2, 2.5]);
    const reduction = s.choice(['mean', 'sum', 'none'] as const);
    // A step beyond a target of 0 or 1 would raise a negative number to a power.
    if (s.smooth && t.data.some((v) => v < 0.01 || v > 0.99)) throw new Reject('targets at their limits');
    return {
      inputs: [x, t],
      inner: 3,
      slack: 4,
      text: JSON.stringify({ alpha, gamma, reduction }),
      run: (u, v) => e.sigmoidFocal(u, v, { alpha, gamma, reduction }),
      reference: (u, v) => {
        const each = u.data.map((z, i) => {
          const y = v.data[i];
          const p = sigmoid(z);
          const missed = y * (1 - p) + (1 - y) * p;
          return ((1 - y) * z + softplus(-z)) * missed ** gamma * (alpha < 0 ? 1 : alpha * y + (1 - alpha) * (1 - y));
        });
        return reduction === 'none'
          ? { shape: x.shape, data: each }
          : made([], () => total([...each]) / (reduction === 'sum' ? 1 : each.length));
      },
    };
  }),
  entry('softmaxMse', (s) => {
    const x = logitsOf(s);
    const c = classes(x);
    const targetLogits = s.flag();
    const targetGradient = targetLogits && s.flag();
    const q = s.tensor({ shape: x.shape, within: targetLogits ? [-2, 2] : [0, 1] });
    const shape = pixels(x);
    const { given, split } = optional(s, gates(s, shape), () => s.tensor({ shape: [] }));
    const reduction = s.choice(['meanC', 'sumC', 'none-sum', 4] as const);
    const over = s.choice(['all', 'kept'] as const);
    return {
      inputs: [x, q, ...given],
      inner: 1,
      grads: targetGradient ? [0, 1] : [0],
      text: `${JSON.stringify({ targetLogits, targetGradient, reduction, over })}`,
      run: (t, u, ...more) => {
        const [pixelWeight, scalar] = split(more);
        return e.softmaxMse(t, u, { targetLogits, targetGradient, reduction, over, pixelWeight, scalar });
      },
      reference: (t, u, ...more) => {
        const [w, k] = split(more);
        const n = sizeOf(shape);
        const factor = (p: number): number => (w ? w.data[p] : 1);
        const l = Array.from({ length: n }, (_, p) => {
          const target = targetLogits ? softmax(rowOf(u, p)) : rowOf(u, p);
          return weighted(factor(p), total(softmax(rowOf(t, p)).map((v, i) => (v - target[i]) ** 2)));
        });
        const share = reduction === 'meanC' ? c : 1;
        const counted = over === 'kept' ? share * total(l.map((_, p) => factor(p))) : Math.max(1, share * n);
        const d = typeof reduction === 'number' ? reduction : reduction === 'none-sum' ? 1 : counted;
        return made([], () => (d === 0 ? 0 : ((k ? k.data[0] : 1) * total(l)) / d));
      },
    };
  }),
  entry('maskPairs', (s) => {
    const n = s.whole(0, 3);
    const p = s.whole(0, 6);
    const x = s.tensor({ shape: [n, p, p] });
    const valid = s.tensor({ shape: [n, p], element: () => s.int(2) });
    return {
      inputs: [x, valid],
      bound: 'exact',
      grads: [0],
      rough: true,
      run: e.maskPairs,
      reference: (t, v) =>
        made(t.shape, ([i, a, b]) =>
          v.data[i * p + a] !== 0 && v.data[i * p + b] !== 0 ? t.data[(i * p + a) * p + b] : -1e9,
        ),
    };
  }),
];

/** Softmax of [..., c] row by row, for references elsewhere. */
export const softmaxRows = (x: F64, divide: (p: number) => number = () => 1): F64 => {
  const y = f64(x.shape);
  for (let p = 0; p < x.data.length / classes(x); p++)
    y.data.set(softmax(rowOf(x, p).map((v) => v / divide(p))), p * classes(x));
  return y;
};

export const LOSSES: readonly Entry[] = [
  labelled('crossEntropy'),
  labelled('crossEntropyMap'),
  labelled('nll'),
  labelled('nllMap'),
  soft('softCrossEntropy'),
  soft('softCrossEntropyMap'),
  ...PAIRS,
  ...OTHER,
];
