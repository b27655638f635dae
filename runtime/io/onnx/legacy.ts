// What operators meant in early opsets, above all before they broadcast as NumPy does: below 7, and 8 for lists.

import * as ops from '../../ops/index.ts';
import type { Tensor } from '../../tensor.ts';
import type { Call } from './operator.ts';

const same = (a: Tensor, b: Tensor): boolean => a.rank === b.rank && a.shape.every((d, i) => d === b.shape[i]);

/**
 * The second operand, so that it broadcasts to the first. Below opset 7 it has the shape of the first, or with
 * `broadcast` one element, or the shape of some axes of the first: those from `axis` on, or the last ones.
 * @throws OnnxError when it has another shape, or a newer model has the attributes
 */
export function second(c: Call): Tensor {
  const a = c.x();
  const b = c.x(1);
  if (c.opset >= 7) {
    for (const name of ['axis', 'broadcast']) {
      if (c.has(name)) c.wrong(`${name} is an attribute of opsets below 7, this is opset ${c.opset}`);
    }
    return b;
  }
  if (same(a, b)) return b;
  if (!c.number('broadcast', c.has('axis') ? 1 : 0)) {
    c.wrong(`[${a.shape}] and [${b.shape}] differ, and broadcast is not set: opset ${c.opset} needs it`);
  }
  if (b.size === 1 && b.rank <= a.rank) return ops.reshape(b, []);
  const suffix = a.rank - b.rank;
  const given = c.number('axis', -1);
  const axis = given === -1 ? suffix : given < 0 ? given + a.rank : given;
  const inside = Number.isInteger(axis) && axis >= 0 && axis <= suffix;
  const fits = inside && b.shape.every((d, i) => d === a.shape[axis + i]);
  if (!fits) c.wrong(`[${b.shape}] are not the axes of [${a.shape}] from ${axis} on, which opset ${c.opset} needs`);
  return ops.reshape(b, [...b.shape, ...Array<number>(suffix - axis).fill(1)]);
}

/** Operands of Sum and its like: of one shape below opset 8. @throws OnnxError when they are not */
export function equalShapes(c: Call, operands: Tensor[]): Tensor[] {
  const [first] = operands;
  const other = c.opset < 8 ? operands.find((t) => !same(t, first)) : undefined;
  if (other) c.wrong(`[${first.shape}] and [${other.shape}] differ: opset ${c.opset} does not broadcast`);
  return operands;
}

/**
 * The slope of PRelu: below opset 7 one for all elements or for each channel, then what broadcasts to the input.
 * @throws OnnxError for another shape
 */
export function slope(c: Call): Tensor {
  const x = c.x();
  const t = c.x(1);
  if (c.opset >= 7) return c.onto(x.shape, 1);
  if (t.size === 1) return ops.reshape(t, []);
  const channels = x.rank > 1 ? x.shape[1] : x.shape[0];
  const each = t.rank === 1 && t.size === channels;
  return each ? ops.reshape(t, [channels, ...Array<number>(Math.max(0, x.rank - 2)).fill(1)]) : c.onto(x.shape, 1);
}

/** C of Gemm, which broadcasts to the product, below opset 7 only with `broadcast`. @throws OnnxError if it cannot */
export function addend(c: Call, product: Tensor): Tensor {
  const t = c.onto(product.shape, 2);
  if (c.opset < 7 && !c.number('broadcast', 0) && !same(t, product)) {
    c.wrong(`C is [${t.shape}], the product [${product.shape}], and broadcast is not set: opset ${c.opset} needs it`);
  }
  return t;
}

/** How often Tile repeats each axis: before opset 6 one axis, so often; from then on a number for each. */
export function tiles(c: Call): readonly number[] {
  const { rank } = c.x();
  if (c.opset >= 6) {
    const repeats = c.elements(1);
    return repeats.length === rank ? repeats : c.wrong(`${repeats.length} repeats for [${c.x().shape}]`);
  }
  const [count] = c.elements(1);
  const [given] = c.elements(2);
  const axis = c.axis(given, rank);
  return Array.from({ length: rank }, (_, i) => (i === axis ? count : 1));
}
