// Sampling pictures at given points.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { GRID_SAMPLE_PADDING } from '../kernel/generated.ts';
import { checkWhole } from '../kernel/geometry.ts';
import type { Constants, ParamValue } from '../kernel/kernel.ts';
import { checkReal, type DType, type Ranked, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { zeros } from './fill.ts';

/** Settings of {@link gridSample}. */
export interface GridSampleOptions {
  /** Default bilinear. Nearest has no gradient for the grid. */
  mode?: 'bilinear' | 'nearest';
  /** What lies outside of the picture: zeros (default), its border, or the picture mirrored. */
  padding?: 'zeros' | 'border' | 'reflection';
  /** -1 and 1 are the centres of the corner pixels; false (default): their outer edges. */
  alignCorners?: boolean;
}

type Attrs = Required<GridSampleOptions>;

function settings(x: Tensor, grid: Tensor, o: Attrs): { constants: Constants; params: Record<string, ParamValue> } {
  const [, gh, gw] = grid.shape;
  // A pixel may get four contributions from every point of its picture: their limbs must not overflow 31 bits.
  const bits = Math.min(15, 28 - Math.ceil(Math.log2(Math.max(1, gh * gw))));
  return {
    constants: {
      NEAREST: o.mode === 'nearest',
      PADDING: GRID_SAMPLE_PADDING[o.padding],
      ALIGN: o.alignCorners,
    },
    params: { x_size: x.shape, y_size: [x.shape[0], gh, gw, x.shape[3]], bits },
  };
}

const op: Op<Attrs, 'x' | 'grid'> = defineReal({
  name: 'gridSample',
  inputs: ['x', 'grid'],
  outputs: ['y'],
  forward({ x, grid }, o) {
    const y = x.device.empty([...grid.shape.slice(0, 3), x.shape[3]], 'f32', 'gridSample');
    x.device.run({
      shader: 'gridSample',
      entry: 'forward',
      ...settings(x, grid, o),
      bindings: { x, points: grid, y },
      threads: y.size,
    });
    return y;
  },
  backward: {
    x: ({ dy, inputs: { x, grid }, attrs }) => {
      const { device } = x;
      const s = settings(x, grid, attrs);
      const dx = device.empty(x.shape, 'f32', 'gridSample');
      const highest = zeros(device, [2], 'u32');
      const limbs = [0, 1, 2, 3].map(() => zeros(device, x.shape, 'i32'));
      const sums = Object.fromEntries(limbs.map((t, i) => [`limb${i}`, t]));
      device.run({
        shader: 'gridSample',
        entry: 'largest',
        bindings: { dy, highest },
        params: s.params,
        threads: Math.ceil(dy.size / 16),
      });
      device.run({
        shader: 'gridSample',
        entry: 'scatter',
        ...s,
        bindings: { points: grid, dy, highest, ...sums },
        threads: dy.size,
      });
      device.run({
        shader: 'gridSample',
        entry: 'collect',
        bindings: { highest, ...sums, dx },
        params: s.params,
        threads: dx.size,
      });
      for (const t of [highest, ...limbs]) t.dispose();
      return dx;
    },
    grid: ({ dy, inputs: { x, grid }, attrs }) => {
      if (attrs.mode === 'nearest') return zeros(grid.device, grid.shape);
      const dpoints = grid.device.empty(grid.shape, 'f32', 'gridSample');
      grid.device.run({
        shader: 'gridSample',
        entry: 'gridGrad',
        ...settings(x, grid, attrs),
        bindings: { x, points: grid, dy, dpoints },
        threads: grid.size / 2,
      });
      return dpoints;
    },
  },
});

/**
 * Takes the values of x at the points of a grid.
 * @param x f32 or f16 [n, h, w, c], h and w not 0
 * @param grid f32 or f16 [n, gh, gw, 2]: x and y of each point, from -1 (left, top) to 1 (right, bottom); NaN is taken
 * for -1, as in PyTorch
 * @returns dtype of x, [n, gh, gw, c]
 * @throws ShapeError when the shapes do not fit, the grid has more than 2^22 points a picture, or dtypes differ or are
 *   integers
 * Source: torch.nn.functional.grid_sample.
 * @example const turned = gridSample(x, affineGrid(theta, [h, w]), { padding: 'reflection' });
 */
export function gridSample<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  grid: Tensor,
  options: GridSampleOptions = {},
): Tensor<D, 4> {
  args('gridSample x grid {mode:bilinear|nearest padding:zeros|border|reflection alignCorners:b}', arguments);
  const { mode = 'bilinear', padding = 'zeros', alignCorners = false } = options;
  checkReal('gridSample', { x, grid });
  if (x.rank !== 4 || grid.rank !== 4 || grid.shape[3] !== 2 || grid.shape[0] !== x.shape[0])
    throw new ShapeError(
      'gridSample',
      `x is [${x.shape}] and the grid [${grid.shape}]`,
      'give [n, h, w, c] and [n, gh, gw, 2]',
    );
  checkWhole('gridSample', `h and w of [${x.shape}]`, x.shape.slice(1, 3), 1);
  if (grid.shape[1] * grid.shape[2] > 2 ** 22)
    throw new ShapeError(
      'gridSample',
      `the grid [${grid.shape}] has more than 2^22 points a picture`,
      'sample it in parts',
    );
  return op({ x, grid }, { mode, padding, alignCorners }).y as Tensor<D, 4>;
}
