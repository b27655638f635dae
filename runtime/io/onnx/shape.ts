// ONNX's operators that make tensors, move elements, or pick them.

import * as ops from '../../ops/index.ts';
import { sizeOf, type Shape, type Tensor } from '../../tensor.ts';
import { typeOf } from './model.ts';
import { Call, isReal, plain, reads, upload, type Made, type Operator, type Value } from './operator.ts';

/** Numbers that the host lists at most. */
const MOST_LISTED = 2 ** 24;

const from = (c: Call, axis: number, rank: number): number => {
  const a = axis < 0 ? axis + rank : axis;
  return a >= 0 && a <= rank && Number.isInteger(a) ? a : c.wrong(`there is no axis ${axis} of ${rank}`);
};

/** Whole numbers that the host knows. */
const known = (c: Call, shape: Shape, data: readonly number[]): Value => upload(c.device, { dtype: 'i64', shape, data });

function reshape(c: Call): Tensor {
  const x = c.x(), shape = c.list('shape', 1) ?? c.wrong('there is no shape'), keep = !c.number('allowzero', 0);
  return ops.reshape(x, shape.map((d, i) => (d === 0 && keep ? x.shape[i] : d)));
}

function flatten(c: Call): Tensor {
  const { shape } = c.x(), a = from(c, c.number('axis', 1), shape.length);
  return ops.reshape(c.x(), [sizeOf(shape.slice(0, a)), sizeOf(shape.slice(a))]);
}

function squeeze(c: Call): Tensor {
  const { shape } = c.x(), axes = c.list('axes', 1)?.map((a) => from(c, a, shape.length));
  return ops.reshape(c.x(), shape.filter((d, i) => (axes ? !axes.includes(i) : d !== 1)));
}

function unsqueeze(c: Call): Tensor {
  const { shape } = c.x(), listed = c.list('axes', 1) ?? [], rank = shape.length + listed.length, axes = listed.map((a) => from(c, a, rank)), rest = shape.slice();
  return ops.reshape(c.x(), Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!)));
}

function constant(c: Call): Made {
  if (c.has('value')) return upload(c.device, c.tensor('value'));
  for (const [name, dtype] of [['value_float', 'f32'], ['value_int', 'i64']] as const) if (c.has(name)) return upload(c.device, { dtype, shape: [], data: [c.number(name, 0)] });
  for (const [name, dtype] of [['value_floats', 'f32'], ['value_ints', 'i64']] as const) {
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
  const [start] = c.elements(0), [limit] = c.elements(1), [delta] = c.elements(2), n = Math.max(0, Math.ceil((limit - start) / delta));
  if (!(n <= MOST_LISTED)) c.wrong(`from ${start} to ${limit} by ${delta} is no list, or too long a one`);
  return upload(c.device, { dtype: c.value(0).type, shape: [n], data: Array.from({ length: n }, (_, i) => start + i * delta) });
}

function slice(c: Call): Tensor {
  const x = c.x(), starts = c.list('starts', 1) ?? [], ends = c.list('ends', 2) ?? [], axes = c.list('axes', 3) ?? starts.map((_, i) => i), steps = c.host(4) ?? starts.map(() => 1);
  let y = x.view(x.shape);
  axes.forEach((axis, i) => {
    const a = from(c, axis, x.rank), d = x.shape[a], step = steps[i], clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v < 0 ? v + d : v, low), high);
    const only = (r: ops.Range): (ops.Range | null)[] => y.shape.map((_, k) => (k === a ? r : null));
    if (step > 0) y = ops.slice(y, only([clamp(starts[i], 0, d), clamp(ends[i], 0, d), Math.min(step, 2 ** 30)]));
    else {
      // Backwards: turned round, then forwards.
      const start = d - 1 - clamp(starts[i], -1, d - 1), end = d - 1 - clamp(ends[i], -1, d - 1);
      y = ops.slice(ops.flip(y, [a]), only([start, Math.max(start, end), Math.min(-step, 2 ** 30)]));
    }
  });
  return y;
}

