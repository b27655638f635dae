// The geometry of pooling windows over [n, h, w, c].

import { ShapeError } from '../errors.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { checkReal } from '../tensor.ts';
import { checkWhole, pair, sides, type Padding, type Pair } from './geometry.ts';

/** Settings of pooling. */
export interface PoolOptions {
  /** Height and width of a window. */
  kernel: Pair;
  /** Default: the kernel. */
  stride?: Pair;
  /** One number, [vertical, horizontal], or [top, bottom, left, right]; less than what a window spans (default 0). */
  padding?: Padding;
  /** Default 1. */
  dilation?: Pair;
  /** Round the output size up (a window must still start inside the image or its left padding). */
  ceilMode?: boolean;
}

export interface Windows {
  y: Shape;
  kernel: readonly [number, number];
  stride: readonly [number, number];
  /** top, bottom, left, right */
  pad: readonly [number, number, number, number];
  dilation: readonly [number, number];
  /** Windows that divide the image into equal parts, as far as whole pixels allow; nothing but y counts. */
  adaptive: boolean;
}

/** Checks that x is f32 or f16 [n, h, w, c]. @throws ShapeError */
export function checkImages(op: string, x: Tensor): void {
  if (x.rank !== 4) throw new ShapeError(op, `x is [${x.shape}], not [n, h, w, c]`);
  checkReal(op, { x });
}

/** @throws ShapeError when the windows do not fit, or a setting is not a whole number */
export function windows(op: string, x: Tensor, o: PoolOptions): Windows {
  checkImages(op, x);
  const kernel = pair(op, 'kernel', o.kernel, 1);
  const stride = pair(op, 'stride', o.stride ?? o.kernel, 1);
  const pad = sides(op, o.padding ?? 0);
  const dilation = pair(op, 'dilation', o.dilation ?? 1, 1);
  const out = [0, 1].map((axis) => {
    const size = x.shape[axis + 1];
    const [before, after] = pad.slice(2 * axis);
    const span = dilation[axis] * (kernel[axis] - 1) + 1;
    if (Math.max(before, after) >= span)
      throw new ShapeError(
        op,
        `padding ${pad} is as large as a window of ${kernel}`,
        'some windows would see nothing of the image',
      );
    const steps = (size + before + after - span) / stride[axis];
    const n = (o.ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1;
    return o.ceilMode && (n - 1) * stride[axis] >= size + before ? n - 1 : n;
  });
  if (out[0] < 1 || out[1] < 1)
    throw new ShapeError(op, `a window of ${kernel} does not fit into [${x.shape}]`, 'use a larger image');
  return { y: [x.shape[0], out[0], out[1], x.shape[3]], kernel, stride, pad, dilation, adaptive: false };
}

/** Refuses windows of which some see nothing of the image: all their taps lie in the padding. @throws ShapeError */
export function checkSeen(op: string, x: Tensor, { y, kernel, stride, pad, dilation }: Windows): void {
  for (const axis of [0, 1]) {
    const size = x.shape[axis + 1];
    const before = pad[2 * axis];
    // Without holes a window that is larger than the padding sees something of an image that is there.
    if (dilation[axis] === 1 && size > 0) continue;
    for (let o = 0; o < y[axis + 1]; o++) {
      const first = o * stride[axis] - before;
      const skipped = Math.max(0, Math.ceil(-first / dilation[axis]));
      if (skipped >= kernel[axis] || first + skipped * dilation[axis] >= size)
        throw new ShapeError(
          op,
          `window ${o} along axis ${axis + 1} of [${x.shape}] sees nothing of the image`,
          'use less padding or a smaller dilation',
        );
    }
  }
}

/**
 * Output pixel o covers floor(o h / size) to ceil((o + 1) h / size), as in PyTorch.
 * @throws ShapeError for empty images or sizes, or products beyond 32 bits
 */
export function adaptiveWindows(op: string, x: Tensor, size: Pair): Windows {
  checkImages(op, x);
  const [h, w] = pair(op, 'the size', size, 1);
  checkWhole(op, `h and w of [${x.shape}]`, x.shape.slice(1, 3), 1);
  if ((h + 1) * (x.shape[1] + 1) > 2 ** 31 || (w + 1) * (x.shape[2] + 1) > 2 ** 31)
    throw new ShapeError(
      op,
      `${x.shape[1]}x${x.shape[2]} pixels in ${h}x${w} parts`,
      'pixels times parts of a side must stay below 2^31',
    );
  return {
    y: [x.shape[0], h, w, x.shape[3]],
    kernel: [1, 1],
    stride: [1, 1],
    pad: [0, 0, 0, 0],
    dilation: [1, 1],
    adaptive: true,
  };
}
