// Reverse-mode automatic differentiation. Each differentiable operation leaves a node; `grad` walks the nodes
// backwards.

import { args } from '../args.ts';
import { DisposedError, FewmaskError, GradientError, ShapeError } from '../errors.ts';
import { runSynchronous, synchronous } from '../synchronous.ts';
import { isTensor, type Tensor } from '../tensor.ts';
import { savedNow, withSaved, type Saved } from './versions.ts';

/** What a backward function sees: the gradients of the outputs, the inputs, the outputs, the attributes. */
export interface BackwardContext<A, I extends string = string> {
  /** Gradient for each output that has one, by the output's name with a d in front (`dy`). */
  readonly grads: Readonly<Record<string, Tensor | undefined>>;
  /** The gradient of the first output. */
  readonly dy: Tensor;
  /** The inputs by name. */
  readonly inputs: Readonly<Record<I, Tensor>>;
  /** The outputs by name. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** The attributes of the call. */
  readonly attrs: A;
  /** Is the gradient of this input wanted? */
  needs(input: I): boolean;
  /** Work that several inputs share, done at most once per backward pass. */
  once<T>(key: string, make: () => T): T;
}

/** Makes the gradient of one input, in its shape; `null` for an input that has none. */
export type Backward<A, I extends string = string> = ((ctx: BackwardContext<A, I>) => Tensor) | null;

/**
 * The record of an operation with attributes A and inputs of the names I. `backward` has a key for every input: a
 * function, or `null` for an input without a gradient.
 */
export interface OpRecord<A, I extends string = string> {
  /** Its name, for errors and leak reports. */
  readonly name: string;
  /** Names of the inputs. */
  readonly inputs: readonly I[];
  /** Names of the outputs; a gradient is asked for the first where nothing else is said. */
  readonly outputs: readonly string[];
  /** Makes the output, or the outputs by name. No gradient is recorded inside. */
  forward(inputs: Record<I, Tensor>, attrs: A): Tensor | Record<string, Tensor>;
  /** For every input: what makes its gradient, or null, said aloud. */
  readonly backward: Readonly<Record<I, Backward<A, I>>>;
  /** Outputs that only `backward` looks at: freed at once where no gradient is recorded. */
  readonly saved?: readonly string[];
  /**
   * True when `backward` is made of differentiable operations: only then can a second derivative be taken through it.
   */
  readonly twice?: boolean;
}

/**
 * An operation with attributes A: a function from inputs of the names I to the outputs by name. An input may be
 * undefined (an absent bias).
 */
export type Op<A = void, I extends string = string> = (
  inputs: Readonly<Partial<Record<I, Tensor>>>,
  attrs: A,
) => Record<string, Tensor>;

/** One call of an operation on the tape. */
export interface TapeNode {
  readonly op: OpRecord<unknown>;
  readonly inputs: Record<string, Tensor>;
  readonly outputs: Record<string, Tensor>;
  readonly attrs: unknown;
  readonly order: number;
  /** Its tensors, and how often each had been changed when the operation was done. */
  readonly saved: readonly Saved[];
}

let watcher: ((record: OpRecord<never>) => void) | null = null;

/**
 * Calls `watch` with each record that is defined from now on; null ends it. The table of operations is made so, without
 * a registry that would keep operations in a bundle that nobody calls.
 */
export function watchRecords(watch: ((record: OpRecord<never>) => void) | null): void {
  watcher = watch;
}

let recording = true;
let counter = 0;

/**
 * Runs `body` without recording gradients.
 * @returns what it returns
 * @throws FewmaskError when the body is asynchronous: what follows its first `await` would be recorded
 * @example const prediction = noGrad(() => net.forward(x, EVAL));
 */
export function noGrad<R>(body: () => R): R {
  args('noGrad body:f', arguments);
  return recordingIs(false, () => runSynchronous('noGrad', 'the body of noGrad', body));
}

/** Runs `body` with or without recording gradients, whatever is around it. */
export function recordingIs<R>(on: boolean, body: () => R): R {
  const before = recording;
  recording = on;
  try {
    return body();
  } finally {
    recording = before;
  }
}

/**
 * Makes an operation from its record.
 * @throws FewmaskError when `backward` does not mention an input
 * @example
 * const op = defineOp<{ factor: number }, 'x'>({
 *   name: 'scaled',
 *   inputs: ['x'],
 *   outputs: ['y'],
 *   forward: ({ x }, { factor }) => mul(x, factor),
 *   backward: { x: ({ dy, attrs }) => mul(dy, attrs.factor) },
 *   twice: true,
 * });
 * const y = op({ x }, { factor: 2 }).y;
 */
