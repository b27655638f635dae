// The cases of conformance/webnn: loading, running one, comparing by value.

import type { Device } from '../../runtime/device/device.ts';
import { halfToFloat } from '../../runtime/half.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { allRead, noted } from './reading.ts';
import { Unsupported } from './unsupported.ts';

interface Stored {
  name: string;
  dtype: string;
  shape: number[];
  offset: number;
}
interface Node {
  op: string;
  inputs: Record<string, string>;
  outputs: string[];
  attributes: Record<string, unknown>;
}
export interface WebnnCase {
  name: string;
  op: string;
  nodes: Node[];
  inputs: Stored[];
  outputs: Stored[];
  atol: number;
  rtol: number;
}

export type Tensors = Record<string, Tensor>;
/** Does an operation of WebNN: the inputs by the names of the arguments, the options with their tensors. */
export type Run = (inputs: Tensors, options: Record<string, any>) => Tensor | Tensor[];

/** Elements as they are stored; f16 by its bits. */
const VIEWS = {
  f32: Float32Array,
  f64: Float64Array,
  i32: Int32Array,
  u32: Uint32Array,
  i64: BigInt64Array,
  u64: BigUint64Array,
  i8: Int8Array,
  u8: Uint8Array,
  f16: Uint16Array,
  bool: Uint8Array,
} as const;

function stored(data: Uint8Array, t: Stored): InstanceType<(typeof VIEWS)[keyof typeof VIEWS]> {
  const View = VIEWS[t.dtype as keyof typeof VIEWS];
  const n = t.shape.reduce((a, b) => a * b, 1);
  return new View(data.slice(t.offset, t.offset + n * View.BYTES_PER_ELEMENT).buffer);
}

/** The elements as numbers of JavaScript. */
function values(data: Uint8Array, t: Stored): number[] {
  const elements = stored(data, t);
  return Array.from(elements instanceof Uint16Array ? halfToFloat(elements) : elements, Number);
}

/** Why the engine cannot hold the tensors of a case; null where it can. */
export function beyond(data: Uint8Array, c: WebnnCase): string | null {
  for (const t of [...c.inputs, ...c.outputs]) {
    if (!(t.dtype in VIEWS)) return t.dtype;
    if (/^[iu]64$/.test(t.dtype) && values(data, t).some((v) => (v | 0) !== v)) return `${t.dtype} beyond 32 bits`;
  }
  return null;
}

/** Integers of every width are i32 here; u32 stays. */
function load(device: Device, data: Uint8Array, t: Stored): Tensor {
  const bits = stored(data, t);
  if (bits instanceof Uint16Array) return device.tensor(bits, t.shape);
  const v = values(data, t);
  const Elements = /^f/.test(t.dtype) ? Float32Array : t.dtype === 'u32' ? Uint32Array : Int32Array;
  return device.tensor(new Elements(v), t.shape);
}

/** Options as numbers and tensors: `{ $tensor }`, "Infinity", "NaN" and "12n" are resolved. */
function resolved(v: unknown, tensors: Tensors): unknown {
  if (Array.isArray(v)) return v.map((e) => resolved(e, tensors));
  if (typeof v === 'string' && /^(-?Infinity|NaN|-?\d+n)$/.test(v)) return Number(v.replace(/n$/, ''));
  return v && typeof v === 'object' && '$tensor' in v ? tensors[v.$tensor as string] : v;
}

async function compare(
  got: Tensor | undefined,
  data: Uint8Array,
  want: Stored,
  atol: number,
  rtol: number,
): Promise<void> {
  if (!got) throw new Error(`${want.name} was not made`);
  if (String(got.shape) !== String(want.shape) || got.rank !== want.shape.length)
    throw new Error(`${want.name} has shape [${got.shape}], expected [${want.shape}]`);
  const v = await got.read();
  values(data, want).forEach((w, i) => {
    const right =
      v[i] === w ||
      (Number.isNaN(v[i]) && Number.isNaN(w)) ||
      (Number.isFinite(w) && Math.abs(v[i] - w) <= atol + rtol * Math.abs(w));
    if (!right) throw new Error(`${want.name}[${i}] is ${v[i]}, expected ${w} within ${atol} + ${rtol} relative`);
  });
}

/**
 * Runs a case and compares its outputs.
 * @throws Error with the first mismatch, Unsupported where the engine has no such operation or dtype
 */
export async function runWebnnCase(
  device: Device,
  data: Uint8Array,
  c: WebnnCase,
  runs: Readonly<Record<string, Run>>,
): Promise<void> {
  const [node] = c.nodes;
  const reason = c.op in runs ? beyond(data, c) : 'no such operation';
  if (reason) throw new Unsupported(reason);
  const made = device.scope(() => {
    const tensors: Tensors = Object.fromEntries(c.inputs.map((t) => [t.name, load(device, data, t)]));
    const inputs = Object.fromEntries(Object.entries(node.inputs).map(([argument, name]) => [argument, tensors[name]]));
    const options = Object.fromEntries(
      Object.entries(node.attributes).map(([name, v]) => [name, resolved(v, tensors)]),
    );
    const given = noted(inputs);
    const settings = noted(options, { byName: true });
    const outputs = [runs[c.op](given.of, settings.of)].flat();
    allRead(c.op, given, settings);
    return outputs;
  });
  for (const t of c.outputs) await compare(made[node.outputs.indexOf(t.name)], data, t, c.atol, c.rtol);
  for (const t of made) t.dispose();
}
