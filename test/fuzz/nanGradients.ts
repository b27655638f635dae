// A NaN must reach the gradients that it belongs to, and no others: one in the gradient that comes from above, or one
// in an operand.
//
// The reference says what belongs to what, without a formula for any gradient. With y the outputs and L their weighted
// sum:
//
// NaN in dy[i]
// - y[i] does not depend on x[k] at all, whatever x[k] is, NaN included: dx[k] is what it was
// - dy[i]/dx[k] is not 0: dx[k] is NaN
// - between the two (an inactive relu, a factor 0): PyTorch's kernels differ, both are right
//
// NaN in x[j]
// - x[j] and x[k] contribute to y separately, whatever they are: dx[k] is what it was
// - the second derivative of L by x[j] and x[k] is not 0: dx[k] is NaN
// - between the two, and for dx[j] itself: both are right

import type { Device } from '../../runtime/device/device.ts';
import { Rng } from '../../runtime/random.ts';
import { gradsOf, listed, Source, typed, type Call, type Entry, type Value } from './call.ts';
import { gradients, perform, prepare, uploaded, type Failure, type Prepared } from './check.ts';
import { drawStep, type Program } from './program.ts';
import { attempted } from './specials.ts';

/** The reference is evaluated many times: no larger operands. */
const MOST = 400;
const TARGETS = 16;

type Data = readonly Float64Array[];

/** A smooth call with a gradient; null where the operation has none to judge. */
export function drawNanGradient(operation: Entry, seed: number): Program | null {
  if (operation.specials || operation.nanGradients) return null;
  for (let attempt = 0; attempt < 60; attempt++) {
    const own = (seed + attempt * 1000003) >>> 0;
    const step = attempted(() => drawStep(operation, new Source(own, true), true));
    if (!step || step.call.rough) continue;
    const { call } = step;
    const size = call.inputs.reduce((n, v) => n + v.data.length, 0);
    const able = gradsOf(call).some((i) => call.inputs[i].dtype === 'f32' && call.inputs[i].data.length > 0);
    if (size <= MOST && able) return { seed, steps: [step], smooth: true, nanGradient: true };
  }
  return null;
}

/** The elements of all outputs one after another, each by its weight; 0 for outputs that no gradient flows from. */
function terms(p: Prepared, call: Call, data: Data): Float64Array {
  const { outputs } = p.program.steps[0];
  const made = listed(call.reference(...call.inputs.map((v, i) => ({ shape: v.shape, data: data[i] }))));
  return Float64Array.from(
    outputs.flatMap((v, k) => {
      const r = p.weights.get(v);
      return r ? Array.from(made[k].data, (y, i) => y * r[i]) : [];
    }),
  );
}

const at = (data: Data, changes: readonly (readonly [number, number, number])[]): Data => {
  const out = data.map((d) => Float64Array.from(d));
  for (const [input, i, value] of changes) out[input][i] = value;
  return out;
};

/** Gradients from the engine; `r` are the weights, `x` the operands. */
async function gradientsOf(device: Device, p: Prepared, x: Data): Promise<Float64Array[]> {
  const { call } = p.program.steps[0];
  const kept = device.scope(() => {
    const given = uploaded(device, p.leaves);
    for (const [i, v] of call.inputs.entries()) {
      given.set(v, device.tensor(typed({ ...v, data: x[i] }), v.shape, v.dtype));
    }
    return gradients(device, p, perform(p, given));
  });
  const read = await device.read(kept);
  kept.forEach((t) => t.dispose());
  return read.map((g) => Float64Array.from(g));
}

interface Judge {
  p: Prepared;
  call: Call;
  base: Data;
  rng: Rng;
}

const places = (rng: Rng, n: number): number[] =>
  n <= TARGETS ? [...Array(n).keys()] : Array.from({ length: TARGETS }, () => rng.int(n));

/** What dx[k] must be: NaN, what it was, or either. */
type Verdict = 'nan' | 'same' | 'either';

/** For a NaN in the gradient of term i. */
function fromAbove({ p, call, base }: Judge, i: number, input: number, k: number): Verdict {
  const v = base[input][k];
  const y = (value: number): number => terms(p, call, at(base, [[input, k, value]]))[i];
  const h = 2 ** -9;
  if (Math.abs((y(v + h) - y(v - h)) / (2 * h)) > 1e-3) return 'nan';
  const rest = y(v);
  return [v + 0.37, v - 0.37, 5, -5, NaN].every((value) => Object.is(y(value), rest)) ? 'same' : 'either';
}

