// ONNX's MaxUnpool: elements at the places that MaxPool found them, zeros elsewhere.

import * as ops from '../../ops/index.ts';
import { sizeOf, type Shape, type Tensor } from '../../tensor.ts';
import type { Call } from './operator.ts';
import { perAxis } from './windows.ts';

/** The places of an image of a shape along each axis, from places in the flattened image. */
function coordinates(index: Tensor, shape: Shape): Tensor[] {
  return shape.map((d, a) => ops.remainder(ops.floorDivide(index, sizeOf(shape.slice(a + 1))), d));
}

/** Windows over the spatial axes. */
interface Windows {
  kernel: readonly number[];
  stride: readonly number[];
  before: readonly number[];
}

/** 1 where each place is in its own window of an image of a shape, as those from MaxPool are; else 0. A scalar. */
function inWindows(index: Tensor, shape: Shape, { kernel, stride, before }: Windows): Tensor {
  const fits = coordinates(index, shape).map((at, a) => {
    const n = index.shape[a];
    const list = Int32Array.from({ length: n }, (_, i) => (a < 2 ? i : i * stride[a - 2] - before[a - 2]));
    const first = index.device.tensor(list, [n, ...Array<number>(index.rank - 1 - a).fill(1)]);
    return a < 2 ? ops.eq(at, first) : ops.logicalAnd(ops.ge(at, first), ops.lt(at, ops.add(first, kernel[a - 2])));
  });
  return ops.amin(fits.reduce((x, y) => ops.logicalAnd(x, y)));
}

/**
 * The places in an image of a wanted shape. PyTorch and onnxruntime count them in that image, as MaxPool does for an
 * image of odd size. ONNX's own example counts them in the smaller image that the windows cover. Such places are
 * recognised by being in their windows there, and not in the wanted image.
 */
function placesIn(index: Tensor, wanted: Shape, covered: Shape, w: Windows): Tensor {
  const bigger = covered.every((d, i) => d >= 1 && d <= wanted[i]) && covered.some((d, i) => d < wanted[i]);
  if (!bigger) return index;
  const strides = wanted.map((_, a) => sizeOf(wanted.slice(a + 1)));
  const moved = coordinates(index, covered)
    .map((at, a) => ops.mul(at, strides[a]))
    .reduce((x, y) => ops.add(x, y));
  const small = ops.logicalAnd(inWindows(index, covered, w), ops.logicalNot(inWindows(index, wanted, w)));
  return ops.where(small, moved, index);
}

export function unpool(c: Call): Tensor {
  const x = c.x();
  const index = c.x(1);
  const [n, ch, ...size] = x.shape;
  const kernel = perAxis(c, 'kernel_shape', size.length, 0);
  const stride = perAxis(c, 'strides', size.length, 1);
  const pads = perAxis(c, 'pads', 2 * size.length, 0, 0);
  if (size.length < 1 || String(index.shape) !== String(x.shape)) c.wrong(`[${x.shape}] with places [${index.shape}]`);
  const covered = [n, ch, ...size.map((d, i) => (d - 1) * stride[i] + kernel[i] - pads[i] - pads[i + size.length])];
  const shape = c.host(2) ?? covered;
  const fits =
    shape.length === x.rank &&
    shape[0] === n &&
    shape[1] === ch &&
    shape.every((d, i) => Number.isInteger(d) && d >= (i < 2 ? 0 : 1));
  if (!fits) c.wrong(`[${x.shape}] cannot become [${shape}]`);
  const windows = { kernel, stride, before: pads.slice(0, size.length) };
  const places = x.size > 0 ? placesIn(index, shape, covered, windows) : index;
  const flat = ops.zeros(c.device, [sizeOf(shape)], x.dtype);
  return ops.reshape(ops.scatter(flat, 0, ops.reshape(places, [x.size]), ops.reshape(x, [x.size])), shape);
}
