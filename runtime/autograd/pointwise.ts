// Functions of one element at a time that a shader holds with their first and second derivatives: y = f(x), dx = dy
// f'(x), ddx = g dy f''(x).

import { checkReal, type DType, type Tensor } from '../tensor.ts';
import type { ParamValue } from '../kernel/kernel.ts';
import { stored } from '../kernel/vectors.ts';
import type { Op, OpRecord } from './tape.ts';

/** Makes an operation from its record, and the names of the inputs that its kernels take in f16. */
type Define = <A, I extends string>(record: OpRecord<A, I>, halves: { halves: readonly I[] }) => Op<A, I>;

interface Attrs<K> {
  op: K;
  params: Record<string, ParamValue>;
}

/**
 * The operations of such a shader.
 * @param define makes an operation from its record
 * @param shader with the entries forward, backward and second, the constant OP and the param n
 * @param codes OP of each function
 * @returns what applies a function with its own params; it can be differentiated twice
 */
export function pointwise<K extends string>(
  define: Define,
  shader: string,
  codes: Readonly<Record<K, number>>,
): <D extends DType, R extends number>(x: Tensor<D, R>, op: K, params?: Record<string, ParamValue>) => Tensor<D, R> {
  const launch = (
    entry: string,
    made: string,
    x: Tensor,
    others: Record<string, Tensor>,
    { op, params }: Attrs<K>,
  ): Tensor => {
    const y = x.device.empty(x.shape, x.dtype, op);
    x.device.run({
      shader,
      entry,
      constants: { OP: codes[op], ...stored(x) },
      bindings: { x, ...others, [made]: y },
      params: { n: x.size, ...params },
      threads: x.size,
    });
    return y;
  };
  const second: Op<Attrs<K>, 'x' | 'dy' | 'g'> = define(
    {
      name: `second derivative of ${shader}`,
      inputs: ['x', 'dy', 'g'],
      outputs: ['ddx'],
      forward: ({ x, dy, g }, attrs) => launch('second', 'ddx', x, { dy, g }, attrs),
      backward: { x: null, dy: null, g: null },
    },
    { halves: ['x', 'dy', 'g'] },
  );
  const first: Op<Attrs<K>, 'x' | 'dy'> = define(
    {
      name: `derivative of ${shader}`,
      inputs: ['x', 'dy'],
      outputs: ['dx'],
      forward: ({ x, dy }, attrs) => launch('backward', 'dx', x, { dy }, attrs),
      backward: {
        x: ({ dy: g, inputs: { x, dy }, attrs }) => second({ x, dy, g }, attrs).ddx,
        dy: ({ dy: g, inputs: { x }, attrs }) => launch('backward', 'dx', x, { dy: g }, attrs),
      },
    },
    { halves: ['x', 'dy'] },
  );
  const op: Op<Attrs<K>, 'x'> = define(
    {
      name: shader,
      inputs: ['x'],
      outputs: ['y'],
      forward: ({ x }, attrs) => launch('forward', 'y', x, {}, attrs),
      backward: { x: ({ dy, inputs: { x }, attrs }) => first({ x, dy }, attrs).dx },
      twice: true,
    },
    { halves: ['x'] },
  );
  return <D extends DType, R extends number>(x: Tensor<D, R>, name: K, params = {}) => {
    checkReal(name, { x });
    return op({ x }, { op: name, params }).y as Tensor<D, R>;
  };
}