/** For a NaN at [other, j]. */
function fromOperand({ p, call, base }: Judge, other: number, j: number, input: number, k: number): Verdict {
  const [a, b] = [base[other][j], base[input][k]];
  const y = (da: number, db: number): Float64Array =>
    terms(
      p,
      call,
      at(base, [
        [other, j, a + da],
        [input, k, b + db],
      ]),
    );
  const mixed = (da: number, db: number): { sum: number; largest: number } => {
    const [both, one, two, none] = [y(da, db), y(da, 0), y(0, db), y(0, 0)];
    let sum = 0;
    let largest = 0;
    both.forEach((v, i) => {
      const d = v - one[i] - two[i] + none[i];
      const scale = Math.max(1, Math.abs(v), Math.abs(one[i]), Math.abs(two[i]), Math.abs(none[i]));
      sum += d;
      largest = Math.max(largest, Number.isNaN(d) ? Infinity : Math.abs(d) / scale);
    });
    return { sum, largest };
  };
  const steps = [
    [0.3, 0.4],
    [-0.3, 0.2],
    [-3, 4],
    [6, -5],
    [30, 29],
    [-30, -29],
    [0.01 - a, 0.02 - b],
  ];
  if (steps.every(([da, db]) => mixed(da, db).largest < 1e-13)) {
    // A number that changes nothing but roundings where NaN does (a softmax of one class, a mean weighted by one class
    // weight): nothing tells what it contributes to.
    const rest = y(0, 0);
    const moved = (now: Float64Array): boolean =>
      now.some((v, i) => {
        const scale = Math.max(1, Math.abs(v), Math.abs(rest[i]));
        return !Object.is(v, rest[i]) && !(Math.abs(v - rest[i]) <= 1e-12 * scale);
      });
    const told = (change: (step: number) => Float64Array, those: readonly number[]): boolean =>
      those.some((step) => moved(change(step))) || !moved(change(NaN));
    const apart =
      told(
        (da) => y(da, 0),
        steps.map((s) => s[0]),
      ) &&
      told(
        (db) => y(0, db),
        steps.map((s) => s[1]),
      );
    return apart ? 'same' : 'either';
  }
  const curve = (h: number): number =>
    (mixed(h, h).sum - mixed(h, -h).sum - mixed(-h, h).sum + mixed(-h, -h).sum) / (4 * h * h);
  // A jump nearby looks like a curve, but like another one for a smaller step.
  const wide = curve(2 ** -7);
  const near = curve(2 ** -9);
  return Math.abs(near) > 1e-2 && Math.abs(wide - near) < 0.5 * Math.abs(near) ? 'nan' : 'either';
}

/** @param what where the NaN is */
function judged(
  j: Judge,
  got: readonly Float64Array[],
  clean: readonly Float64Array[],
  what: string,
  verdict: (input: number, k: number) => Verdict,
): string | null {
  for (const [w, v] of j.p.wrt.entries()) {
    if (v.dtype !== 'f32') continue;
    const input = j.call.inputs.indexOf(v);
    for (const k of places(j.rng, v.data.length)) {
      const g = got[w][k];
      const was = clean[w][k];
      const must = verdict(input, k);
      const message = `${what}: the gradient of input ${input} at [${k}] is ${g}`;
      if (must === 'nan' && !Number.isNaN(g)) return `${message}, expected NaN`;
      if (must === 'same' && !(Math.abs(g - was) <= 1e-5 * Math.max(1, Math.abs(was)))) {
        return `${message}, expected ${was}: it does not depend on that element`;
      }
    }
  }
  return null;
}

/** Judges a NaN in the gradient from above, and one in an operand. @returns what is wrong, or null */
export async function checkNanGradient(device: Device, program: Program): Promise<Failure | null> {
  const whole = prepare(program);
  const { call } = program.steps[0];
  const able = (v: Value): boolean =>
    v.dtype === 'f32' && v.data.length > 0 && gradsOf(call).includes(call.inputs.indexOf(v));
  const p = { ...whole, wrt: whole.leaves.filter(able) };
  if (p.weights.size === 0 || p.wrt.length === 0) return null;
  const judge: Judge = { p, call, base: call.inputs.map((v) => v.data), rng: new Rng(program.seed, 46) };
  const clean = await gradientsOf(device, p, judge.base);
  const message = (await judgeAbove(device, judge, clean)) ?? (await judgeOperand(device, judge, clean));
  return message ? { step: 0, message } : null;
}

async function judgeAbove(device: Device, judge: Judge, clean: readonly Float64Array[]): Promise<string | null> {
  const { p, base, rng } = judge;
  const outputs = [...p.weights.keys()];
  const chosen = rng.int(outputs.length);
  const i = rng.int(outputs[chosen].data.length);
  const before = outputs.slice(0, chosen).reduce((n, v) => n + v.data.length, 0);
  const weights = new Map(p.weights);
  weights.set(
    outputs[chosen],
    p.weights.get(outputs[chosen])!.map((r, k) => (k === i ? NaN : r)),
  );
  const got = await gradientsOf(device, { ...p, weights }, base);
  const what = `NaN in the gradient of output element [${i}]`;
  return judged(judge, got, clean, what, (input, k) => fromAbove(judge, before + i, input, k));
}

async function judgeOperand(device: Device, judge: Judge, clean: readonly Float64Array[]): Promise<string | null> {
  const { p, call, base, rng } = judge;
  const able = call.inputs.flatMap((v, k) => (v.specials?.some(Number.isNaN) && v.data.length > 0 ? [k] : []));
  if (able.length === 0) return null;
  const other = rng.choice(able);
  const j = rng.int(base[other].length);
  const got = await gradientsOf(device, p, at(base, [[other, j, NaN]]));
  return judged(judge, got, clean, `NaN in input ${other} at [${j}]`, (input, k) =>
    input === other && k === j ? 'either' : fromOperand(judge, other, j, input, k),
  );
}
