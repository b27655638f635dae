// Double backward of single calls: the gradient of a gradient along a direction d, d' H d, against second differences
// in float64. H is the Hessian of the sum of r y^2, so that the gradient of the operation meets a dy that itself
// depends on the operands.

import type { Device } from '../../runtime/device/device.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { type TapeNode } from '../../runtime/autograd/tape.ts';
import { add, cast, mul, sum } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { F64 } from '../support/op.ts';
import { U } from './bounds.ts';
import { dtypeOf, gradsOf, listed, typed } from './call.ts';
import { secondDerivative } from './differences.ts';
import type { Program } from './program.ts';

/** The smallest normal f32: adapters may take what is below it for 0. */
const LEAST = 2 ** -126;

/** Every record on the tape behind a tensor. */
export function recordsBehind(y: Tensor): Set<TapeNode['op']> {
  const seen = new Set<TapeNode>();
  const open = y.node ? [y.node] : [];
  while (open.length > 0) {
    const node = open.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    for (const t of Object.values(node.inputs)) if (t.node) open.push(t.node);
  }
  return new Set([...seen].map((n) => n.op));
}

export interface Second {
  /** Records that the call went through and that claim a second derivative. */
  records: string[];
  /** Do all of them? Only then is it checked. */
  twice: boolean;
  message: string | null;
}

/** Checks the call of a smooth program of one step. @returns null where nothing can be differentiated */
export async function checkSecond(device: Device, { seed, steps: [{ call }] }: Program): Promise<Second | null> {
  const grads = gradsOf(call).filter((i) => call.inputs[i].dtype === 'f32' && call.inputs[i].data.length > 0);
  const rng = new Rng(seed, 44);
  const rest = listed(call.reference(...call.inputs));
  const real = rest.map((y, k) => ['f32', 'f16'].includes(dtypeOf(call, k)) && y.data.length > 0);
  if (grads.length === 0 || !real.some(Boolean)) return null;
  const r = rest.map((y, k) => (real[k] ? Float32Array.from(y.data, () => rng.normal()) : null));
  const d = call.inputs.map((v, i) => (grads.includes(i) ? Float32Array.from(v.data, () => rng.uniform(-1, 1)) : null));
  let records: string[] = [];
  let twice = false;
  const made = device.scope(() => {
    const x = call.inputs.map((v) => device.tensor(typed(v), v.shape, v.dtype));
    for (const i of grads) x[i].requiresGrad = true;
    const squares = listed(call.run(...x))
      .map((y) => (y.dtype === 'f16' ? cast(y, 'f32') : y))
      .flatMap((y, k) => (r[k] ? [sum(mul(mul(y, y), device.tensor(r[k], y.shape)))] : []));
    const loss = squares.reduce((a, b) => add(a, b));
    const behind = [...recordsBehind(loss)];
    records = behind.filter((o) => o.twice).map((o) => o.name);
    twice = behind.length > 0 && behind.every((o) => o.twice);
    if (!twice) return [];
    const wrt = grads.map((i) => x[i]);
    const first = grad(loss, wrt, { createGraph: true });
    const slope = first.map((g, k) => sum(mul(g, device.tensor(d[grads[k]]!, g.shape)))).reduce((a, b) => add(a, b));
    return grad(slope, wrt);
  });
  if (!twice) return { records, twice, message: null };
  const got = await device.read(made);
  made.forEach((t) => t.dispose());
  let curve = 0;
  let size = 0;
  grads.forEach((i, k) =>
    got[k].forEach((g: number, j: number) => {
      curve += g * d[i]![j];
      size += Math.abs(g * d[i]![j]);
    }),
  );
  const scalar = (distance: number, noise?: number): number[] => {
    const stir = new Rng(noise ?? 0, 42);
    const off = (): number => (noise === undefined ? 1 : 1 + (stir.u32() & 1 ? 16 * U : -16 * U));
    const x = call.inputs.map((v, i): F64 => ({
      shape: v.shape,
      data: v.dtype === 'f32' ? v.data.map((e, j) => e * off() + distance * (d[i]?.[j] ?? 0)) : v.data,
    }));
    return listed(call.reference(...x)).flatMap((y, k) =>
      r[k] ? [...y.data].map((e, j) => r[k]![j] * e * e * off()) : [],
    );
  };
  const terms = scalar(0).reduce((s, v) => s + Math.abs(v), 0);
  const { value, error, swing } = secondDerivative(scalar, 2 ** -7, seed);
  const slack = call.slack ?? 1;
  const half = rest.some((_, k) => dtypeOf(call, k) === 'f16');
  // What is smaller than an f32 can hold is 0 there.
  const bound = slack * ((half ? 2 ** -8 : 256 * U) * (size + terms) + 8 * swing) + 4 * error + LEAST;
  return {
    records,
    twice,
    message:
      Math.abs(curve - value) <= bound
        ? null
        : `the second derivative along a direction is ${curve}, second differences say ${value} (at most ${bound} apart)`,
  };
}
