// The test of an operation from one list of cases: forward against a float64 reference, gradients against finite
// differences of that reference along random directions, and the same bits eagerly and in a plan.

import * as assert from 'uvu/assert';
import type { Device } from '../../runtime/device/device.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { plan } from '../../runtime/autograd/plan.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type DType, type Shape, type Tensor, type TensorData } from '../../runtime/tensor.ts';

/** A float64 array with a shape: what references compute on. */
export interface F64 {
  shape: Shape;
  data: Float64Array;
}

export function f64(shape: Shape, data?: ArrayLike<number>): F64 {
  return { shape, data: data ? Float64Array.from(data) : new Float64Array(sizeOf(shape)) };
}

export interface CaseInput {
  shape: Shape;
  dtype?: DType;
  /** Draws an element (default: standard normal, rounded to float32). */
  draw?: (rng: Rng, i: number) => number;
  /** False for an input without a gradient. */
  grad?: boolean;
}

export interface OpCase {
  /** The printed name: operation, shapes and attributes, enough to repeat it. */
  name: string;
  inputs: Record<string, CaseInput>;
  run(inputs: Record<string, Tensor>): Tensor;
  reference(inputs: Record<string, F64>): F64;
  /** Relative to the largest magnitude of the reference (default 1e-5). */
  tolerance?: number;
  /** Step of the finite differences (default 1e-5); 0 leaves the gradient out. */
  h?: number;
  seed?: number;
}

export function makeData(spec: CaseInput, rng: Rng): { values: Float64Array; typed: TensorData } {
  const n = sizeOf(spec.shape);
  const draw = spec.draw ?? ((r: Rng) => r.normal());
  const values = new Float64Array(n);
  for (let i = 0; i < n; i++) values[i] = draw(rng, i);
  const typed =
    spec.dtype === 'i32'
      ? Int32Array.from(values)
      : spec.dtype === 'u32'
        ? Uint32Array.from(values)
        : Float32Array.from(values);
  return { values: Float64Array.from(typed), typed };
}

/** Asserts that two arrays agree to `tolerance` of the largest expected magnitude, element by element. */
export function close(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, what: string): void {
  assert.is(got.length, want.length, `${what}: length`);
  let scale = 1e-30;
  for (let i = 0; i < want.length; i++) scale = Math.max(scale, Math.abs(want[i]));
  for (let i = 0; i < want.length; i++) {
    if (!(Math.abs(got[i] - want[i]) <= tolerance * scale))
      assert.unreachable(`${what}: [${i}] got ${got[i]}, expected ${want[i]} (largest ${scale})`);
  }
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let s = 0;
  for (let i = 0; i < a.length; i++) s += a[i] * b[i];
  return s;
};

/** Runs every check on one case. */
export async function checkCase(device: Device, c: OpCase): Promise<void> {
  const rng = new Rng(c.seed ?? 1, 77);
  const made = Object.fromEntries(Object.entries(c.inputs).map(([k, spec]) => [k, makeData(spec, rng)]));
  const values = (): Record<string, F64> =>
    Object.fromEntries(Object.entries(made).map(([k, m]) => [k, { shape: c.inputs[k].shape, data: m.values }]));
  const want = c.reference(values());
  const names = Object.keys(c.inputs).filter(
    (k) => (c.inputs[k].dtype ?? 'f32') === 'f32' && c.inputs[k].grad !== false,
  );
  const differentiate = c.h !== 0 && names.length > 0;
  const r = Float32Array.from({ length: want.data.length }, () => rng.normal());
  const tolerance = c.tolerance ?? 1e-5;

  const inputs: Record<string, Tensor> = {};
  for (const [k, spec] of Object.entries(c.inputs)) {
    inputs[k] = device.tensor(made[k].typed, spec.shape, spec.dtype ?? 'f32');
    inputs[k].requiresGrad = names.includes(k) && differentiate;
  }
  const dy = device.tensor(r, want.shape);
  const compute = (given: Record<string, Tensor>): Record<string, Tensor> => {
    const y = c.run(given);
    const out: Record<string, Tensor> = { y };
    if (differentiate)
      grad(
        y,
        names.map((k) => given[k]),
        { dy },
      ).forEach((g, i) => (out[`d${names[i]}`] = g));
    return out;
  };
  const results = device.scope(() => compute(inputs));
  assert.equal([...results.y.shape], [...want.shape], `${c.name}: shape`);
  const keys = Object.keys(results);
  const eager = await device.read(keys.map((k) => results[k]));
  close(eager[0], want.data, tolerance, `${c.name}: y`);

  // The same bits from a replayed plan.
  const step = plan(
    device,
    Object.fromEntries(Object.entries(c.inputs).map(([k, s]) => [k, { shape: s.shape, dtype: s.dtype }])),
    (given) => {
      for (const k of names) given[k].requiresGrad = differentiate;
      return compute(given);
    },
  );
  step.run(Object.fromEntries(Object.entries(made).map(([k, m]) => [k, m.typed])));
  step.run();
  const replayed = await device.read(keys.map((k) => step.outputs[k]));
  keys.forEach((k, i) =>
    assert.equal(replayed[i], eager[i], `${c.name}: ${k} differs between a plan and eager execution`),
  );
  step.dispose();

  if (differentiate) {
    const h = c.h ?? 1e-5;
    for (const [i, k] of names.entries()) {
      const g = eager[1 + i];
      assert.is(g.length, made[k].values.length, `${c.name}: d${k} length`);
      for (let trial = 0; trial < 2; trial++) {
        const d = Float64Array.from(made[k].values, () => rng.normal());
        const at = (s: number): number => {
          const moved = values();
          moved[k] = { shape: moved[k].shape, data: made[k].values.map((v, j) => v + s * d[j]) };
          return dot(c.reference(moved).data, r);
        };
        const fd = (at(h) - at(-h)) / (2 * h);
        const scale = Math.sqrt(dot(g, g) * dot(d, d)) + 1e-12;
        const error = Math.abs(dot(g, d) - fd);
        if (!(error <= Math.max(20 * tolerance, 1e-4) * scale))
          assert.unreachable(`${c.name}: d${k} along a random direction is ${dot(g, d)}, finite differences say ${fd}`);
      }
    }
  }
  for (const t of [...Object.values(inputs), ...Object.values(results), dy]) t.dispose();
}
