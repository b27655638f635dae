// ONNX's operators that make tensors, move elements, or pick them.

import * as ops from '../../ops/index.ts';
import { sizeOf, type Shape, type Tensor } from '../../tensor.ts';
import { tiles } from './legacy.ts';
import type { Call } from './operator.ts';
import { isReal, plain, reads, upload, type Made, type Operator, type Value } from './operator.ts';
import { typeOf } from './tensor.ts';

/** Numbers that the host lists at most. */
const MOST_LISTED = 2 ** 24;

/** Whole numbers that the host knows. */
const known = (c: Call, shape: Shape, data: readonly number[]): Value =>
  upload(c.device, { dtype: 'i64', shape, data });

function reshape(c: Call): Tensor {
  const x = c.x();
  const shape = c.list('shape', 1) ?? c.wrong('there is no shape');
  const zeros = c.number('allowzero', 0) !== 0;
  if (zeros && shape.includes(0) && shape.includes(-1)) c.wrong(`[${shape}] has both 0 and -1 with allowzero`);
  const size = (d: number, i: number): number => {
    if (d !== 0 || zeros) return d;
    return i < x.rank ? x.shape[i] : c.wrong(`[${shape}] copies axis ${i} of [${x.shape}], which has none`);
  };
  return ops.reshape(x, shape.map(size));
}

function flatten(c: Call): Tensor {
  const { shape, rank } = c.x();
  const axis = c.number('axis', 1);
  const a = axis === rank ? rank : c.axis(axis, rank);
  return ops.reshape(c.x(), [sizeOf(shape.slice(0, a)), sizeOf(shape.slice(a))]);
}

function squeeze(c: Call): Tensor {
  const { shape, rank } = c.x();
  const listed = c.list('axes', 1);
  const axes = listed && c.axes(listed, rank);
  const wide = axes?.find((a) => shape[a] !== 1);
  if (wide !== undefined) c.wrong(`axis ${wide} of [${shape}] is not 1`);
  return ops.reshape(
    c.x(),
    shape.filter((d, i) => (axes ? !axes.includes(i) : d !== 1)),
  );
}

function unsqueeze(c: Call): Tensor {
  const { shape } = c.x();
  const listed = c.list('axes', 1) ?? c.wrong('there are no axes');
  const rank = shape.length + listed.length;
  const axes = c.axes(listed, rank);
  const rest = shape.slice();
  return ops.reshape(
    c.x(),
    Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!)),
  );
}

function constant(c: Call): Made {
  if (c.has('value')) return upload(c.device, c.tensor('value'));
  for (const [name, dtype] of [
    ['value_float', 'f32'],
    ['value_int', 'i64'],
  ] as const)
    if (c.has(name)) return upload(c.device, { dtype, shape: [], data: [c.number(name, 0)] });
  for (const [name, dtype] of [
    ['value_floats', 'f32'],
    ['value_ints', 'i64'],
  ] as const) {
    if (!c.has(name)) continue;
    const data = c.ints(name, []);
    return upload(c.device, { dtype, shape: [data.length], data });
  }
  return c.unsupported('its value is neither numbers nor a tensor');
}

function constantOfShape(c: Call): Value {
  const { dtype, data } = c.has('value') ? c.tensor('value') : { dtype: 'f32' as const, data: [0] };
  if (data.length !== 1) c.wrong(`the value has ${data.length} elements`);
  return { type: dtype, tensor: ops.full(c.device, c.elements(0), data[0], isReal(dtype) ? 'f32' : 'i32') };
}

function range(c: Call): Value {
  const [start] = c.elements(0);
  const [limit] = c.elements(1);
  const [delta] = c.elements(2);
  const n = Math.max(0, Math.ceil((limit - start) / delta));
  if (!(n <= MOST_LISTED)) c.wrong(`from ${start} to ${limit} by ${delta} is not a list, or too long`);
  return upload(c.device, {
    dtype: c.value(0).type,
    shape: [n],
    data: Array.from({ length: n }, (_, i) => start + i * delta),
  });
}

