// Grids of sampling points from affine and projective transformations.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { pair } from '../kernel/geometry.ts';
import { checkReal, type Tensor } from '../tensor.ts';
import { defineReal, inF32 } from './cast.ts';
import { matmul } from './matmul.ts';
import { reshape } from './reshape.ts';

/** Settings of {@link affineGrid} and {@link projectiveGrid}. */
export interface GridOptions {
  /**
   * -1 and 1 are the centres of the corner pixels; false (default): their outer edges. Give {@link gridSample} the
   * same.
   */
  alignCorners?: boolean;
}

/** The pixels of a picture transformed by each matrix of theta [n, rows, 3]: [n, h, w, rows]. */
function transformed(
  op: string,
  theta: Tensor,
  rows: number,
  size: readonly [number, number],
  { alignCorners = false }: GridOptions,
): Tensor {
  checkReal(op, { theta });
  const [h, w] = pair(op, 'the size', size, 1);
  if (theta.rank !== 3 || theta.shape[1] !== rows || theta.shape[2] !== 3)
    throw new ShapeError(op, `theta is [${theta.shape}], not [n, ${rows}, 3]`);
  const { device } = theta;
  const points = device.empty([h, w, 3], 'f32', op);
  device.run({
    shader: 'affineGrid',
    entry: 'base',
    constants: { ALIGN: alignCorners },
    bindings: { points },
    params: { n: h * w, width: w, height: h },
    threads: h * w,
  });
  // Row by row, so that the gradient of theta is a sum of sums.
  return matmul(points, reshape(theta, [theta.shape[0], 1, rows, 3]), { transposeB: true });
}

const projectOp: Op<null, 'p'> = defineReal({
  name: 'projectiveGrid',
  inputs: ['p'],
  outputs: ['y'],
  forward({ p }) {
    const y = p.device.empty([...p.shape.slice(0, -1), 2], 'f32', 'projectiveGrid');
    const n = p.size / 3;
    p.device.run({
      shader: 'affineGrid',
      entry: 'project',
      bindings: { p, y },
      params: { n, width: 0, height: 0 },
      threads: n,
    });
    return y;
  },
  backward: {
    p: ({ dy, inputs: { p } }) => {
      const dp = p.device.empty(p.shape, 'f32', 'projectiveGrid');
      const n = p.size / 3;
      p.device.run({
        shader: 'affineGrid',
        entry: 'projectGrad',
        bindings: { p, dy, dp },
        params: { n, width: 0, height: 0 },
        threads: n,
      });
      return dp;
    },
  },
});

/**
 * The grid for {@link gridSample} at which pixel (x, y) of the result shows point theta (x, y, 1) of the source.
 * @param theta f32 or f16 [n, 2, 3]
 * @param size height and width of the grid
 * @returns dtype of theta, [n, h, w, 2]
 * @throws ShapeError when theta has another shape or dtype, or the size is empty
 * Source: torch.nn.functional.affine_grid.
 * @example const mirrored = gridSample(x, affineGrid(device.tensor([-1, 0, 0, 0, 1, 0], [1, 2, 3]), [h, w]));
 */
export function affineGrid(theta: Tensor, size: readonly [number, number], options: GridOptions = {}): Tensor {
  args('affineGrid theta size:S {alignCorners:b}', arguments);
  return inF32('affineGrid', [theta], (t) => composed(t.device, () => transformed('affineGrid', t, 2, size, options)));
}

/**
 * The same for a homography: theta (x, y, 1) is divided by its third coordinate.
 * @param theta f32 or f16 [n, 3, 3]; its sign does not matter
 * @param size height and width of the grid
 * @returns dtype of theta, [n, h, w, 2]
 * @throws ShapeError when theta has another shape or dtype, or the size is empty
 * @example const y = gridSample(x, projectiveGrid(homography, [h, w]));
 */
export function projectiveGrid(theta: Tensor, size: readonly [number, number], options: GridOptions = {}): Tensor {
  args('projectiveGrid theta size:S {alignCorners:b}', arguments);
  return inF32('projectiveGrid', [theta], (t) =>
    composed(t.device, () => projectOp({ p: transformed('projectiveGrid', t, 3, size, options) }, null).y),
  );
}
