// Runs a program on the engine and holds it against float64.
//
// Values: every step is judged by the float64 reference of the operands that the engine itself had, so that errors do
// not add up along a chain and a bound can be tight (bounds.ts). Then the sinks and the gradient, made again with
// what lies between freed, and in a plan that is replayed, must be the same bit by bit. Leaves must be as they were.
//
// Gradient (smooth programs): of the sum of r y over the sinks, along a random direction of all leaves, against finite
// differences of the reference in float64, of fourth order. What rounding may do is measured, not guessed: the
// reference runs with every intermediate element off by +-2^-20, some sixteen times rounding, and the derivative's
// answer to that is the scale of the bound.

import type { Device } from '../../runtime/device/device.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { plan } from '../../runtime/autograd/plan.ts';
import { add, cast, mul, sum } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { F64 } from '../support/op.ts';
import { ordinaryMismatch, U } from './bounds.ts';
import { dtypeOf, gradsOf, listed, typed, type Value } from './call.ts';
import { derivative, type Scalar } from './differences.ts';
import { leavesOf, sinksOf, type Program } from './program.ts';
import { specialMismatch } from './specials.ts';

export interface Failure {
  /** The step that is wrong, where one is. */
  step?: number;
  message: string;
}

/** Called after a step: what the step made, or something else in its place. To try whether faults are found. */
export type Tamper = (step: number, made: readonly Tensor[]) => readonly Tensor[];

export interface Prepared {
  program: Program;
  leaves: readonly Value[];
  sinks: readonly Value[];
  /** Weights of the sinks' elements, for those that a gradient may flow through. */
  weights: Map<Value, Float32Array>;
  wrt: readonly Value[];
  tamper?: Tamper;
}

export const real = (v: Value): boolean => v.dtype === 'f32' || v.dtype === 'f16';

/** Values from which some leaf with a gradient can be reached. */
function differentiable(p: Program, leaves: readonly Value[]): { wrt: Value[]; on: Set<Value> } {
  const on = new Set<Value>(leaves.filter(real));
  const used = new Set<Value>();
  for (const s of p.steps) {
    const through = gradsOf(s.call).some((i) => on.has(s.call.inputs[i]));
    for (const i of gradsOf(s.call)) used.add(s.call.inputs[i]);
    for (const v of s.outputs) if (through && real(v)) on.add(v);
  }
  return { wrt: leaves.filter((v) => on.has(v) && used.has(v)), on };
}

export function prepare(program: Program, tamper?: Tamper): Prepared {
  const leaves = leavesOf(program);
  const sinks = sinksOf(program);
  const rng = new Rng(program.seed, 41);
  if (!program.smooth) return { program, leaves, sinks, weights: new Map(), wrt: [], tamper };
  const { wrt, on } = differentiable(program, leaves);
  const weights = new Map<Value, Float32Array>();
  for (const v of sinks)
    if (on.has(v) && v.data.length > 0)
      weights.set(
        v,
        Float32Array.from(v.data, () => rng.normal()),
      );
  // Now and then of some leaves alone: gradients that nobody asks for are not made.
  const some = rng.bernoulli(0.3) ? wrt.filter(() => rng.bernoulli(0.5)) : wrt;
  return { program, leaves, sinks, weights, wrt: weights.size > 0 ? some : [], tamper };
}

/** Runs the steps; the tensors of all values. */
export function perform({ program, wrt, tamper }: Prepared, given: Map<Value, Tensor>): Map<Value, Tensor> {
  const at = new Map(given);
  for (const v of wrt) at.get(v)!.requiresGrad = true;
  program.steps.forEach((s, i) => {
    const made = listed(s.call.run(...s.call.inputs.map((v) => at.get(v)!)));
    const kept = tamper ? tamper(i, made) : made;
    s.outputs.forEach((v, k) => at.set(v, kept[k]));
  });
  return at;
}

/** The gradients of the weighted sum of the sinks. */
export function gradients(device: Device, { weights, wrt }: Prepared, at: ReadonlyMap<Value, Tensor>): Tensor[] {
  if (wrt.length === 0) return [];
  const targets = wrt.map((v) => at.get(v)!);
  const inF32 = (v: Value): Tensor => (v.dtype === 'f16' ? cast(at.get(v)!, 'f32') : at.get(v)!);
  const [[first, dy], ...more] = weights;
  // One sink by its own dy, several by their sum.
  if (more.length === 0) return grad(inF32(first), targets, { dy: device.tensor(dy, first.shape) });
  return grad(
    [...weights].map(([v, r]) => sum(mul(inF32(v), device.tensor(r, v.shape)))).reduce((a, b) => add(a, b)),
    targets,
  );
}