function slice(c: Call): Tensor {
  const x = c.x();
  const starts = c.list('starts', 1) ?? c.wrong('there are no starts');
  const ends = c.list('ends', 2) ?? c.wrong('there are no ends');
  const axes = c.axes(c.list('axes', 3) ?? starts.map((_, i) => i), x.rank);
  const steps = c.host(4) ?? starts.map(() => 1);
  if ([ends, axes, steps].some((l) => l.length !== starts.length)) {
    c.wrong(`${starts.length} starts, ${ends.length} ends, ${axes.length} axes and ${steps.length} steps`);
  }
  let y = x.view(x.shape);
  axes.forEach((a, i) => {
    const d = x.shape[a];
    const step = steps[i];
    const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v < 0 ? v + d : v, low), high);
    const only = (r: ops.Range): (ops.Range | null)[] => y.shape.map((_, k) => (k === a ? r : null));
    if (step === 0) c.wrong(`the step of axis ${a} is 0`);
    if (step > 0) y = ops.slice(y, only([clamp(starts[i], 0, d), clamp(ends[i], 0, d), Math.min(step, 2 ** 30)]));
    else {
      // Backwards: turned round, then forwards.
      const start = d - 1 - clamp(starts[i], -1, d - 1);
      const end = d - 1 - clamp(ends[i], -1, d - 1);
      y = ops.slice(ops.flip(y, [a]), only([start, Math.max(start, end), Math.min(-step, 2 ** 30)]));
    }
  });
  return y;
}

function split(c: Call): Tensor[] {
  const x = c.x();
  // The first version names no default; later ones have 0.
  if (c.opset < 2 && !c.has('axis')) c.unsupported('opset 1 has no default for axis, and none is given');
  const axis = c.axis(c.number('axis', 0), x.rank);
  const sizes = c.list('split', 1);
  if (sizes) return ops.split(x, sizes, axis);
  const n = x.shape[axis];
  const parts = c.node.outputs.length;
  const stated = c.number('num_outputs', parts);
  if (stated !== parts) c.wrong(`num_outputs is ${stated} for ${parts} outputs`);
  // From opset 18 on the last part may be smaller.
  const each = Math.ceil(n / parts);
  const last = n - (parts - 1) * each;
  if (last < 0 || (c.opset < 18 && last !== each)) {
    c.wrong(`${n} elements do not divide into ${parts} parts in opset ${c.opset}`);
  }
  return ops.split(
    x,
    Array.from({ length: parts }, (_, i) => (i < parts - 1 ? each : last)),
    axis,
  );
}

/** The four ways to fill up; wrap since opset 19. */
const MODES = { constant: 'constant', reflect: 'reflect', edge: 'replicate', wrap: 'circular' } as const;

function pad(c: Call): Tensor {
  const x = c.x();
  // The first version called them paddings.
  const pads = c.list(c.has('paddings') ? 'paddings' : 'pads', 1) ?? c.wrong('there are no pads');
  const axes = c.axes(c.host(3) ?? x.shape.map((_, i) => i), x.rank);
  if (pads.length !== 2 * axes.length) c.wrong(`${pads.length} pads for ${axes.length} axes`);
  const name = c.text('mode', 'constant');
  if (!Object.hasOwn(MODES, name)) c.unsupported(`there is no mode ${name}`);
  const mode = MODES[name as keyof typeof MODES];
  const both = x.shape.map((_, i) => {
    const k = axes.indexOf(i);
    return k < 0 ? ([0, 0] as const) : ([pads[k], pads[k + axes.length]] as const);
  });
  const value = mode === 'constant' ? { value: c.host(2)?.[0] ?? c.number('value', 0) } : {};
  return ops.pad(x, both, { mode, ...value });
}

function shapeOf(c: Call): Value {
  const { shape } = c.x();
  const part = shape.slice(c.number('start', 0), c.number('end', shape.length));
  return known(c, [part.length], part);
}

function centre(c: Call): Tensor {
  const x = c.x();
  const target = c.elements(1);
  const axes = c.axes(
    c.ints(
      'axes',
      x.shape.map((_, i) => i),
    ),
    x.rank,
  );
  const padding = x.shape.map((d, i) => {
    const more = axes.includes(i) ? target[axes.indexOf(i)] - d : 0;
    const before = more < 0 ? -Math.floor(-more / 2) : Math.floor(more / 2);
    return [before, more - before] as const;
  });
  return ops.pad(x, padding);
}

