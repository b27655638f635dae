// Nearest-neighbour resize.

import { args } from '../args.ts';
import type { Op } from '../autograd/tape.ts';
import { positions, RESIZE, type ResizeOptions } from '../kernel/resize.ts';
import { byVectors } from '../kernel/vectors.ts';
import type { DType, Ranked, Shape, Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { extrapolated } from './resizeBilinear.ts';

/** Settings of {@link resizeNearest}. */
export interface ResizeNearestOptions extends ResizeOptions {
  /**
   * How a position becomes a pixel; the rounding ones differ at the middle between two pixels (default
   * roundPreferCeil).
   */
  rounding?: 'floor' | 'ceil' | 'roundPreferFloor' | 'roundPreferCeil';
}

interface Attrs {
  x: Shape;
  y: Shape;
  scale: readonly [number, number];
  half: readonly [number, number];
  offset: readonly [number, number];
  up: boolean;
}

function run(entry: 'forward' | 'backward', from: Tensor, { x, y, scale, half, offset, up }: Attrs): Tensor {
  const forward = entry === 'forward';
  const to = from.device.empty(forward ? y : x, from.dtype, 'resizeNearest');
  const { lanes, sizes } = byVectors(x, y);
  from.device.run({
    shader: 'resizeNearest',
    entry,
    constants: {
      UP: up,
      ...(lanes === 4 ? { Element: 'vec4<u32>', Gradient: 'vec4<f32>' } : {}),
      ...(from.dtype === 'f16' ? { Element: lanes === 4 ? 'vec4<f16>' : 'f16' } : {}),
    },
    bindings: forward ? { x: from, y: to } : { dy: from, dx: to },
    params: { ...sizes, scale, half, offset },
    threads: to.size / lanes,
  });
  return to;
}

// Linear: each is the gradient of the other.
const op: Op<Attrs, 'x'> = defineReal(
  {
    name: 'resizeNearest',
    inputs: ['x'],
    outputs: ['y'],
    forward: ({ x }, a) => run('forward', x, a),
    backward: { x: ({ dy, attrs }) => gradientOp({ dy }, attrs).dx },
    twice: true,
  },
  { halves: ['x'] },
);

const gradientOp: Op<Attrs, 'dy'> = defineReal({
  name: 'resizeNearest gradient',
  inputs: ['dy'],
  outputs: ['dx'],
  forward: ({ dy }, a) => run('backward', dy, a),
  backward: { dy: ({ dy: d, attrs }) => op({ x: d }, attrs).y },
  twice: true,
});

/**
 * Takes for each pixel the source pixel nearest to it. PyTorch's `nearest` is `{ coordinates: 'asymmetric', rounding:
 * 'floor' }`, its `nearest-exact` the default.
 * @param x f32, f16, i32 or u32 [n, h, w, c]
 * @param size height and width of the result, whole numbers of at least 1
 * @returns [n, size[0], size[1], c], dtype of x
 * @throws ShapeError when a size is empty or not a whole number, or a factor is not above 0
 * @example const small = resizeNearest(labels, [h / 2, w / 2]);
 */
export function resizeNearest<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  size: readonly [number, number],
  options: ResizeNearestOptions = {},
): Tensor<D, 4> {
  args(`resizeNearest x size:A {${RESIZE} rounding:floor|ceil|roundPreferFloor|roundPreferCeil}`, arguments);
  const { rounding = 'roundPreferCeil' } = options;
  const [n, , , c] = x.shape as Shape;
  const {
    size: [h, w],
    half,
    scale,
    shift,
    beyond,
  } = positions('resizeNearest', x, size, options);
  // Rounding is floor(s + 1/2) or ceil(s - 1/2).
  const moved = { floor: 0, ceil: 0, roundPreferCeil: 0.5, roundPreferFloor: -0.5 }[rounding];
  const up = rounding === 'ceil' || rounding === 'roundPreferFloor';
  return extrapolated(
    x,
    beyond,
    options,
    () => op({ x }, { x: x.shape, y: [n, h, w, c], scale, half, offset: [shift[0] + moved, shift[1] + moved], up }).y,
  ) as Tensor<D, 4>;
}
