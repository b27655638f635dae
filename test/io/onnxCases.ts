// One ONNX operator, run on made inputs and held against f64.

import * as assert from 'uvu/assert';
import { OnnxGraph } from '../../runtime/io/onnx/graph.ts';
import type { OnnxAttribute, OnnxTensor } from '../../runtime/io/onnx/model.ts';
import { upload } from '../../runtime/io/onnx/operator.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { close, f64, type F64 } from '../support/op.ts';

export const rng = new Rng(41, 2);

export const normal = (shape: Shape): F64 =>
  f64(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => rng.normal()),
  );

export const list = (...data: number[]): OnnxTensor => ({ dtype: 'i64', shape: [data.length], data });

export const reals = (x: F64): OnnxTensor => ({ dtype: 'f32', shape: x.shape, data: [...x.data] });

/** The outputs of one node. */
export async function run(
  op: string,
  inputs: readonly (OnnxTensor | null)[],
  attributes: Record<string, OnnxAttribute> = {},
  { opset = 22, outputs = 1 } = {},
): Promise<F64[]> {
  const device = await testDevice();
  const names = inputs.map((t, i) => (t ? `x${i}` : ''));
  const made = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const given = inputs.flatMap((t, i) => (t ? [{ name: `x${i}`, dtype: t.dtype, t }] : []));
  const graph = new OnnxGraph(device, {
    opset,
    nodes: [{ op, inputs: names, outputs: made, attributes }],
    inputs: given,
    outputs: made.map((name) => ({ name })),
    initializers: new Map(),
  });
  const y = await graph.run(Object.fromEntries(given.map(({ name, t }) => [name, upload(device, t).tensor])));
  return Promise.all(made.map(async (name) => f64(y[name].shape, await y[name].read())));
}

export function same(got: F64, want: F64, what: string, tolerance = 1e-5): void {
  assert.equal([...got.shape], [...want.shape], what);
  close(got.data, want.data, tolerance, what);
}