function eyeLike(c: Call): Value {
  const { shape } = c.x();
  const k = c.number('k', 0);
  const type = c.has('dtype') ? typeOf(c.number('dtype', 1), 'EyeLike') : c.value(0).type;
  const ones = ops.full(c.device, shape, 1, isReal(type) ? 'f32' : 'i32');
  return { type, tensor: ops.triu(ops.tril(ones, k), k) };
}

function depthToSpace(c: Call): Tensor {
  const [n, ch, h, w] = c.x().shape;
  const b = c.number('blocksize', 1);
  const d = ch / (b * b);
  const crd = c.text('mode', 'DCR') === 'CRD';
  const parts = ops.reshape(c.x(), crd ? [n, d, b, b, h, w] : [n, b, b, d, h, w]);
  return ops.reshape(ops.permute(parts, crd ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]), [n, d, h * b, w * b]);
}

function spaceToDepth(c: Call): Tensor {
  const [n, ch, h, w] = c.x().shape;
  const b = c.number('blocksize', 1);
  return ops.reshape(ops.permute(ops.reshape(c.x(), [n, ch, h / b, b, w / b, b]), [0, 3, 5, 1, 2, 4]), [
    n,
    ch * b * b,
    h / b,
    w / b,
  ]);
}

function gather(c: Call): Tensor {
  const x = c.x();
  const index = c.x(1);
  const a = c.axis(c.number('axis', 0), x.rank);
  return ops.reshape(ops.indexSelect(x, a, ops.reshape(index, [index.size])), [
    ...x.shape.slice(0, a),
    ...index.shape,
    ...x.shape.slice(a + 1),
  ]);
}

/** Places in the flattened leading axes of x, from the last axis of the indices. */
function places(x: Shape, index: Tensor): { flat: Tensor; depth: number } {
  const depth = index.shape[index.rank - 1];
  const rows = ops.reshape(index, [index.size / Math.max(1, depth), depth]);
  const strides = Array.from({ length: depth }, (_, i) => sizeOf(x.slice(i + 1, depth)));
  const positive = ops.where(
    ops.lt(rows, 0),
    ops.add(rows, index.device.tensor(Int32Array.from(x.slice(0, depth)), [depth])),
    rows,
  );
  return { flat: ops.sum(ops.mul(positive, index.device.tensor(Int32Array.from(strides), [depth])), 1), depth };
}

function gatherND(c: Call): Tensor {
  // Both sides' first axes go together: their number comes in front of the indices.
  const x = c.x();
  const index = c.x(1);
  const b = c.number('batch_dims', 0);
  const batch = sizeOf(x.shape.slice(0, b));
  if (!(b >= 0 && b < index.rank && b < x.rank)) c.wrong(`batch_dims is ${b}`);
  const { flat, depth } = places(x.shape.slice(b), index);
  const lead = sizeOf(x.shape.slice(b, b + depth));
  const rest = x.shape.slice(b + depth);
  const each = flat.size / Math.max(1, batch);
  const from = c.device.tensor(
    Int32Array.from({ length: batch }, (_, i) => i * lead),
    [batch, 1],
  );
  const at = b === 0 ? flat : ops.reshape(ops.add(ops.reshape(flat, [batch, each]), from), [flat.size]);
  return ops.reshape(ops.indexSelect(ops.reshape(x, [batch * lead, ...rest]), 0, at), [
    ...index.shape.slice(0, -1),
    ...rest,
  ]);
}

function scattered(c: Call, x: Tensor, axis: number, index: Tensor, src: Tensor): Tensor {
  const how = c.text('reduction', 'none');
  const ways: Record<string, 'sum' | 'prod' | 'amax' | 'amin'> = { add: 'sum', mul: 'prod', max: 'amax', min: 'amin' };
  return how === 'none'
    ? ops.scatter(x, axis, index, src)
    : ops.scatterReduce(x, axis, index, src, ways[how] ?? c.unsupported(`there is no reduction ${how}`));
}