export function defineOp<A = void, I extends string = string>(record: OpRecord<A, I>): Op<A, I> {
  args('defineOp record:o', arguments);
  const { inputs: names, outputs, forward, backward } = record;
  if (
    !Array.isArray(names) ||
    !Array.isArray(outputs) ||
    typeof forward !== 'function' ||
    typeof backward !== 'object'
  ) {
    const hint = 'call defineOp({ name, inputs: […], outputs: […], forward, backward: { … } })';
    throw new FewmaskError('op', 'defineOp: the record lacks inputs, outputs, forward or backward', hint);
  }
  for (const name of record.inputs) {
    if (!(name in record.backward)) throw new FewmaskError('op', `${record.name}: backward says nothing about ${name}`);
  }
  watcher?.(record);
  return (given, attrs) => {
    const inputs: Record<string, Tensor> = {};
    let wanted = false;
    for (const name of record.inputs) {
      const t = given[name];
      if (!t) continue;
      inputs[name] = t;
      if (recording && t.tracked && record.backward[name]) wanted = true;
    }
    const what = `${record.name}: forward`;
    const forward = (): Tensor | Record<string, Tensor> => synchronous('op', what, record.forward(inputs, attrs));
    const run = (): Tensor | Record<string, Tensor> => recordingIs(false, forward);
    const device = Object.values(inputs)[0]?.device;
    const made = device ? device.guarded(run) : run();
    const outputs = isTensor(made) ? { [record.outputs[0]]: made } : made;
    if (wanted) {
      const saved = savedNow(inputs, outputs, attrs);
      const node: TapeNode = { op: record as OpRecord<unknown>, inputs, outputs, attrs, order: counter++, saved };
      for (const name of record.outputs)
        if (outputs[name]?.dtype === 'f32' || outputs[name]?.dtype === 'f16') outputs[name].node = node;
    } else {
      for (const name of record.saved ?? []) outputs[name]?.dispose();
    }
    return outputs;
  };
}

/** The operations that the walk itself needs; they stand on the tape, which therefore does not import them. */
export interface GradientOps {
  add(a: Tensor, b: Tensor): Tensor;
  ones(x: Tensor): Tensor;
  zeros(x: Tensor): Tensor;
}

/** Settings of `grad`. */
export interface GradOptions {
  /** Gradient of the result, in its shape and dtype (default: ones for a scalar). */
  dy?: Tensor;
  /** Record the backward pass too, for second derivatives (default false). */
  createGraph?: boolean;
}

/**
 * What `grad` does (grad.ts), with the operations that it needs.
 * @param wrt tensors by what they are called in messages
 */
export function backpropagate(
  ops: GradientOps,
  y: Tensor,
  wrt: ReadonlyMap<string | number, Tensor>,
  { dy, createGraph = false }: GradOptions = {},
): Tensor[] {
  if (y.size !== 1 && !dy)
    throw new ShapeError('grad', `the result has shape [${y.shape}]`, 'give dy, or reduce it to a scalar');
  if (dy && (String(dy.shape) !== String(y.shape) || dy.dtype !== y.dtype))
    throw new ShapeError('grad', `dy is ${dy}, the result ${y}`, 'they must be alike');
  if (dy?.isDisposed) dy.alive();
  const foreign = [...wrt].find(([, t]) => !t.tracked);
  if (foreign)
    throw new GradientError(
      'grad',
      `no gradient is recorded for tensor ${foreign[0]} [${foreign[1].shape}] of wrt`,
      'make it a parameter, or set its requiresGrad, before it is used',
    );
  const body = () => walk(ops, y, [...wrt.values()], dy ?? ops.ones(y), createGraph);
  return createGraph ? body() : noGrad(body);
}

function walk(ops: GradientOps, y: Tensor, wrt: readonly Tensor[], dy: Tensor, createGraph: boolean): Tensor[] {
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
      if (targets.has(t) || (t.node && visit(t.node))) any = true;
    }
    reaches.set(node, any);
    return any;
  };
  if (y.node) visit(y.node);
  const nodes = [...reaches]
    .filter(([, on]) => on)
    .map(([n]) => n)
    .sort((a, b) => b.order - a.order);
  if (createGraph) {
    const once = nodes.find((n) => !n.op.twice);
    if (once)
      throw new GradientError(once.op.name, 'it has no second derivative', 'take the gradient without createGraph');
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
        return grads[`d${first}`] ?? (grads[`d${first}`] = ops.zeros(node.outputs[first]));
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
      const g = gradientOf(node, name, ctx);
      if (String(g.shape) !== String(t.shape))
        throw new ShapeError(node.op.name, `its gradient for ${name} is [${g.shape}], the input is [${t.shape}]`);
      const before = gradients.get(t);
      gradients.set(t, before ? ops.add(before, g) : g);
    }
  }
  return wrt.map((t) => gradients.get(t) ?? ops.zeros(t));
}

/** The gradient for one input, with a word on whose it is when a tensor that it needs is gone. */
function gradientOf(node: TapeNode, input: string, ctx: BackwardContext<unknown>): Tensor {
  const { op } = node;
  try {
    return withSaved(node, input, () => synchronous('op', `${op.name}: backward`, op.backward[input]!(ctx)));
  } catch (error) {
    if (!(error instanceof DisposedError)) throw error;
    throw new DisposedError(
      `the gradient of ${op.name} with respect to ${input} cannot be made: ${error.message}`,
      'take gradients in the scope that made the graph, before it is freed',
    );
  }
}
