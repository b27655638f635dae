// Reverse-mode automatic differentiation. Each differentiable operation leaves a node; `grad` walks the nodes backwards.

import { DisposedError, FewmaskError, GradientError, ShapeError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';

/** What a backward function sees: the gradients of the outputs, the inputs, the outputs, the attributes. */
export interface BackwardContext<A> {
  /** Gradient for each output that has one, by the output's name with a d in front (`dy`). */
  readonly grads: Readonly<Record<string, Tensor | undefined>>;
  /** The gradient of the first output. */
  readonly dy: Tensor;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly attrs: A;
  /** Is the gradient of this input wanted? */
  needs(input: string): boolean;
  /** Work that several inputs share, done at most once per backward pass. */
  once<T>(key: string, make: () => T): T;
}

export type Backward<A> = ((ctx: BackwardContext<A>) => Tensor) | null;

/** The record of an operation. `backward` has a key for every input: a function, or `null` for an input without a gradient. */
export interface OpRecord<A> {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  forward(inputs: Record<string, Tensor>, attrs: A): Tensor | Record<string, Tensor>;
  readonly backward: Readonly<Record<string, Backward<A>>>;
  /** Outputs that only `backward` looks at: freed at once where no gradient is recorded. */
  readonly saved?: readonly string[];
  /** True when `backward` is made of differentiable operations: only then can a second derivative be taken through it. */
  readonly twice?: boolean;
}

/** One call of an operation on the tape. */
export interface TapeNode {
  readonly op: OpRecord<unknown>;
  readonly inputs: Record<string, Tensor>;
  readonly outputs: Record<string, Tensor>;
  readonly attrs: unknown;
  readonly order: number;
}

let recording = true;
let counter = 0;

/** Runs `body` without recording gradients. */
export function noGrad<R>(body: () => R): R {
  const before = recording;
  recording = false;
  try {
    return body();
  } finally {
    recording = before;
  }
}

/**
 * Makes an operation from its record: a function from named inputs and attributes to the outputs by name.
 * An input may be undefined (an absent bias).
 */
export function defineOp<A>(record: OpRecord<A>): (inputs: Record<string, Tensor | undefined>, attrs: A) => Record<string, Tensor> {
  for (const name of record.inputs) {
    if (!(name in record.backward)) throw new FewmaskError('op', `${record.name}: backward says nothing about ${name}`);
  }
  return (given, attrs) => {
    const inputs: Record<string, Tensor> = {};
    let wanted = false;
    for (const name of record.inputs) {
      const t = given[name];
      if (!t) continue;
      inputs[name] = t;
      if (recording && t.tracked && record.backward[name]) wanted = true;
    }
    const run = (): Tensor | Record<string, Tensor> => noGrad(() => record.forward(inputs, attrs)), device = Object.values(inputs)[0]?.device;
    const made = device ? device.guarded(run) : run();
    const outputs = (isTensor(made) ? { [record.outputs[0]]: made } : made) as Record<string, Tensor>;
    if (wanted) {
      const node: TapeNode = { op: record as OpRecord<unknown>, inputs, outputs, attrs, order: counter++ };
      for (const name of record.outputs) if (outputs[name]?.dtype === 'f32' || outputs[name]?.dtype === 'f16') outputs[name].node = node;
    } else {
      for (const name of record.saved ?? []) outputs[name]?.dispose();
    }
    return outputs;
  };
}

function isTensor(value: Tensor | Record<string, Tensor>): value is Tensor {
  return 'storage' in value && 'dtype' in value;
}

/** How sums of gradients are made; set by the op `add` to keep the tape free of operations. */
let addGradients: ((a: Tensor, b: Tensor) => Tensor) | null = null;
let onesLike: ((x: Tensor) => Tensor) | null = null;
let zerosLike: ((x: Tensor) => Tensor) | null = null;

/** Called once by runtime/ops: the operations that the walk itself needs. */
export function provideGradientOps(ops: { add(a: Tensor, b: Tensor): Tensor; ones(x: Tensor): Tensor; zeros(x: Tensor): Tensor }): void {
  addGradients = ops.add;
  onesLike = ops.ones;
  zerosLike = ops.zeros;
}

/**
 * Gradients of `y` with respect to each tensor of `wrt`.
 * @param y any tensor; a non-scalar needs `dy`
 * @param options.dy gradient of the result, shape and dtype of `y` (default: ones for a scalar)
 * @param options.createGraph record the backward pass too, for second derivatives
 * @returns one tensor for each of `wrt` in its shape, zeros where `y` does not depend on it
 * @throws ShapeError when `dy` is missing or does not fit
 * @throws DisposedError when one of them, or a tensor on the way between, has been disposed
 * @throws GradientError with `createGraph`, when an operation between `y` and `wrt` has no second derivative
 */
export function grad(y: Tensor, wrt: readonly Tensor[], options: { dy?: Tensor; createGraph?: boolean } = {}): Tensor[] {
  if (y.size !== 1 && !options.dy) throw new ShapeError('grad', `the result has shape [${y.shape}]`, 'give dy, or reduce it to a scalar');
  const { dy, createGraph = false } = options;
  for (const t of [y, ...wrt, ...(dy ? [dy] : [])]) if (t.isDisposed) void t.buffer;
  if (dy && (String(dy.shape) !== String(y.shape) || dy.dtype !== y.dtype)) throw new ShapeError('grad', `dy is [${dy.shape}] ${dy.dtype}, the result [${y.shape}] ${y.dtype}`, 'they must be alike');
  const body = () => walk(y, wrt, dy ?? onesLike!(y), createGraph);
  return createGraph ? body() : noGrad(body);
}

function walk(y: Tensor, wrt: readonly Tensor[], dy: Tensor, createGraph: boolean): Tensor[] {
  // The nodes between y and wrt, and which of them lie on a path to wrt: the others' gradients are never computed.
  const targets = new Set(wrt);
  const reaches = new Map<TapeNode, boolean>();
  const visit = (node: TapeNode): boolean => {
    const known = reaches.get(node);
    if (known !== undefined) return known;
    reaches.set(node, false);
    let any = false;
    for (const name in node.inputs) {
      if (!node.op.backward[name]) continue;
      const t = node.inputs[name];
      if (t.cut && !targets.has(t)) throw new DisposedError(`${t.storage.label} [${t.shape}] was disposed before the gradient through it was taken`, 'take the gradient in the same scope, or detach() where none shall flow');
      if (targets.has(t) || (t.node && visit(t.node))) any = true;
    }
    reaches.set(node, any);
    return any;
  };
  if (y.node) visit(y.node);
  const nodes = [...reaches].filter(([, on]) => on).map(([n]) => n).sort((a, b) => b.order - a.order);
  if (createGraph) {
    const once = nodes.find((n) => !n.op.twice);
    if (once) throw new GradientError(once.op.name, 'it has no second derivative', 'take the gradient without createGraph');
  }
  const gradients = new Map<Tensor, Tensor>([[y, dy]]);
  for (const node of nodes) {
    const grads: Record<string, Tensor | undefined> = {};
    let any = false;
    for (const name of node.op.outputs) {
      const g = node.outputs[name] && gradients.get(node.outputs[name]);
      if (g) any = true;
      grads[`d${name}`] = g;
      if (g && !targets.has(node.outputs[name])) gradients.delete(node.outputs[name]);
    }
    if (!any) continue;
    const shared = new Map<string, unknown>();
    const needs = (name: string): boolean => {
      const t = node.inputs[name];
      return !!t && !!node.op.backward[name] && (targets.has(t) || (!!t.node && reaches.get(t.node) === true));
    };
    const first = node.op.outputs[0];
    const ctx: BackwardContext<unknown> = {
      grads,
      get dy() {
        return grads[`d${first}`] ?? (grads[`d${first}`] = zerosLike!(node.outputs[first]));
      },
      inputs: node.inputs,
      outputs: node.outputs,
      attrs: node.attrs,
      needs,
      once<T>(key: string, make: () => T): T {
        if (!shared.has(key)) shared.set(key, make());
        return shared.get(key) as T;
      },
    };
    for (const name of node.op.inputs) {
      if (!needs(name)) continue;
      const t = node.inputs[name];
      const g = node.op.backward[name]!(ctx);
      if (String(g.shape) !== String(t.shape)) throw new ShapeError(node.op.name, `its gradient for ${name} is [${g.shape}], the input is [${t.shape}]`);
      const before = gradients.get(t);
      gradients.set(t, before ? addGradients!(before, g) : g);
    }
  }
  return wrt.map((t) => gradients.get(t) ?? zerosLike!(t));
}
