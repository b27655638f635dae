// Random programs: each operation takes what earlier ones made, or new tensors. All is drawn from one seed, step by
// step, so that a shorter program of the same seed is the beginning of the longer one.

import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import type { F64 } from '../support/op.ts';
import {
  dtypeOf,
  listed,
  MOST_ELEMENTS,
  Reject,
  rounded,
  shown,
  Source,
  type Call,
  type Entry,
  type Value,
  type Want,
} from './call.ts';

/** One call; its outputs are known by their Values, as the inputs of later ones are. */
export interface Step {
  name: string;
  call: Call;
  outputs: readonly Value[];
}

export interface Program {
  seed: number;
  steps: readonly Step[];
  /** May its gradient be held against finite differences? */
  smooth: boolean;
  /** Do its operands hold NaN, infinities, signed zeros and denormals? */
  specials?: boolean;
  /** Is it to be asked where a NaN reaches its gradients? */
  nanGradient?: boolean;
}

/** Programs keep their numbers below this, so that float64 and float32 do not part. */
const MOST = 1000;
const GAP = 2e-3;

class Pool extends Source {
  private readonly values: Value[] = [];

  add(values: readonly Value[]): void {
    this.values.push(...values);
  }

  override tensor(want: Want = {}): Value {
    if (!want.element && this.values.length > 0 && this.flag(0.8)) {
      const fit = this.values.filter((v) => this.suits(v, want));
      // The latest more often than others: chains rather than bundles.
      if (fit.length > 0) return fit[Math.max(this.int(fit.length), this.int(fit.length))];
    }
    return this.fresh(want);
  }

  private suits(v: Value, { shape, rank = [0, 5], fits, dtype = 'f32', within, away, distinct }: Want): boolean {
    if (v.dtype !== dtype) return false;
    if (shape ? String(shape) !== String(v.shape) || shape.length !== v.shape.length : !ranked(v.shape, rank))
      return false;
    if (!shape && fits && !fits(v.shape)) return false;
    if (within && v.data.some((e) => e < within[0] || e > within[1])) return false;
    if (away && v.data.some((e) => away.some((k) => Math.abs(e - k) < 0.02))) return false;
    if (distinct && this.smooth) {
      const sorted = Float64Array.from(v.data).sort();
      return sorted.every((e, i) => i === 0 || e - sorted[i - 1] > GAP);
    }
    return true;
  }
}

const ranked = (shape: Shape, rank: number | readonly [number, number]): boolean =>
  typeof rank === 'number' ? shape.length === rank : shape.length >= rank[0] && shape.length <= rank[1];

/** What a call makes of its operands, rounded to the dtypes. */
export function evaluate(call: Call, inputs: readonly F64[]): readonly F64[] {
  return listed(call.reference(...inputs)).map((y, k) => ({ shape: y.shape, data: rounded(dtypeOf(call, k), y.data) }));
}

/** A call that suits, with its outputs. @param alone it need not keep within the bounds of programs */
export function drawStep(entry: Entry, source: Source, alone: boolean): Step {
  const call = entry.draw(source);
  if (source.smooth && call.rough && !alone) throw new Reject('rough');
  const outputs = evaluate(call, call.inputs).map((y, k): Value => ({
    shape: y.shape,
    dtype: dtypeOf(call, k),
    data: y.data,
  }));
  for (const y of outputs) {
    if (sizeOf(y.shape) > 4 * MOST_ELEMENTS || y.shape.length > 6) throw new Reject('too large');
    if (!alone && y.data.some((v) => !(Math.abs(v) <= MOST))) throw new Reject('out of range');
    if (source.smooth && y.data.some((v) => !Number.isFinite(v))) throw new Reject('not finite');
  }
  return { name: entry.name, call, outputs };
}

/** Calls one operation, on new tensors. */
export function drawSingle(entry: Entry, seed: number, smooth: boolean): Program {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      return {
        seed,
        steps: [drawStep(entry, new Source((seed + attempt * 1000003) >>> 0, smooth, !smooth && seed % 4 < 2), true)],
        smooth,
      };
    } catch (error) {
      if (!(error instanceof Reject)) throw error;
    }
  }
  throw new Error(`${entry.name}: no call suits seed ${seed}`);
}

/** A program of 3 to 12 steps; every other one is smooth. @param most cuts it off earlier */
export function drawProgram(table: readonly Entry[], seed: number, most = Infinity): Program {
  const smooth = seed % 2 === 1;
  const pool = new Pool(seed, smooth);
  const steps: Step[] = [];
  const length = pool.whole(3, 12);
  for (let attempt = 0; steps.length < Math.min(length, most) && attempt < 300; attempt++) {
    try {
      const step = drawStep(pool.choice(table), pool, false);
      steps.push(step);
      // New leaves may be taken again, too.
      pool.add(step.call.inputs);
      pool.add(step.outputs);
    } catch (error) {
      if (!(error instanceof Reject)) throw error;
    }
  }
  return { seed, steps, smooth };
}

/** Tensors that no step makes, in order of use. */
export function leavesOf({ steps }: Program): Value[] {
  const made = new Set(steps.flatMap((s) => s.outputs));
  return [...new Set(steps.flatMap((s) => s.call.inputs))].filter((v) => !made.has(v));
}

/** Outputs that no step takes. */
export function sinksOf({ steps }: Program): Value[] {
  const taken = new Set(steps.flatMap((s) => s.call.inputs));
  return steps.flatMap((s) => s.outputs).filter((v) => !taken.has(v));
}

/** Without the steps that step `last` does not need. */
export function pruned(p: Program, last: number): Program {
  const needed = new Set(p.steps[last].call.inputs);
  const kept = [p.steps[last]];
  for (let i = last - 1; i >= 0; i--) {
    if (!p.steps[i].outputs.some((v) => needed.has(v))) continue;
    kept.unshift(p.steps[i]);
    for (const v of p.steps[i].call.inputs) needed.add(v);
  }
  return { ...p, steps: kept };
}

/** The program in words. */
export function described(p: Program): string {
  const names = new Map<Value, string>();
  const name = (v: Value): string => names.get(v) ?? (names.set(v, `x${names.size}`), names.get(v)!);
  return p.steps
    .map((s) => {
      const inputs = s.call.inputs.map(name).join(', ');
      return `  ${s.outputs.map(name).join(', ')} = ${shown(s.name, s.call)}  of ${inputs}`;
    })
    .join('\n');
}