export const uploaded = (device: Device, leaves: readonly Value[]): Map<Value, Tensor> =>
  new Map(leaves.map((v) => [v, device.tensor(typed(v), v.shape, v.dtype)]));

const same = (a: ArrayLike<number>, b: ArrayLike<number>): boolean =>
  a.length === b.length && Array.prototype.every.call(a, (v, i) => Object.is(v, b[i]));

/**
 * The sinks and the gradients again, eagerly with everything else freed and from a plan that runs twice; null when
 * all have the same bits.
 */
async function repeated(device: Device, p: Prepared, want: readonly ArrayLike<number>[]): Promise<string | null> {
  const out = (given: Map<Value, Tensor>): Tensor[] => {
    const at = perform(p, given);
    return [...p.sinks.map((v) => at.get(v)!), ...gradients(device, p, at)];
  };
  const differs = (got: readonly ArrayLike<number>[], where: string): string | null => {
    const k = got.findIndex((g, i) => !same(g, want[i]));
    return k < 0
      ? null
      : `${k < p.sinks.length ? `sink ${k}` : `gradient ${k - p.sinks.length}`} is not the same, bit by bit, ${where}`;
  };
  const eager = device.scope(() => out(uploaded(device, p.leaves)));
  const again = differs(await device.read(eager), 'where what lies between is freed');
  eager.forEach((t) => t.dispose());
  if (again) return again;
  const names = p.leaves.map((_, i) => `x${i}`);
  const step = plan(
    device,
    Object.fromEntries(p.leaves.map((v, i) => [names[i], { shape: v.shape, dtype: v.dtype }])),
    (given) =>
      Object.fromEntries(out(new Map(p.leaves.map((v, i) => [v, given[names[i]]]))).map((t, i) => [`y${i}`, t])),
  );
  try {
    step.run(Object.fromEntries(p.leaves.map((v, i) => [names[i], typed(v)])));
    step.run();
    return differs(await device.read(want.map((_, i) => step.outputs[`y${i}`])), 'in a replayed plan');
  } finally {
    step.dispose();
  }
}

/** The scalar of a smooth program in float64, as a function of the distance along a direction. */
function scalarOf(p: Prepared, direction: ReadonlyMap<Value, Float64Array>): Scalar {
  type Values = Map<Value, F64>;
  const run = (distance: number, noise: number | undefined, still: Values | null): Values => {
    const rng = new Rng(noise ?? 0, 42);
    const at: Values = new Map();
    const stir = (v: Value, data: Float64Array): Float64Array =>
      noise === undefined || !real(v)
        ? data
        : data.map((e) => e * (1 + (rng.u32() & 1 ? 1 : -1) * (v.dtype === 'f16' ? 2 ** -10 : 16 * U)));
    for (const v of p.leaves) {
      const d = direction.get(v);
      const moved = stir(v, v.data);
      at.set(v, { shape: v.shape, data: d ? moved.map((e, i) => e + distance * d[i]) : moved });
    }
    for (const s of p.program.steps) {
      const grads = gradsOf(s.call);
      const inputs = s.call.inputs.map((v, i) => (still && !grads.includes(i) ? still : at).get(v)!);
      listed(s.call.reference(...inputs)).forEach((y, k) =>
        at.set(s.outputs[k], { shape: y.shape, data: stir(s.outputs[k], y.data) }),
      );
    }
    return at;
  };
  // What no gradient flows into (weights, gates) stays where it is.
  const resting = new Map<number | undefined, Values>();
  return (distance, noise) => {
    const still = resting.get(noise) ?? run(0, noise, null);
    const terms: number[] = [];
    resting.set(noise, still);
    const at = run(distance, noise, still);
    for (const [v, r] of p.weights) at.get(v)!.data.forEach((e, i) => terms.push(e * r[i]));
    return terms;
  };
}

