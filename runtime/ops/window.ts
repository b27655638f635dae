// Boxes of tensors: slice, constant padding, concatenation. Each one's gradient is another.

import { defineOp } from '../autograd/tape.ts';
import { wordOf } from '../device/elements.ts';
import { ShapeError } from '../errors.ts';
import { checkWhole } from '../kernel/geometry.ts';
import type { Constants, ParamValue } from '../kernel/kernel.ts';
import type { Shape, Tensor } from '../tensor.ts';

interface Box {
  start: Shape;
  size: Shape;
  value: number;
}

type Op = (inputs: Record<string, Tensor | undefined>, attrs: Box) => Record<string, Tensor>;

/** The last four axes, filled up with ones in front. */
const four = (shape: Shape, fill = 1): number[] => [...Array<number>(4 - shape.length).fill(fill), ...shape];

/** The kernel's constants and params for a box of y that begins at `start`, and the bits of the value outside; last axes that 4 divides are taken by vectors. */
function boxed(x: Shape, y: Shape, start: Shape, value = 0): { constants: Constants; params: Record<string, ParamValue>; lanes: number } {
  const sizes = { x_size: four(x), y_size: four(y), start: four(start, 0) };
  const lanes = Object.values(sizes).every((s) => s[3] % 4 === 0) ? 4 : 1;
  const params = Object.fromEntries(Object.entries(sizes).map(([k, s]) => [k, [s[0], s[1], s[2], s[3] / lanes]]));
  return { constants: lanes === 4 ? { Element: 'vec4<u32>' } : {}, params: { ...params, value }, lanes };
}

// y = x[start … start + size], `value` outside of x.
const windowOp: Op = defineOp<Box>({
  name: 'window',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, { start, size, value }) {
    const y = x.device.empty(size, x.dtype, 'window');
    const { constants, params, lanes } = boxed(x.shape, size, start, wordOf('window', value, x.dtype));
    x.device.run({ shader: 'window', entry: 'forward', constants, bindings: { x, y }, params, threads: y.size / lanes });
    return y;
  },
  backward: { x: ({ dy, inputs: { x }, attrs: { start } }) => windowOp({ x: dy }, { start: start.map((s) => -s), size: x.shape, value: 0 }).y },
  twice: true,
});

function check(op: string, x: Tensor): void {
  if (x.rank > 4) throw new ShapeError(op, `x is [${x.shape}]`, 'at most four axes');
  if (x.dtype === 'f16') throw new ShapeError(op, `x [${x.shape}] is f16`, 'give elements of four bytes');
}

/**
 * A box of x.
 * @param x f32, i32 or u32 of at most four axes
 * @param start first index along each axis
 * @param size length along each axis
 * @returns shape `size`, dtype of x
 * @throws ShapeError when the box does not lie inside x, or x is f16 or has more axes
 */
export function slice(x: Tensor, start: Shape, size: Shape): Tensor {
  check('slice', x);
  if (start.length !== x.rank || size.length !== x.rank || start.some((s, i) => !(Number.isInteger(s) && Number.isInteger(size[i]) && s >= 0 && size[i] >= 0 && s + size[i] <= x.shape[i]))) {
    throw new ShapeError('slice', `[${size}] from [${start}] does not lie inside [${x.shape}]`);
  }
  return windowOp({ x }, { start, size, value: 0 }).y;
}

/**
 * Pads with a constant.
 * @param x f32, i32 or u32 [n, h, w, c]
 * @param padding top, bottom, left, right; whole numbers
 * @param value of x's dtype (default 0)
 * @returns [n, top + h + bottom, left + w + right, c], dtype of x
 * @throws ShapeError for other shapes, f16, or paddings that are negative or no whole numbers
 */
export function pad2d(x: Tensor, padding: readonly [number, number, number, number], value = 0): Tensor {
  check('pad2d', x);
  checkWhole('pad2d', 'padding', padding, 0);
  if (x.rank !== 4) throw new ShapeError('pad2d', `x is [${x.shape}], not [n, h, w, c]`);
  const [top, bottom, left, right] = padding;
  return windowOp({ x }, { start: [0, -top, -left, 0], size: [x.shape[0], x.shape[1] + top + bottom, x.shape[2] + left + right, x.shape[3]], value }).y;
}

/**
 * Joins tensors along an axis.
 * @param parts f32, i32 or u32 of one dtype and at most four axes; all sizes but those along the axis agree
 * @param axis from 0
 * @returns the same dtype; the sizes along the axis are added up
 * @throws ShapeError when the parts do not fit, are f16, or there is no such axis
 * @example const y = concat([skip, enlarged], 3);
 */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const first = parts[0];
  if (!first) throw new ShapeError('concat', 'there is nothing to join');
  for (const p of parts) {
    check('concat', p);
    if (p.rank !== first.rank || p.dtype !== first.dtype || p.shape.some((d, i) => i !== axis && d !== first.shape[i])) {
      throw new ShapeError('concat', `[${p.shape}] ${p.dtype} does not fit to [${first.shape}] ${first.dtype} along axis ${axis}`);
    }
  }
  if (axis < 0 || axis >= first.rank) throw new ShapeError('concat', `[${first.shape}] has no axis ${axis}`);
  return joiner(parts.length)(Object.fromEntries(parts.map((p, i) => [`x${i}`, p])), { axis }).y;
}

const joiners = new Map<number, (inputs: Record<string, Tensor | undefined>, attrs: { axis: number }) => Record<string, Tensor>>();

/** The operation that joins `count` tensors. */
function joiner(count: number) {
  const known = joiners.get(count);
  if (known) return known;
  const names = Array.from({ length: count }, (_, i) => `x${i}`);
  const startOf = (inputs: Readonly<Record<string, Tensor>>, i: number, axis: number): number[] => {
    const start = inputs.x0.shape.map(() => 0);
    for (let k = 0; k < i; k++) start[axis] += inputs[`x${k}`].shape[axis];
    return start;
  };
  const op = defineOp<{ axis: number }>({
    name: 'concat',
    inputs: names,
    outputs: ['y'],
    forward(inputs, { axis }) {
      const size = inputs.x0.shape.slice();
      size[axis] = names.reduce((n, k) => n + inputs[k].shape[axis], 0);
      const y = inputs.x0.device.empty(size, inputs.x0.dtype, 'concat');
      names.forEach((k, i) => {
        const x = inputs[k];
        const { constants, params, lanes } = boxed(x.shape, size, startOf(inputs, i, axis));
        x.device.run({ shader: 'window', entry: 'place', constants, bindings: { x, y }, params, threads: x.size / lanes });
      });
      return y;
    },
    backward: Object.fromEntries(
      names.map((k, i) => [k, ({ dy, inputs, attrs: { axis } }) => windowOp({ x: dy }, { start: startOf(inputs, i, axis), size: inputs[k].shape, value: 0 }).y]),
    ),
    twice: true,
  });
  joiners.set(count, op);
  return op;
}
