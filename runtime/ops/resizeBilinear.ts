// Bilinear resize in the two conventions of the segmentation literature.

import { defineOp } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { checkWhole } from '../kernel/geometry.ts';
import { byVectors } from '../kernel/vectors.ts';
import { checkF32, type Shape, type Tensor } from '../tensor.ts';

export interface ResizeOptions {
  /** true: corner pixels' centres coincide; false (default): pixel areas do (PyTorch's `align_corners=False`). */
  alignCorners?: boolean;
}

interface Attrs {
  y: Shape;
  scale: readonly [number, number];
  shift: readonly [number, number];
}

const op = defineOp<Attrs>({
  name: 'resizeBilinear',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, { y: shape, scale, shift }) {
    const y = x.device.empty(shape, 'f32', 'resizeBilinear');
    const { constants, lanes, sizes } = byVectors(x.shape, shape);
    x.device.run({ shader: 'resizeBilinear', entry: 'forward', constants, bindings: { x, y }, params: { ...sizes, scale, shift }, threads: y.size / lanes });
    return y;
  },
  backward: {
    x: ({ dy, inputs: { x }, attrs: { y, scale, shift } }) => {
      const dx = x.device.empty(x.shape, 'f32', 'resizeBilinear gradient');
      const { constants, lanes, sizes } = byVectors(x.shape, y);
      x.device.run({ shader: 'resizeBilinear', entry: 'backward', constants, bindings: { dy, dx }, params: { ...sizes, scale, shift }, threads: x.size / lanes });
      return dx;
    },
  },
});

/**
 * Enlarging interpolates; shrinking does not filter (as PyTorch without antialias).
 * @param x f32 [n, h, w, c]
 * @param size height and width of the result, whole numbers of at least 1
 * @returns f32 [n, size[0], size[1], c]
 * @throws ShapeError when a size is empty or no whole number, or x is not f32
 * @example const y = resizeBilinear(x, [2 * h, 2 * w], { alignCorners: true });
 */
export function resizeBilinear(x: Tensor, size: readonly [number, number], options: ResizeOptions = {}): Tensor {
  if (x.rank !== 4) throw new ShapeError('resizeBilinear', `x is [${x.shape}], not [n, h, w, c]`);
  checkF32('resizeBilinear', { x });
  checkWhole('resizeBilinear', 'the size', size, 1);
  if (x.shape[1] < 1 || x.shape[2] < 1) throw new ShapeError('resizeBilinear', `cannot resize [${x.shape}] to ${size}`);
  const along = (from: number, to: number): [number, number] => {
    if (options.alignCorners) return [to > 1 ? (from - 1) / (to - 1) : 0, 0];
    return [from / to, (0.5 * from) / to - 0.5];
  };
  const [sy, hy] = along(x.shape[1], size[0]), [sx, hx] = along(x.shape[2], size[1]);
  return op({ x }, { y: [x.shape[0], size[0], size[1], x.shape[3]], scale: [sy, sx], shift: [hy, hx] }).y;
}
