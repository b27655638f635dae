// The cases of conformance/torch-ops (PyTorch in float64): loading, running one, and all of a family as tests.

import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import { add } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from './device.ts';
import { allRead, noted, numbersOf } from './reading.ts';
import { sharedFolder } from './shared.ts';

interface Stored {
  name: string;
  dtype: 'f32' | 'i32' | 'bool';
  shape: number[];
  offset: number;
  atol: number;
  rtol: number;
}
export interface Case {
  name: string;
  op: string;
  params: Record<string, never>;
  inputs: Stored[];
  outputs: Stored[];
  grad_outputs?: Stored[];
  grad_inputs?: Stored[];
}
export type Tensors = Record<string, Tensor>;
/** Runs the operation of a case; a lone tensor is its first output. */
export type Run = (
  t: Tensors,
  params: Record<string, any>,
  device: Device,
) => Tensors | Tensor | Promise<Tensors | Tensor>;

/** How the engine does the operations of the cases, by the names that these have. */
export interface Family {
  runs: Record<string, Run>;
  /** Bring tensors of rank 4 from NCHW to NHWC and back. */
  channelsLast?: boolean;
}

export interface CaseSet<C = Case> {
  /** Which set it is: `torch-ops`, … */
  set: string;
  cases: C[];
  data: Uint8Array;
}

/** A set of cases, of `torch-ops` or another. @throws where the folder holds none */
export function openCases<C = Case>(folder: string): CaseSet<C> {
  const { set, blob, cases } = JSON.parse(readFileSync(`${folder}/cases.json`, 'utf8'));
  return { set, cases, data: new Uint8Array(readFileSync(`${folder}/${blob}`)) };
}

type Values = Float32Array | Int32Array;

function stored(data: Uint8Array, t: Stored): Values {
  const n = t.shape.reduce((a, b) => a * b, 1);
  const bytes = data.slice(t.offset, t.offset + (t.dtype === 'bool' ? n : 4 * n));
  return t.dtype === 'f32'
    ? new Float32Array(bytes.buffer)
    : t.dtype === 'i32'
      ? new Int32Array(bytes.buffer)
      : Int32Array.from(bytes);
}

/** Moves the channels of a picture [n, c, h, w] last, or back. */
function channels(v: Values, [n, c, h, w]: number[], last: boolean): Values {
  const out = v.slice();
  const pixels = h * w;
  for (let i = 0; i < n; i++)
    for (let k = 0; k < c; k++)
      for (let p = 0; p < pixels; p++) {
        const first = (i * c + k) * pixels + p;
        const final = (i * pixels + p) * c + k;
        if (last) out[final] = v[first];
        else out[first] = v[final];
      }
  return out;
}

/** Runs a case and compares its outputs and gradients. @throws Error with the first mismatch */
export async function runCase(
  device: Device,
  { data }: CaseSet,
  c: Case,
  { runs, channelsLast = false }: Family,
): Promise<void> {
  const load = (t: Stored): Tensor => {
    const v = stored(data, t);
    const { shape: s } = t;
    return channelsLast && s.length === 4
      ? device.tensor(channels(v, s, true), [s[0], s[2], s[3], s[1]])
      : device.tensor(v, s);
  };
  const compare = async (got: Tensor, want: Stored, what: string): Promise<void> => {
    const values = (await got.read()) as Values;
    const expected = stored(data, want);
    const g = channelsLast && want.shape.length === 4 ? channels(values, want.shape, false) : values;
    if (g.length !== expected.length || (!channelsLast && String(got.shape) !== String(want.shape)))
      throw new Error(`${what} has shape [${got.shape}], expected [${want.shape}]`);
    expected.forEach((w, i) => {
      const right = Number.isFinite(w) ? Math.abs(g[i] - w) <= want.atol + want.rtol * Math.abs(w) : Object.is(w, g[i]);
      if (!right)
        throw new Error(`${what}[${i}] is ${g[i]}, expected ${w} within ${want.atol} + ${want.rtol} relative`);
    });
  };

  const inputs: Tensors = Object.fromEntries(c.inputs.map((t) => [t.name, load(t)]));
  for (const g of c.grad_inputs ?? []) inputs[g.name].requiresGrad = true;
  const given = noted(inputs);
  const params = noted(
    Object.fromEntries(Object.entries(c.params).map(([name, v]) => [name, numbersOf(v)])) as Record<string, any>,
    { byName: true },
  );
  const made = await runs[c.op](given.of, params.of, device);
  allRead(c.op, given, params);
  const outputs: Tensors = 'storage' in made ? { [c.outputs[0].name]: made as Tensor } : made;
  for (const t of c.outputs) await compare(outputs[t.name], t, t.name);
  if (!c.grad_inputs?.length) return;
  const wrt = c.grad_inputs.map((g) => inputs[g.name]);
  const grads = c
    .grad_outputs!.map((up) => grad(outputs[up.name], wrt, { dy: load(up) }))
    .reduce((sum, gs) => sum.map((s, i) => add(s, gs[i])));
  for (const [i, g] of c.grad_inputs.entries()) await compare(grads[i], g, `d${g.name}`);
}

/**
 * Registers a test for every case, also for those of operations that no family has: they fail. Says so where the cases
 * are absent.
 */
export function torchTests(families: readonly Family[]): void {
  const folder = sharedFolder('conformance/torch-ops');
  if (!folder) {
    console.log('conformance/torch-ops is not there: skipped');
    return;
  }
  const set = openCases(folder);
  for (const c of set.cases) {
    test(c.name, async () => {
      const family = families.find((f) => c.op in f.runs);
      if (!family) throw new Error(`nothing does ${c.op}`);
      await runCase(await testDevice(), set, c, family);
    });
  }
}
