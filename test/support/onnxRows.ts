// Tests of ONNX nodes as tables: operator, opset, inputs, attributes, and what comes of it.

import * as assert from 'uvu/assert';
import { errorText, OnnxError } from '../../runtime/errors.ts';
import type { OnnxAttribute, OnnxTensor } from '../../runtime/io/onnx/model.ts';
import { reals, runNode } from './onnxFile.ts';
import { close } from './op.ts';

export type Setting = Readonly<Record<string, OnnxAttribute>>;
type Inputs = readonly (OnnxTensor | null)[];
type Result = readonly [shape: readonly number[], data: readonly number[]];
/** Operator, opset, inputs, attributes, and the shape and elements of each result. */
export type Row = readonly [op: string, opset: number, inputs: Inputs, attributes: Setting, ...results: Result[]];
/** The same, what the error says, and how many results are asked for. */
export type Refusal = readonly [
  op: string,
  opset: number,
  inputs: Inputs,
  attributes: Setting,
  message: RegExp,
  outputs?: number,
];

/** Whole numbers one after another. */
export const count = (n: number, first = 0): number[] => Array.from({ length: n }, (_, i) => first + i);
export const ints = (shape: readonly number[], data: readonly number[]): OnnxTensor => ({ dtype: 'i64', shape, data });
export const truths = (shape: readonly number[], data: readonly number[]): OnnxTensor => ({
  dtype: 'bool',
  shape,
  data,
});
export const scalar = (v: number): OnnxTensor => reals([], [v]);
export const vector = (...data: number[]): OnnxTensor => reals([data.length], data);

/** Runs each row and compares its results. */
export async function check(rows: readonly Row[]): Promise<void> {
  for (const [op, opset, inputs, attributes, ...wanted] of rows) {
    const what = `${op} of opset ${opset} ${JSON.stringify(attributes)}`;
    const got = await runNode(op, inputs, attributes, { opset, outputs: wanted.length });
    wanted.forEach(([shape, data], i) => {
      assert.equal([...got[i].shape], [...shape], `${what}, result ${i}`);
      close(got[i].data, data, 1e-5, `${what}, result ${i}`);
    });
  }
}

/** Runs each row, which must be refused by an error that names the operator. */
export async function refuse(rows: readonly Refusal[], kind: new (...a: never[]) => Error = OnnxError): Promise<void> {
  for (const [op, opset, inputs, attributes, message, outputs = 1] of rows) {
    const what = `${op} of opset ${opset} ${JSON.stringify(attributes)}`;
    const error = await runNode(op, inputs, attributes, { opset, outputs }).then(
      () => undefined,
      (e: unknown) => e,
    );
    assert.instance(error, kind, what);
    assert.match(errorText(error), message, what);
    assert.ok((error as Error).message.startsWith(op), `${what} is named: ${(error as Error).message}`);
  }
}

/** Runs a body that must fail with an error of a kind, whose message has all these. */
export async function refused(
  body: () => unknown,
  kind: new (...a: never[]) => Error,
  ...what: RegExp[]
): Promise<void> {
  let error: unknown;
  try {
    await body();
  } catch (e) {
    error = e;
  }
  assert.instance(error, kind);
  for (const w of what) assert.match(errorText(error), w);
}