function split(c: Call): Tensor[] {
  const x = c.x(), axis = c.number('axis', 0), n = x.shape.at(axis) ?? 0, parts = c.number('num_outputs', c.node.outputs.length);
  return ops.split(x, c.list('split', 1) ?? Math.max(1, Math.ceil(n / parts)), axis);
}

function pad(c: Call): Tensor {
  const x = c.x(), pads = c.list('pads', 1) ?? [], axes = (c.host(3) ?? x.shape.map((_, i) => i)).map((a) => from(c, a, x.rank));
  const mode = ({ constant: 'constant', reflect: 'reflect', edge: 'replicate', wrap: 'circular' } as const)[c.text('mode', 'constant')] ?? c.unsupported('the mode is not known');
  const both = x.shape.map((_, i) => (axes.includes(i) ? ([pads[axes.indexOf(i)], pads[axes.indexOf(i) + axes.length]] as const) : ([0, 0] as const)));
  return ops.pad(x, both, { mode, ...(mode === 'constant' ? { value: c.host(2)?.[0] ?? c.number('value', 0) } : {}) });
}

function shapeOf(c: Call): Value {
  const { shape } = c.x(), part = shape.slice(c.number('start', 0), c.number('end', shape.length));
  return known(c, [part.length], part);
}

function centre(c: Call): Tensor {
  const x = c.x(), target = c.elements(1), axes = c.ints('axes', x.shape.map((_, i) => i)).map((a) => from(c, a, x.rank));
  const padding = x.shape.map((d, i) => {
    const more = axes.includes(i) ? target[axes.indexOf(i)] - d : 0, before = more < 0 ? -Math.floor(-more / 2) : Math.floor(more / 2);
    return [before, more - before] as const;
  });
  return ops.pad(x, padding);
}

function eyeLike(c: Call): Value {
  const { shape } = c.x(), k = c.number('k', 0), type = c.has('dtype') ? typeOf(c.number('dtype', 1), 'EyeLike') : c.value(0).type;
  const ones = ops.full(c.device, shape, 1, isReal(type) ? 'f32' : 'i32');
  return { type, tensor: ops.triu(ops.tril(ones, k), k) };
}

function depthToSpace(c: Call): Tensor {
  const [n, ch, h, w] = c.x().shape, b = c.number('blocksize', 1), d = ch / (b * b), crd = c.text('mode', 'DCR') === 'CRD';
  const parts = ops.reshape(c.x(), crd ? [n, d, b, b, h, w] : [n, b, b, d, h, w]);
  return ops.reshape(ops.permute(parts, crd ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]), [n, d, h * b, w * b]);
}

function spaceToDepth(c: Call): Tensor {
  const [n, ch, h, w] = c.x().shape, b = c.number('blocksize', 1);
  return ops.reshape(ops.permute(ops.reshape(c.x(), [n, ch, h / b, b, w / b, b]), [0, 3, 5, 1, 2, 4]), [n, ch * b * b, h / b, w / b]);
}

function gather(c: Call): Tensor {
  const x = c.x(), index = c.x(1), a = from(c, c.number('axis', 0), x.rank);
  return ops.reshape(ops.indexSelect(x, a, ops.reshape(index, [index.size])), [...x.shape.slice(0, a), ...index.shape, ...x.shape.slice(a + 1)]);
}

/** Places in the flattened leading axes of x, from the last axis of the indices. */
function places(x: Shape, index: Tensor): { flat: Tensor; depth: number } {
  const depth = index.shape[index.rank - 1], rows = ops.reshape(index, [index.size / Math.max(1, depth), depth]);
  const strides = Array.from({ length: depth }, (_, i) => sizeOf(x.slice(i + 1, depth)));
  const positive = ops.where(ops.lt(rows, 0), ops.add(rows, index.device.tensor(Int32Array.from(x.slice(0, depth)), [depth])), rows);
  return { flat: ops.sum(ops.mul(positive, index.device.tensor(Int32Array.from(strides), [depth])), 1), depth };
}

