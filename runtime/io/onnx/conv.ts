// ONNX's convolutions, over any number of axes: the engine's over the last two, sums over the taps of those in front.

import * as ops from '../../ops/index.ts';
import { sizeOf, type Tensor } from '../../tensor.ts';
import type { Call } from './operator.ts';
import { added, plain, reads, type Operator } from './operator.ts';
import {
  autoPad,
  cropped,
  first,
  halves,
  last,
  perAxis,
  spaced,
  spanOf,
  tapsOf,
  windowOf,
  type Window,
} from './windows.ts';

/** Without the numbers of the first axis. */
const inner = (w: Window): Window => ({
  kernel: w.kernel.slice(1),
  stride: w.stride.slice(1),
  dilation: w.dilation.slice(1),
  before: w.before.slice(1),
  after: w.after.slice(1),
});

/** Tap t of weights along their first axis. */
const tap = (w: Tensor, t: number): Tensor => ops.reshape(ops.slice(w, [[t, t + 1]]), w.shape.slice(1));

/** f of [n, rest of the axes...] for every place along the second axis of x. */
function overFirst(x: Tensor, f: (x: Tensor) => Tensor): Tensor {
  const [n, d, ...rest] = x.shape;
  const y = f(ops.reshape(x, [n * d, ...rest]));
  return ops.reshape(y, [n, d, ...y.shape.slice(1)]);
}

/** x [n, axes..., ci] with w [kernel..., ci / groups, co]. */
function convolved(x: Tensor, w: Tensor, at: Window, groups: number): Tensor {
  if (at.kernel.length === 1) {
    const wide = (t: Tensor, axis: number): Tensor => ops.unsqueeze(t, axis);
    return ops.squeeze(
      convolved(
        wide(x, 1),
        wide(w, 0),
        {
          kernel: [1, ...at.kernel],
          stride: [1, ...at.stride],
          dilation: [1, ...at.dilation],
          before: [0, ...at.before],
          after: [0, ...at.after],
        },
        groups,
      ),
      1,
    );
  }
  if (at.kernel.length === 2)
    return ops.conv2d(x, w, undefined, {
      stride: at.stride as [number, number],
      dilation: at.dilation as [number, number],
      padding: [at.before[0], at.after[0], at.before[1], at.after[1]],
      groups,
    });
  const n = Math.floor((x.shape[1] + at.before[0] + at.after[0] - spanOf(at, 0)) / at.stride[0]) + 1;
  return added(
    tapsOf(x, 1, at, 0, n, 0).map((v, t) => overFirst(v, (rows) => convolved(rows, tap(w, t), inner(at), groups))),
  );
}

/** Weights [a, b, kernel...] as [kernel..., b, a]. */
const turned = (w: Tensor): Tensor => ops.permute(w, [...w.shape.slice(2).map((_, i) => i + 2), 1, 0]);

const withBias = (c: Call, y: Tensor): Tensor => first(c.maybe(2) ? ops.add(y, c.x(2)) : y);

function conv(c: Call): Tensor {
  const x = c.x();
  const w = c.x(1);
  if (x.rank < 3 || w.rank !== x.rank) c.wrong(`[${x.shape}] with weights [${w.shape}]`);
  return withBias(
    c,
    convolved(last(x), turned(w), windowOf(c, x.shape.slice(2), w.shape.slice(2)), c.number('group', 1)),
  );
}

interface Spread {
  kernel: readonly number[];
  stride: readonly number[];
  dilation: readonly number[];
}

