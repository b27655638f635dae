// The cases of conformance/onnx-node: a graph of JSON becomes a model, runs like one, and its outputs are compared.

import type { Device } from '../../runtime/device/device.ts';
import { halfToFloat } from '../../runtime/half.ts';
import { OnnxGraph } from '../../runtime/io/onnx/graph.ts';
import type { OnnxModel, OnnxNode, OnnxTensor, OnnxType } from '../../runtime/io/onnx/model.ts';
import { upload } from '../../runtime/io/onnx/operator.ts';
import { Unsupported } from './unsupported.ts';

interface Stored {
  name: string;
  dtype: OnnxType;
  shape: number[];
  offset: number;
}
export interface OnnxCase {
  name: string;
  op: string;
  opset: number;
  nodes: OnnxNode[];
  inputs: Stored[];
  outputs: Stored[];
  atol: number;
  rtol: number;
}

const ARRAYS = {
  f32: Float32Array,
  f64: Float64Array,
  f16: Uint16Array,
  i32: Int32Array,
  i64: BigInt64Array,
  u8: Uint8Array,
  bool: Uint8Array,
};

export function storedTensor(data: Uint8Array, { dtype, shape, offset }: Stored): OnnxTensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const Of = ARRAYS[dtype];
  const bytes = data.slice(offset, offset + n * Of.BYTES_PER_ELEMENT);
  const values = new Of(bytes.buffer);
  return {
    dtype,
    shape,
    data:
      dtype === 'f16'
        ? [...halfToFloat(values as Uint16Array)]
        : Array.from(values as ArrayLike<number | bigint>, Number),
  };
}

export const modelOf = (c: OnnxCase): OnnxModel => ({
  opset: c.opset,
  nodes: c.nodes,
  inputs: c.inputs,
  outputs: c.outputs,
  initializers: new Map(),
});

/** Cases whose expected values no engine is held to, and why. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  averagepool_2d_ceil_last_window_starts_on_pad:
    'its expected values have four digits, fewer than its tolerance asks for',
  resize_downsample_scales_linear_align_corners: 'disputed (its note): here corners meet corners, as in PyTorch',
};

/** Runs a case. @throws UnsupportedError, Unsupported, or Error with the first mismatch */
export async function runOnnxCase(device: Device, data: Uint8Array, c: OnnxCase): Promise<void> {
  if (c.name in LEFT_OUT) throw new Unsupported(LEFT_OUT[c.name]);
  const graph = new OnnxGraph(device, modelOf(c));
  const inputs = Object.fromEntries(c.inputs.map((t) => [t.name, upload(device, storedTensor(data, t)).tensor]));
  const outputs = await graph.run(inputs);
  for (const want of c.outputs) {
    const got = outputs[want.name];
    const values = await got.read();
    const expected = storedTensor(data, want).data;
    if (String(got.shape) !== String(want.shape))
      throw new Error(`${want.name} has shape [${got.shape}], expected [${want.shape}]`);
    expected.forEach((w, i) => {
      const right = Number.isFinite(w)
        ? Math.abs(values[i] - w) <= c.atol + c.rtol * Math.abs(w)
        : Object.is(w, values[i]);
      if (!right)
        throw new Error(`${want.name}[${i}] is ${values[i]}, expected ${w} within ${c.atol} + ${c.rtol} relative`);
    });
  }
  for (const t of [...Object.values(inputs), ...Object.values(outputs)]) t.dispose();
  graph.dispose();
}