function gatherND(c: Call): Tensor {
  // Both sides' first axes go together: their number comes in front of the indices.
  const x = c.x(), index = c.x(1), b = c.number('batch_dims', 0), batch = sizeOf(x.shape.slice(0, b));
  if (!(b >= 0 && b < index.rank && b < x.rank)) c.wrong(`batch_dims is ${b}`);
  const { flat, depth } = places(x.shape.slice(b), index), lead = sizeOf(x.shape.slice(b, b + depth)), rest = x.shape.slice(b + depth), each = flat.size / Math.max(1, batch);
  const from = c.device.tensor(Int32Array.from({ length: batch }, (_, i) => i * lead), [batch, 1]);
  const at = b === 0 ? flat : ops.reshape(ops.add(ops.reshape(flat, [batch, each]), from), [flat.size]);
  return ops.reshape(ops.indexSelect(ops.reshape(x, [batch * lead, ...rest]), 0, at), [...index.shape.slice(0, -1), ...rest]);
}

function scattered(c: Call, x: Tensor, axis: number, index: Tensor, src: Tensor): Tensor {
  const how = c.text('reduction', 'none');
  const ways: Record<string, 'sum' | 'prod' | 'amax' | 'amin'> = { add: 'sum', mul: 'prod', max: 'amax', min: 'amin' };
  return how === 'none' ? ops.scatter(x, axis, index, src) : ops.scatterReduce(x, axis, index, src, ways[how] ?? c.unsupported(`there is no reduction ${how}`));
}

function scatterND(c: Call): Tensor {
  const x = c.x(), { flat, depth } = places(x.shape, c.x(1)), lead = sizeOf(x.shape.slice(0, depth)), rest = sizeOf(x.shape.slice(depth));
  const index = ops.expand(ops.unsqueeze(flat, 1), [flat.size, rest]);
  return ops.reshape(scattered(c, ops.reshape(x, [lead, rest]), 0, index, ops.reshape(c.x(2), [flat.size, rest])), x.shape);
}

function oneHot(c: Call): Value {
  const index = c.x(), depth = c.elements(1)[0], values = c.x(2), axis = from(c, c.number('axis', -1), index.rank + 1);
  if (!(depth >= 0 && depth <= MOST_LISTED)) c.wrong(`${depth} classes`);
  const classes = ops.reshape(c.device.tensor(Int32Array.from({ length: depth }, (_, i) => i), [depth]), [depth, ...Array<number>(index.rank - axis).fill(1)]);
  const label = ops.unsqueeze(ops.cast(index, 'i32'), axis), hit = ops.eq(ops.where(ops.lt(label, 0), ops.add(label, depth), label), classes), [off, on] = [0, 1].map((i) => ops.reshape(ops.slice(values, [i], [1]), []));
  return { type: c.value(2).type, tensor: ops.where(hit, on, off) };
}

export const SHAPE: Record<string, Operator> = {
  CenterCropPad: reads([1], centre),
  Concat: plain((c) => ops.concat(c.values.map((_, i) => c.x(i)), c.number('axis', 0))),
  Constant: plain(constant),
  ConstantOfShape: reads([0], constantOfShape),
  DepthToSpace: plain(depthToSpace),
  Expand: reads([1], (c) => {
    const { shape } = c.x(), wanted = c.elements(1), rank = Math.max(shape.length, wanted.length), at = (s: Shape, i: number): number => s[i - rank + s.length] ?? 1;
    return ops.expand(c.x(), Array.from({ length: rank }, (_, i) => (at(wanted, i) === 1 ? at(shape, i) : at(wanted, i))));
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
  Tile: reads([1], (c) => ops.repeat(c.x(), c.elements(1))),
  Transpose: plain((c) => ops.permute(c.x(), c.ints('perm', c.x().shape.map((_, i) => c.x().rank - 1 - i)))),
  Trilu: reads([1], (c) => (c.number('upper', 1) ? ops.triu : ops.tril)(c.x(), c.host(1)?.[0] ?? 0)),
  Unsqueeze: reads([1], unsqueeze),
};