/** Every product where it belongs: x [n, axes..., ci] with w [kernel..., co / groups, ci], nothing cut off. */
function spread(x: Tensor, w: Tensor, s: Spread, groups: number): Tensor {
  if (s.kernel.length === 1)
    return ops.squeeze(
      spread(
        ops.unsqueeze(x, 1),
        ops.unsqueeze(w, 0),
        { kernel: [1, ...s.kernel], stride: [1, ...s.stride], dilation: [1, ...s.dilation] },
        groups,
      ),
      1,
    );
  if (s.kernel.length === 2)
    return ops.convTranspose2d(x, w, undefined, {
      stride: s.stride as [number, number],
      dilation: s.dilation as [number, number],
      groups,
    });
  const rest = { kernel: s.kernel.slice(1), stride: s.stride.slice(1), dilation: s.dilation.slice(1) };
  const size = (x.shape[1] - 1) * s.stride[0] + spanOf(s, 0);
  return added(
    Array.from({ length: s.kernel[0] }, (_, t) =>
      spaced(
        overFirst(x, (rows) => spread(rows, tap(w, t), rest, groups)),
        1,
        s.stride[0],
        t * s.dilation[0],
        size,
      ),
    ),
  );
}

function convTranspose(c: Call): Tensor {
  const x = c.x();
  const w = c.x(1);
  const n = x.rank - 2;
  if (n < 1 || w.rank !== x.rank) c.wrong(`[${x.shape}] with weights [${w.shape}]`);
  const s = { kernel: w.shape.slice(2), stride: perAxis(c, 'strides', n, 1), dilation: perAxis(c, 'dilations', n, 1) };
  const more = perAxis(c, 'output_padding', n, 0, 0);
  const pads = perAxis(c, 'pads', 2 * n, 0, 0);
  const auto = autoPad(c);
  const wanted = c.has('output_shape')
    ? c.ints('output_shape', []).slice(-n)
    : auto.startsWith('SAME')
      ? s.stride.map((d, i) => d * x.shape[i + 2])
      : undefined;
  // Before opset 11 the odd element goes to the other side than in later versions, and than in Conv.
  const upper = (auto === 'SAME_UPPER') === c.opset >= 11;
  // A wanted size decides what is cut off.
  const sides = s.kernel.map((_, i): [number, number] =>
    wanted
      ? halves((x.shape[i + 2] - 1) * s.stride[i] + spanOf(s, i) + more[i] - wanted[i], upper)
      : auto === 'VALID'
        ? [0, 0]
        : [pads[i], pads[i + n]],
  );
  const y = spread(last(x), turned(w), s, c.number('group', 1));
  return withBias(
    c,
    cropped(
      y,
      1,
      sides.map((p) => p[0]),
      sides.map((p, i) => p[1] - more[i]),
    ),
  );
}

/** Patches [n, c kernel..., places] added up to an image, axis by axis. */
function col2im(c: Call): Tensor {
  const size = c.elements(1);
  const kernel = c.elements(2);
  const axes = size.length;
  const [n, rows, count] = c.x().shape;
  const channels = rows / sizeOf(kernel);
  const w = windowOf(c, size, kernel);
  const places = size.map((d, i) => Math.floor((d + w.before[i] + w.after[i] - spanOf(w, i)) / w.stride[i]) + 1);
  if (sizeOf(places) !== count || !Number.isInteger(channels))
    c.wrong(`[${c.x().shape}] are not ${places.join(' x ')} patches of ${kernel.join(' x ')}`);
  let y = ops.reshape(c.x(), [n, channels, ...kernel, ...places]);
  for (let i = 0; i < axes; i++) {
    // The taps of this axis come first among those that are left, in axis 2; without them its places are always in the
    // same axis.
    const taken = (t: number): Tensor =>
      ops.reshape(
        ops.slice(y, [null, null, [t, t + 1]]),
        y.shape.filter((_, a) => a !== 2),
      );
    y = added(
      Array.from({ length: kernel[i] }, (_, t) =>
        spaced(taken(t), 1 + axes, w.stride[i], t * w.dilation[i], size[i] + w.before[i] + w.after[i]),
      ),
    );
  }
  return cropped(y, 2, w.before, w.after);
}

export const CONV: Record<string, Operator> = {
  Col2Im: reads([1, 2], col2im),
  Conv: plain(conv),
  ConvTranspose: plain(convTranspose),
};
