// Elements of another type, and how f16 enters operations: through kernels that know it, or widened to f32 for as long
// as the operation runs.

import { args } from '../args.ts';
import { composed, type Results } from '../autograd/compose.ts';
import { defineOp, type Backward, type BackwardContext, type Op, type OpRecord } from '../autograd/tape.ts';
import type { Device } from '../device/device.ts';
import { ShapeError } from '../errors.ts';
import { CAST_FROM, CAST_TO } from '../kernel/generated.ts';
import { BYTES, isReal, isTensor, type DType, type Real, type Tensor } from '../tensor.ts';
import { reshape } from './reshape.ts';

const op: Op<{ dtype: DType }, 'x'> = defineOp({
  name: 'cast',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, { dtype }) {
    const y = x.device.empty(x.shape, dtype, 'cast');
    const words = Math.ceil((y.size * BYTES[dtype]) / 4);
    x.device.run({
      shader: 'cast',
      entry: 'forward',
      constants: { FROM: CAST_FROM[x.dtype], TO: CAST_TO[dtype] },
      bindings: { x, y },
      params: { words },
      threads: words,
    });
    return y;
  },
  backward: { x: ({ dy, inputs: { x } }) => op({ x: dy }, { dtype: x.dtype }).y },
  twice: true,
});

/**
 * The elements as another type. f32 becomes the nearest f16 (halves to even, infinite beyond 65520); floating-point
 * numbers lose their fraction on the way to integers and stop at the largest and the smallest (NaN becomes 0); i32 and
 * u32 keep their bits. The gradient passes between f32 and f16 and ends at integers.
 * @param x of any shape; f16 needs no feature of the adapter
 * @param dtype x itself is seen through another tensor where it has this type
 * @returns shape of x
 * @throws ShapeError for an unknown dtype
 * @example const y = cast(labels, 'f32');
 */
export function cast<D extends DType, R extends number>(x: Tensor<DType, R>, dtype: D): Tensor<D, R> {
  args('cast x dtype:t', arguments);
  return (x.dtype === dtype ? reshape(x, x.shape) : op({ x }, { dtype }).y) as Tensor<D, R>;
}

/** What functions of real numbers see of integers: f32, as in PyTorch. */
export const real = <D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> =>
  (x.dtype === 'i32' || x.dtype === 'u32' ? cast(x, 'f32') : x) as Tensor<Real<D>, R>;

const half = (v: unknown): boolean => isTensor(v) && v.dtype === 'f16';

const narrowed = (y: Tensor): Tensor => (y.dtype === 'f32' ? cast(y, 'f16') : y);

/**
 * Runs an operation of f32 on operands that may be f16: those are widened, and the real numbers that it makes come back
 * as f16. Gradients pass through both casts, so they are f16 where the operand is. Needs no feature of the adapter.
 * @param operands tensors, and whatever else the operation takes
 * @throws ShapeError where f16 meets f32
 */
export function inF32<T extends readonly unknown[], R extends Results>(
  op: string,
  operands: T,
  compute: (...operands: T) => R,
): R {
  if (!operands.some(half)) return compute(...operands);
  const tensors = operands.filter(isTensor);
  const wide = tensors.find((t) => t.dtype === 'f32');
  if (wide) throw new ShapeError(op, `[${wide.shape}] is f32, another operand f16`, 'cast one of them');
  return composed(tensors[0].device, () => {
    const y = compute(...(operands.map((v) => (half(v) ? cast(v as Tensor, 'f32') : v)) as unknown as T));
    return (
      isTensor(y) ? narrowed(y) : Object.fromEntries(Object.entries(y).map(([name, t]) => [name, narrowed(t)]))
    ) as R;
  });
}

/** The tensors by name, those of f16 as f32 when they are asked for. */
function widened<I extends string>(
  tensors: Readonly<Partial<Record<I, Tensor>>>,
  as: readonly string[] = [],
): Record<I, Tensor> {
  const made: Record<string, Tensor> = {};
  const all = {} as Record<I, Tensor>;
  for (const [name, t] of Object.entries<Tensor | undefined>(tensors)) {
    if (t)
      Object.defineProperty(all, name, {
        enumerable: true,
        get: () => (half(t) && !as.includes(name) ? (made[name] ??= cast(t, 'f32')) : t),
      });
  }
  return all;
}