function scatterND(c: Call): Tensor {
  const x = c.x();
  const { flat, depth } = places(x.shape, c.x(1));
  const lead = sizeOf(x.shape.slice(0, depth));
  const rest = sizeOf(x.shape.slice(depth));
  const index = ops.expand(ops.unsqueeze(flat, 1), [flat.size, rest]);
  return ops.reshape(
    scattered(c, ops.reshape(x, [lead, rest]), 0, index, ops.reshape(c.x(2), [flat.size, rest])),
    x.shape,
  );
}

function oneHot(c: Call): Value {
  const index = c.x();
  const depth = c.elements(1)[0];
  const values = c.x(2);
  const axis = c.axis(c.number('axis', -1), index.rank + 1);
  if (!(depth >= 0 && depth <= MOST_LISTED)) c.wrong(`${depth} classes`);
  const shape = [depth, ...Array<number>(index.rank - axis).fill(1)];
  const classes = c.device.tensor(
    Int32Array.from({ length: depth }, (_, i) => i),
    shape,
  );
  const label = ops.unsqueeze(ops.cast(index, 'i32'), axis);
  // From opset 11 on negative labels count from the end; before, they are none of the classes.
  const counted = c.opset < 11 ? label : ops.where(ops.lt(label, 0), ops.add(label, depth), label);
  const [off, on] = [0, 1].map((i) => ops.reshape(ops.slice(values, [i], [1]), []));
  return { type: c.value(2).type, tensor: ops.where(ops.eq(counted, classes), on, off) };
}

/** Before opset 4 the axis was 1 where nothing was said; from then on it must be said. */
function concat(c: Call): Tensor {
  if (c.opset >= 4 && !c.has('axis')) c.wrong('there is no axis');
  return ops.concat(
    c.values.map((_, i) => c.x(i)),
    c.number('axis', 1),
  );
}

export const SHAPE: Record<string, Operator> = {
  CenterCropPad: reads([1], centre),
  Concat: plain(concat),
  Constant: plain(constant),
  ConstantOfShape: reads([0], constantOfShape),
  DepthToSpace: plain(depthToSpace),
  Expand: reads([1], (c) => {
    const { shape } = c.x();
    const wanted = c.elements(1);
    const rank = Math.max(shape.length, wanted.length);
    const at = (s: Shape, i: number): number => s[i - rank + s.length] ?? 1;
    return ops.expand(
      c.x(),
      Array.from({ length: rank }, (_, i) => (at(wanted, i) === 1 ? at(shape, i) : at(wanted, i))),
    );
  }),
  EyeLike: plain(eyeLike),
  Flatten: plain(flatten),
  Gather: plain(gather),
  GatherElements: plain((c) => ops.gather(c.x(), c.number('axis', 0), c.x(1))),
  GatherND: plain(gatherND),
  OneHot: reads([1], oneHot),
  Pad: reads([1, 2, 3], pad),
  Range: reads([0, 1, 2], range),
  Reshape: reads([1], reshape),
  // The name before opset 11.
  Scatter: plain((c) => ops.scatter(c.x(), c.number('axis', 0), c.x(1), c.x(2))),
  ScatterElements: plain((c) => scattered(c, c.x(), c.number('axis', 0), c.x(1), c.x(2))),
  ScatterND: plain(scatterND),
  Shape: plain(shapeOf),
  Size: plain((c) => known(c, [], [c.x().size])),
  Slice: reads([1, 2, 3, 4], slice),
  SpaceToDepth: plain(spaceToDepth),
  Split: reads([1], split),
  Squeeze: reads([1], squeeze),
  Tile: reads([1, 2], (c) => ops.repeat(c.x(), tiles(c))),
  Transpose: plain((c) =>
    ops.permute(
      c.x(),
      c.ints(
        'perm',
        c.x().shape.map((_, i) => c.x().rank - 1 - i),
      ),
    ),
  ),
  Trilu: reads([1], (c) => (c.number('upper', 1) ? ops.triu : ops.tril)(c.x(), c.host(1)?.[0] ?? 0)),
  Unsqueeze: reads([1], unsqueeze),
};
