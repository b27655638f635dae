// The cases of conformance/torch-ops (PyTorch in float64) as tests of operations, forward and gradients.

import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/tape.ts';
import type { Device } from '../../runtime/device/device.ts';
import { add } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from './device.ts';
import { sharedFolder } from './shared.ts';

interface Stored { name: string; dtype: 'f32' | 'i32' | 'bool'; shape: number[]; offset: number; atol: number; rtol: number }
interface Case { name: string; op: string; params: Record<string, never>; inputs: Stored[]; outputs: Stored[]; grad_outputs?: Stored[]; grad_inputs?: Stored[] }
export type Tensors = Record<string, Tensor>;
/** Runs the operation of a case; a lone tensor is its first output. */
export type Run = (t: Tensors, params: Record<string, any>, device: Device) => Tensors | Tensor | Promise<Tensors | Tensor>;

const folder = sharedFolder('conformance/torch-ops');
const cases: Case[] = folder ? JSON.parse(readFileSync(`${folder}/cases.json`, 'utf8')).cases : [];
const blob = folder ? readFileSync(`${folder}/data.bin`) : new Uint8Array();

type Values = Float32Array | Int32Array;

function stored(t: Stored): Values {
  const n = t.shape.reduce((a, b) => a * b, 1), bytes = blob.buffer.slice(blob.byteOffset + t.offset);
  return t.dtype === 'f32' ? new Float32Array(bytes, 0, n) : t.dtype === 'i32' ? new Int32Array(bytes, 0, n) : Int32Array.from(new Uint8Array(bytes, 0, n));
}

/** Moves the channels of a picture [n, c, h, w] last, or back. */
function channels(v: Values, [n, c, h, w]: number[], last: boolean): Values {
  const out = v.slice(), pixels = h * w;
  for (let i = 0; i < n; i++) for (let k = 0; k < c; k++) for (let p = 0; p < pixels; p++) {
    const first = (i * c + k) * pixels + p, final = (i * pixels + p) * c + k;
    if (last) out[final] = v[first];
    else out[first] = v[final];
  }
  return out;
}

function load(device: Device, t: Stored, channelsLast: boolean): Tensor {
  const v = stored(t), { shape: s } = t;
  return channelsLast && s.length === 4 ? device.tensor(channels(v, s, true), [s[0], s[2], s[3], s[1]]) : device.tensor(v, s);
}

async function compare(got: Tensor, want: Stored, what: string, channelsLast: boolean): Promise<void> {
  const values = (await got.read()) as Values, expected = stored(want);
  const g = channelsLast && want.shape.length === 4 ? channels(values, want.shape, false) : values;
  assert.is(g.length, expected.length, `${what}: length`);
  if (!channelsLast) assert.equal([...got.shape], want.shape, `${what}: shape`);
  expected.forEach((w, i) => {
    if (Number.isNaN(w) ? !Number.isNaN(g[i]) : !(Math.abs(g[i] - w) <= want.atol + want.rtol * Math.abs(w))) assert.unreachable(`${what}[${i}] is ${g[i]}, expected ${w} within ${want.atol} + ${want.rtol} relative`);
  });
}

async function check(c: Case, runs: Record<string, Run>, channelsLast: boolean): Promise<void> {
  const device = await testDevice();
  const inputs: Tensors = Object.fromEntries(c.inputs.map((t) => [t.name, load(device, t, channelsLast)]));
  for (const g of c.grad_inputs ?? []) inputs[g.name].requiresGrad = true;
  const made = await runs[c.op](inputs, c.params, device);
  const outputs: Tensors = 'storage' in made ? { [c.outputs[0].name]: made as Tensor } : (made as Tensors);
  for (const t of c.outputs) await compare(outputs[t.name], t, `${c.name} ${t.name}`, channelsLast);
  if (!c.grad_inputs?.length) return;
  const wrt = c.grad_inputs.map((g) => inputs[g.name]);
  const grads = c.grad_outputs!.map((up) => grad(outputs[up.name], wrt, { dy: load(device, up, channelsLast) })).reduce((sum, gs) => sum.map((s, i) => add(s, gs[i])));
  for (const [i, g] of c.grad_inputs.entries()) await compare(grads[i], g, `${c.name} d${g.name}`, channelsLast);
}

/**
 * Registers a test for every case of the operations in `runs`.
 * @param options.channelsLast bring tensors of rank 4 from NCHW to NHWC and back
 * @param options.except names of cases that differ on purpose; say why beside them
 */
export function torchTests(runs: Record<string, Run>, options: { channelsLast?: boolean; except?: readonly string[] } = {}): void {
  if (!folder) console.log('conformance/torch-ops is not there: skipped');
  for (const c of cases.filter((k) => k.op in runs)) {
    if (!options.except?.includes(c.name)) test(c.name, () => check(c, runs, options.channelsLast ?? false));
  }
}