/** What kernels do with f16 themselves, where the adapter has it. */
interface Halves<A, I extends string> {
  /** The inputs that are f16 then, all of them that are given; no other one is. */
  halves?: readonly I[];
  /** For which attributes (default: all). */
  when?: (attrs: A) => boolean;
  /** Gradients are made of several operations: in f32, and rounded once (default false). */
  wide?: boolean;
}

/** A gradient for an operation of f16, by the function that makes it for f32. */
function halved<A, I extends string>(
  fn: (ctx: BackwardContext<A, I>) => Tensor,
  name: I,
  { outputs: [first], saved = [] }: OpRecord<A, I>,
): (ctx: BackwardContext<A, I>) => Tensor {
  return (ctx) => {
    const { device, dtype } = ctx.inputs[name];
    const shared: Tensor[] = [];
    const grads = widened(ctx.grads);
    const result = composed(device, () => {
      const g = fn({
        grads,
        get dy() {
          return grads[`d${first}`] ?? (half(ctx.dy) ? cast(ctx.dy, 'f32') : ctx.dy);
        },
        inputs: widened(ctx.inputs),
        outputs: widened(ctx.outputs, saved),
        attrs: ctx.attrs,
        needs: ctx.needs,
        // What several gradients share outlives this one.
        once: (key, make) =>
          ctx.once(key, () => {
            const inner = device.collect(make);
            shared.push(...inner.made);
            return inner.result;
          }),
      });
      return dtype === 'f16' ? narrowed(g) : g;
    });
    for (const t of shared) device.track(t);
    return result;
  };
}

/**
 * {@link defineOp} for an operation whose kernels know f32 (and integers), which f16 may enter: its inputs of f16 are
 * widened for as long as it runs, and where the first real one is f16 its results are narrowed; the same for gradients.
 * What is kept for them is f16, but for the `saved` outputs. Others may be f32 beside f16: the operation says which.
 * Needs no feature of the adapter; where there is `shader-f16`, kernels that know f16 get it as it is.
 */
export function defineReal<A, I extends string>(
  record: OpRecord<A, I>,
  { halves, when = () => true, wide = false }: Halves<A, I> = {},
): Op<A, I> {
  const op = defineOp(record);
  const saved = record.saved ?? [];
  const direct = (device: Device, inputs: Parameters<Op<A, I>>[0], attrs: A): boolean =>
    halves !== undefined &&
    device.f16 &&
    when(attrs) &&
    record.inputs.every((name) => !inputs[name] || half(inputs[name]) === halves.includes(name));
  const backward = Object.fromEntries(
    record.inputs.map((name) => {
      const fn = record.backward[name];
      return [name, fn && halved(fn, name, record)];
    }),
  ) as Record<I, Backward<A, I>>;
  const ofHalf = wide ? defineOp<A, I>({ ...record, backward }) : op;
  const inHalf = defineOp<A, I>({
    ...record,
    forward: (inputs, attrs) =>
      composed(Object.values<Tensor>(inputs)[0].device, () => {
        const made = record.forward({ ...widened(inputs) }, attrs);
        const first = record.inputs.map((name) => inputs[name]).find((t) => t && isReal(t));
        const outputs: Record<string, Tensor> = isTensor(made) ? { [record.outputs[0]]: made } : made;
        return first?.dtype === 'f16'
          ? Object.fromEntries(
              Object.entries(outputs).map(([name, t]) => [name, saved.includes(name) ? t : narrowed(t)]),
            )
          : outputs;
      }),
    backward,
  });
  return (inputs, attrs) => {
    const any = record.inputs.map((name) => inputs[name]).find(half);
    return (!any ? op : direct(any.device, inputs, attrs) ? ofHalf : inHalf)(inputs, attrs);
  };
}