/** The gradient along directions: all leaves together, and for single calls each by itself. */
function judgeGradients(p: Prepared, got: readonly ArrayLike<number>[]): string | null {
  const rng = new Rng(p.program.seed, 43);
  const single = p.program.steps.length === 1;
  const directions = single ? p.wrt.map((v) => [v]) : [p.wrt];
  for (const on of directions) {
    const direction = new Map(on.map((v) => [v, Float64Array.from(v.data, () => rng.uniform(-1, 1))] as const));
    let slope = 0;
    let size = 0;
    let squares = 0;
    p.wrt.forEach((v, k) =>
      direction.get(v)?.forEach((d, i) => {
        slope += got[k][i] * d;
        size += Math.abs(got[k][i] * d);
        squares += d * d;
      }),
    );
    const weights = [...p.weights.values()].reduce((s, r) => s + r.reduce((t, e) => t + e * e, 0), 0);
    // An f16 on the way rounds by 2^-11, forwards and backwards.
    const unit = p.program.steps.some((s) => [...s.call.inputs, ...s.outputs].some((v) => v.dtype === 'f16'))
      ? 2 ** -14
      : U;
    const slack = p.program.steps.reduce((m, s) => Math.max(m, s.call.slack ?? 1), 1);
    const inner = p.program.steps.reduce((m, s) => Math.max(m, s.call.inner ?? 0), 0);
    const { value, error, swing } = derivative(scalarOf(p, direction), single ? 2 ** -11 : 2 ** -16, p.program.seed);
    const bound =
      slack *
        (64 * unit * size +
          8 * swing +
          (8 + 24 * inner) *
            unit *
            Math.sqrt(
              (weights * squares) /
                Math.max(
                  1,
                  p.wrt.reduce((n, v) => n + v.data.length, 0),
                ),
            )) +
      4 * error;
    if (!(Math.abs(slope - value) <= bound))
      return (
        `the gradient${single ? ` of input ${p.program.steps[0].call.inputs.indexOf(on[0])}` : ''} along a ` +
        `direction is ${slope}, finite differences say ${value} (at most ${bound} apart)`
      );
  }
  return null;
}

/** Gradients of inputs that are said to have none must be 0. */
async function judgeAbsent(device: Device, p: Prepared): Promise<string | null> {
  const { call } = p.program.steps[0];
  const absent = call.inputs.filter((v, i) => v.dtype === 'f32' && !gradsOf(call).includes(i) && v.data.length > 0);
  if (absent.length === 0 || dtypeOf(call, 0) !== 'f32') return null;
  const made = device.scope(() => {
    const at = uploaded(device, p.leaves);
    for (const v of absent) at.get(v)!.requiresGrad = true;
    const y = listed(call.run(...call.inputs.map((v) => at.get(v)!)))[0];
    return y.size === 0
      ? []
      : grad(
          sum(y),
          absent.map((v) => at.get(v)!),
        );
  });
  const got = await device.read(made);
  made.forEach((t) => t.dispose());
  return got.some((g) => g.some((e: number) => e !== 0)) ? 'an input that has no gradient got one' : null;
}

/** Runs a program with every check. @returns what is wrong, or null */
export async function checkProgram(
  device: Device,
  program: Program,
  options: { tamper?: Tamper } = {},
): Promise<Failure | null> {
  const p = prepare(program, options.tamper);
  const all = program.steps.flatMap((s) => s.outputs);
  const kept = device.scope(() => {
    const given = uploaded(device, p.leaves);
    const at = perform(p, given);
    return [...p.leaves.map((v) => given.get(v)!), ...all.map((v) => at.get(v)!), ...gradients(device, p, at)];
  });
  const read = await device.read(kept);
  device.check();
  kept.forEach((t) => t.dispose());
  const value = new Map<Value, ArrayLike<number>>([...p.leaves, ...all].map((v, i) => [v, read[i]]));
  for (const v of p.leaves)
    if (!same(value.get(v)!, Float64Array.from(v.data)))
      return { message: `a leaf [${v.shape}] ${v.dtype} has changed` };
  for (const [i, s] of program.steps.entries()) {
    const inputs = s.call.inputs.map((v) => ({ shape: v.shape, data: Float64Array.from(value.get(v)!) }));
    const own = { ...s.call, inputs: s.call.inputs.map((v, k) => ({ ...v, data: inputs[k].data })) };
    const shapes = kept.slice(p.leaves.length);
    const judge = program.specials ? specialMismatch : ordinaryMismatch;
    const wrongs = judge(
      own,
      s.outputs.map((v) => ({ shape: shapes[all.indexOf(v)].shape, data: value.get(v)! })),
      program.seed,
    );
    for (const [k, wrong] of wrongs.entries()) {
      if (wrong) return { step: i, message: `${s.name}, output ${k}: ${wrong}` };
    }
  }
  const slopes = read.slice(p.leaves.length + all.length);
  if (program.specials) return null;
  const differs = await repeated(device, p, [...p.sinks.map((v) => value.get(v)!), ...slopes]);
  if (differs) return { message: differs };
  if (program.smooth && program.steps.length === 1) {
    const absent = await judgeAbsent(device, p);
    if (absent) return { message: absent };
  }
  const wrong = p.wrt.length > 0 ? judgeGradients(p, slopes) : null;
  return wrong ? { message: wrong } : null;
}
