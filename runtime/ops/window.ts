// Boxes of tensors: slice, constant padding, concatenation. Each one's gradient is another.

import { defineOp } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
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

/** The kernel's constants and params for a box of y that begins at `start`; last axes that 4 divides are taken by vectors. */
function boxed(x: Shape, y: Shape, start: Shape, value: number): { constants: Constants; params: Record<string, ParamValue>; lanes: number } {
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
    const { constants, params, lanes } = boxed(x.shape, size, start, value);
    x.device.run({ shader: 'window', entry: 'forward', constants, bindings: { x, y }, params, threads: y.size / lanes });
    return y;
  },
  backward: { x: ({ dy, inputs: { x }, attrs: { start } }) => windowOp({ x: dy }, { start: start.map((s) => -s), size: x.shape, value: 0 }).y },
});

function check(op: string, x: Tensor): void {
  if (x.rank > 4) throw new ShapeError(op, `x is [${x.shape}]`, 'at most four axes');
}

/** The box of `size` that begins at `start`. */
export function slice(x: Tensor, start: Shape, size: Shape): Tensor {
  check('slice', x);
  if (start.length !== x.rank || size.length !== x.rank || start.some((s, i) => s < 0 || size[i] < 0 || s + size[i] > x.shape[i])) {
    throw new ShapeError('slice', `[${size}] from [${start}] does not lie inside [${x.shape}]`);
  }
  return windowOp({ x }, { start, size, value: 0 }).y;
}

/**
 * Pads [n, h, w, c] with a constant; f32.
 * @param padding top, bottom, left, right
 */
export function pad2d(x: Tensor, padding: readonly [number, number, number, number], value = 0): Tensor {
  if (x.rank !== 4 || padding.some((p) => p < 0)) throw new ShapeError('pad2d', `cannot pad [${x.shape}] by ${padding}`);
  const [top, bottom, left, right] = padding;
  return windowOp({ x }, { start: [0, -top, -left, 0], size: [x.shape[0], x.shape[1] + top + bottom, x.shape[2] + left + right, x.shape[3]], value }).y;
}

/**
 * Joins tensors along an axis. All other sizes must agree.
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
        const { constants, params, lanes } = boxed(x.shape, size, startOf(inputs, i, axis), 0);
        x.device.run({ shader: 'window', entry: 'place', constants, bindings: { x, y }, params, threads: x.size / lanes });
      });
      return y;
    },
    backward: Object.fromEntries(
      names.map((k, i) => [k, ({ dy, inputs, attrs: { axis } }) => windowOp({ x: dy }, { start: startOf(inputs, i, axis), size: inputs[k].shape, value: 0 }).y]),
    ),
  });
  joiners.set(count, op);
  return op;
}
