// Two-dimensional convolution and transposed convolution: the forward pass of one is the input gradient of the other.

import { args } from '../args.ts';
import type { Device, Dispatch } from '../device/device.ts';
import { throughTexels } from '../device/texels.ts';
import { ShapeError } from '../errors.ts';
import { checkWhole, folded, pair, sides, type Padding, type Pair } from '../kernel/geometry.ts';
import { choose } from '../kernel/choice.ts';
import type { Constants } from '../kernel/kernel.ts';
import { byVectors, stored } from '../kernel/vectors.ts';
import { checkReal, type DType, type Ranked, type Shape, sizeOf, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { sum } from './reduce.ts';
import { boxed, put, taken, tidy } from './strided.ts';

export type { Padding, Pair } from '../kernel/geometry.ts';

/** Settings of {@link conv2d}. */
export interface Conv2dOptions {
  /** Default 1. */
  stride?: Pair;
  /** One number, [vertical, horizontal], or [top, bottom, left, right]; zeros are added there (default 0). */
  padding?: Padding;
  /** Default 1. */
  dilation?: Pair;
  /** Default 1. */
  groups?: number;
}

/** Settings of {@link convTranspose2d}. */
export interface ConvTranspose2dOptions extends Conv2dOptions {
  /** Rows and columns added below and on the right of the result (default 0). */
  outputPadding?: Pair;
}

/** The geometry of a convolution from x [n,h,w,c] to y [n,h,w,c]. */
interface Geometry {
  x: Shape;
  y: Shape;
  kernel: readonly [number, number];
  cig: number;
  cog: number;
  stride: readonly [number, number];
  pad: readonly [number, number];
  dilation: readonly [number, number];
  groups: number;
}

/** The options, filled up and checked. */
function settings(
  op: string,
  o: Conv2dOptions,
): {
  stride: readonly [number, number];
  dilation: readonly [number, number];
  p: readonly [number, number, number, number];
  groups: number;
} {
  const p = sides(op, o.padding ?? 0);
  const groups = o.groups ?? 1;
  checkWhole(op, 'groups', [groups], 1);
  return {
    stride: pair(op, 'stride', o.stride ?? 1, 1),
    dilation: pair(op, 'dilation', o.dilation ?? 1, 1),
    p,
    groups,
  };
}

const vectorised = (g: Geometry): boolean => g.cig % 4 === 0 && g.cog % 4 === 0;

function geometryParams(g: Geometry): NonNullable<Dispatch['params']> {
  return {
    x_size: g.x,
    y_size: g.y,
    kernel: [...g.kernel, g.cig, g.cog],
    stride: g.stride,
    pad: g.pad,
    dilation: g.dilation,
  };
}

const WG = 64;
const pixelsOf = (s: Shape): number => s[0] * s[1] * s[2];

/** What specialises conv2dTexture and conv2dTextureGrad, or null where another kernel has to do. */
function texels(g: Geometry, ...tensors: readonly Tensor[]): Constants | null {
  const Texels = vectorised(g) && throughTexels(...tensors);
  return Texels ? { Texels, ...stored(tensors[0], 'Stored') } : null;
}

/** Taps of a row of the kernel that share loads of x: those that lie side by side as the pixels do. */
const tapsTogether = (g: Geometry): number => (g.kernel[1] === 3 && g.stride[1] === 1 && g.dilation[1] === 1 ? 3 : 1);

/** Pixels and vectors that a lane of conv2dTexture makes. */
const TILES = ['8 2', '4 2', '4 4'];

/**
 * Usually eight pixels; four where too much would lie beyond the end of rows of `width`, or where the taps of a row
 * share no loads.
 */
const usualTile = (width: number, co: number, KW: number): string =>
  ((width + 3) % 8 < 4 || width > 36) && (KW > 1 || co < 16) ? '8 2' : co < 16 ? '4 2' : '4 4';

/** What variants are timed at: neither the batch nor the height decides between them. */
const shapeClass = (kernel: string, g: Geometry, width: number): string =>
  `${kernel} ${[...g.kernel, ...g.stride, g.dilation[1], g.cig, g.cog, width]}`;

function runTexels(
  g: Geometry,
  { x, w, b, y }: { x: Tensor; w: Tensor; b: Tensor | undefined; y: Tensor },
  BACK: boolean,
  constants: Constants,
): void {
  const KW = BACK ? 1 : tapsTogether(g);
  const [n, h, width] = g.y;
  const [sy, sx] = BACK ? g.stride : [1, 1];
  const columns = Math.ceil(width / sx);
  const choice = choose(
    x.device,
    shapeClass(`texels ${BACK} ${x.dtype}`, g, columns),
    TILES,
    usualTile(columns, g.cog, KW),
  );
  const [PX, CB] = choice.taken.split(' ').map(Number);
  x.device.run({
    choice,
    shaders: x.device.options.native,
    shader: 'conv2dTexture',
    entry: 'forward',
    constants: { ...constants, BACK, PX, CB, KW },
    bindings: { x, w, b: b ?? w, y },
    params: { ...geometryParams(g), bias: Number(b !== undefined) },
    groups: folded(
      sy * sx * Math.ceil((n * Math.ceil(h / sy) * Math.ceil(columns / PX)) / WG),
      g.groups * Math.ceil(g.cog / (4 * CB)),
    ),
  });
}

/**
 * The input gradient as a convolution of dy with the kernel turned round, padded by what that reaches beyond the old
 * padding.
 */
function turnedRound(g: Geometry): Geometry {
  const pad = ([0, 1] as const).map((i) => g.dilation[i] * (g.kernel[i] - 1) - g.pad[i]);
  return { ...g, x: g.y, y: g.x, cig: g.cog, cog: g.cig, pad: [pad[0], pad[1]] };
}

const strided = (g: Geometry): boolean => g.stride[0] * g.stride[1] !== 1;

/** The input gradient by vectors: through texels where there are `constants` for it. */
function runBack(
  device: Device,
  g: Geometry,
  dy: Tensor,
  w: Tensor,
  b: Tensor | undefined,
  dx: Tensor,
  constants: Constants | null,
): void {
  const turned = device.empty([...g.kernel, g.cog, g.x[3]], w.dtype, 'conv2d');
  const { x_size, y_size, kernel } = geometryParams(g);
  device.run({
    shader: 'conv2dTranspose',
    entry: 'transpose',
    constants: stored(w, 'Stored'),
    bindings: { w, y: turned },
    params: { x_size, y_size, kernel },
    threads: g.kernel[0] * g.kernel[1] * Math.ceil(g.cog / 8) * g.x[3],
  });
  const back = strided(g);
  const all = { x: dy, w: turned, b, y: dx };
  if (constants) runTexels({ ...turnedRound(g), ...(back && { pad: g.pad }) }, all, back, constants);
  else runVectors(turnedRound(g), all, back);
  turned.dispose();
}

/**
 * What conv2dAny.wgsl is specialised to and told, the runs of eight pixels of a row that it makes, and the channels
 * that it takes at once.
 * @param turned for an input gradient, of which g is {@link turnedRound}
 */
function general(
  g: Geometry,
  dtype: DType,
  turned = false,
): { constants: Constants; params: NonNullable<Dispatch['params']>; runs: number; lanes: number } {
  const [cig, cog, co] = turned ? [g.cog, g.cig, g.x[3]] : [g.cig, g.cog, g.y[3]];
  const { constants, lanes, sizes } = byVectors(g.x, g.y, dtype, cig * cog === 1);
  return {
    constants: { ...constants, KW: tapsTogether(g) },
    params: {
      ...geometryParams(g),
      ...sizes,
      w_step: [(cig * co) / lanes, turned ? 1 : co, turned ? co : 1, cog],
      bias: 0,
      turned: Number(turned),
      chunk: 0,
      chunks: 0,
    },
    runs: g.y[0] * g.y[1] * Math.ceil(g.y[2] / 8),
    lanes,
  };
}

function runAny(
  g: Geometry,
  x: Tensor,
  w: Tensor,
  b: Tensor | undefined,
  y: Tensor,
  turned: boolean,
  BACK: boolean,
): void {
  const { constants, params, runs, lanes } = general(g, x.dtype, turned);
  x.device.run({
    shader: 'conv2dAny',
    entry: 'forward',
    constants: { ...constants, BACK },
    bindings: { x, w, b: b ?? w, y },
    params: { ...params, bias: Number(b !== undefined) },
    threads: (runs * g.y[3]) / lanes,
  });
}

/**
 * How conv2dTiles.wgsl shares a product out: lanes of a workgroup, lanes along the columns, vectors of columns and rows
 * of a lane.
 */
const SHARES = ['64 2 1 4', '64 4 1 8', '64 4 2 8', '64 8 2 8', '128 8 2 8'];

/** Narrow products have narrow tiles; wide ones large tiles, if that leaves a hundred workgroups. */
const usualShare = (rows: number, columns: number): string =>
  SHARES[
    columns <= 8
      ? 0
      : columns <= 16
        ? 1
        : columns <= 32
          ? 2
          : Math.ceil(rows / 128) * Math.ceil(columns / 64) < 100
            ? 3
            : 4
  ];

/** How conv2dMatrix.wgsl does: lanes of a workgroup, vectors of columns, subgroups along the columns. */
const MATRICES = ['matrix 128 4 1', 'matrix 128 8 2', 'matrix 128 16 2', 'matrix 256 32 2'];

const usualMatrix = (rows: number, columns: number): string =>
  MATRICES[columns <= 16 ? 0 : columns <= 32 ? 1 : Math.ceil(rows / 128) * Math.ceil(columns / 128) < 150 ? 2 : 3];

/**
 * What runs, what it is specialised to, and the rows and columns that a workgroup makes: of a product of `rows` x
 * `columns` numbers in each of the groups.
 * @param pixels that a lane of conv2d.wgsl may make
 */
function share(
  x: Tensor,
  at: string,
  rows: number,
  columns: number,
  pixels: readonly string[],
): Pick<Dispatch, 'choice' | 'shader' | 'shaders'> & { constants: Constants; tall: number; wide: number } {
  const { device, dtype } = x;
  const matrix = dtype === 'f16' ? device.traits.matrix : undefined;
  const usual = !device.traits.tiles ? '4' : matrix ? usualMatrix(rows, columns) : usualShare(rows, columns);
  const choice = choose(device, `${at} ${dtype}`, [...pixels, ...SHARES, ...(matrix ? MATRICES : [])], usual);
  const [WG, TX, CB, PX] = choice.taken.replace('matrix ', '').split(' ').map(Number);
  if (matrix && MATRICES.includes(choice.taken)) {
    const { M, N, K } = matrix;
    const of = (kind: string, size: string): string => `subgroup_matrix_${kind}<${size}>`;
    const constants = {
      ...matrix,
      WG,
      COLUMNS: TX,
      SX: CB,
      Left: of('left', `f16,${K},${M}`),
      Right: of('right', `f16,${N},${K}`),
      Sum: of('result', `f32,${N},${M}`),
    };
    return { choice, shaders: device.options.native, shader: 'conv2dMatrix', constants, tall: 128, wide: 4 * TX };
  }
  const Stored = stored(x, 'Stored');
  return TX
    ? {
        choice,
        shader: 'conv2dTiles',
        constants: { WG, TX, CB, PX, ...Stored },
        tall: (WG / TX) * PX,
        wide: TX * CB * 4,
      }
    : { choice, shader: 'conv2d', constants: { PX: WG, ...Stored }, tall: 64 * WG, wide: 4 };
}

/** Forward by vectors without textures; with BACK an input gradient, g being {@link turnedRound}. */
function runVectors(
  g: Geometry,
  { x, w, b, y }: { x: Tensor; w: Tensor; b: Tensor | undefined; y: Tensor },
  BACK: boolean,
): void {
  const [n, h, width] = g.y;
  const { constants, tall, wide, ...kernel } = share(x, shapeClass(`vectors ${BACK}`, g, width), pixelsOf(g.y), g.cog, [
    '2',
    '4',
    '8',
  ]);
  // Tiles with BACK hold pixels that lie a stride apart.
  const [sy, sx] = BACK && wide > 4 ? g.stride : [1, 1];
  x.device.run({
    ...kernel,
    entry: 'forward',
    constants: { ...constants, BACK },
    bindings: { x, w, b: b ?? w, y },
    params: { ...geometryParams(g), bias: Number(b !== undefined), chunk: 0, chunks: 0 },
    groups: folded(
      sy * sx * Math.ceil((n * Math.ceil(h / sy) * Math.ceil(width / sx)) / tall),
      g.groups * Math.ceil(g.cog / wide),
    ),
  });
}

function runForward(device: Device, g: Geometry, x: Tensor, w: Tensor, b: Tensor | undefined): Tensor {
  const y = device.empty(g.y, x.dtype, 'conv2d');
  const constants = texels(g, x, w);
  if (constants) runTexels(g, { x, w, b, y }, false, constants);
  else if (vectorised(g)) runVectors(g, { x, w, b, y }, false);
  else runAny(g, x, w, b, y, false, false);
  return y;
}

function runInputGrad(device: Device, g: Geometry, dy: Tensor, w: Tensor, b: Tensor | undefined): Tensor {
  const dx = device.empty(g.x, dy.dtype, 'conv2d');
  const constants = texels(g, dy, w);
  if (vectorised(g)) runBack(device, g, dy, w, b, dx, constants);
  else runAny(turnedRound(g), dy, w, b, dx, true, strided(g));
  return dx;
}

function runWeightGrad(
  device: Device,
  g: Geometry,
  x: Tensor,
  dy: Tensor,
  dw = device.empty([...g.kernel, g.cig, g.y[3]], x.dtype, 'conv2d'),
): Tensor {
  const fast = vectorised(g);
  const n = g.kernel[0] * g.kernel[1] * g.cig * g.y[3];
  const pixels = pixelsOf(g.y);
  if (pixels === 0) {
    device.clear(dw);
    return dw;
  }
  const constants = texels(g, x, dy);
  const rest = general(g, x.dtype);
  const inner = n / g.y[3];
  // Of conv2dTextureGrad: taps and vectors of channels of y that a lane makes.
  const KW = tapsTogether(g);
  const among = KW > 1 ? ['2'] : ['2', '4'];
  const usual = KW > 1 || g.cog <= 8 ? '2' : '4';
  const shared = fast && !constants ? share(x, shapeClass('vectors weightGrad', g, g.y[2]), inner, g.cog, ['4']) : null;
  const choice = shared?.choice ?? choose(device, shapeClass('weightGrad', g, g.y[2]), among, usual);
  const CB = Number(choice.taken);
  const columns = g.groups * Math.ceil(g.cog / (4 * CB));
  const slots = inner / 4 / KW;
  // Enough chunks to keep the adapter busy and sums short, few enough that the partial sums stay small beside the
  // activations.
  const tiles =
    shared && shared.wide > 4 ? Math.ceil(inner / shared.tall) * g.groups * Math.ceil(g.cog / shared.wide) : 0;
  const threads = tiles ? 64 * tiles : constants ? slots * columns : fast ? n / 16 : n / rest.lanes / KW;
  const wanted = Math.min(
    Math.ceil(pixels / 64),
    Math.max(Math.ceil(pixels / 2048), Math.ceil((constants ? 128 : 16384) / threads)),
  );
  // Through texels they are counted by runs of eight in a row.
  const counted = constants ? g.y[0] * g.y[1] * Math.ceil(g.y[2] / 8) : fast ? pixels : rest.runs;
  // Tiles go along the pixels by whole rounds.
  const each = Math.ceil(counted / Math.max(1, Math.min(wanted, Math.ceil((32 << 20) / (4 * n)), 32768)));
  const chunk = tiles ? (each + 31) & -32 : each;
  const chunks = Math.ceil(counted / chunk);
  const whole = chunks === 1 && dw.dtype === 'f32';
  const parts = whole ? dw : device.empty([chunks, n], 'f32', 'conv2d');
  const p = { ...geometryParams(g), bias: 0, chunk, chunks };
  const bindings = { x, dy, parts };
  if (shared) {
    const {
      constants: { PX, ...constants },
      tall,
      wide,
      ...kernel
    } = shared;
    // A lane of conv2d.wgsl makes the same whatever its pixels forward.
    device.run({
      ...kernel,
      entry: 'weightGrad',
      constants: { ...constants, ...(tiles && PX && { PX }) },
      bindings,
      params: p,
      groups: folded(tiles || Math.ceil(threads / WG), chunks),
    });
  } else if (constants) {
    device.run({
      choice,
      shaders: device.options.native,
      shader: 'conv2dTextureGrad',
      entry: 'weightGrad',
      constants: { CB, KW, Texels: constants.Texels },
      bindings,
      params: { ...geometryParams(g), chunk },
      groups: folded(Math.ceil(slots / 8) * columns, chunks),
    });
  } else {
    device.run({
      shader: 'conv2dAny',
      entry: 'weightGrad',
      constants: rest.constants,
      bindings,
      params: { ...rest.params, chunk, chunks },
      threads: chunks * threads,
    });
  }
  if (whole) return dw;
  device.run({
    shader: 'conv2d',
    entry: 'weightReduce',
    constants: stored(x, 'Stored'),
    bindings: { partials: parts, dw },
    params: p,
    threads: n,
  });
  parts.dispose();
  return dw;
}

/**
 * y [m, n] = a [m, k] b [k, n] as a convolution by tiles, of which its gradients are the transposed ones: for GPUs.
 * @param shape m, n, k
 * @returns false where those kernels will not do, and nothing is launched
 */
export function productByTiles(
  a: Tensor,
  b: Tensor,
  y: Tensor,
  [m, n, k]: readonly [number, number, number],
  transposeA: boolean,
  transposeB: boolean,
): boolean {
  const { device } = a;
  if (!device.traits.tiles || y.size === 0 || (n | k | (transposeA ? m : 0)) & 3 || (transposeA && transposeB))
    return false;
  const of = (pixels: number, cig: number, cog: number): Geometry => ({
    x: [1, 1, pixels, cig],
    y: [1, 1, pixels, cog],
    kernel: [1, 1],
    cig,
    cog,
    stride: [1, 1],
    pad: [0, 0],
    dilation: [1, 1],
    groups: 1,
  });
  if (transposeA) runWeightGrad(device, of(k, m, n), a, b, y);
  else if (transposeB) runBack(device, of(m, n, k), a, b, undefined, y, null);
  else runVectors(of(m, k, n), { x: a, w: b, b: undefined, y }, false);
  return true;
}

type Op = (inputs: Record<string, Tensor | undefined>, attrs: Geometry) => Record<string, Tensor>;

// The three are linear in each of their inputs, and each one's gradients are the others: second derivatives come for
// free.
const forwardOp: Op = defineReal<Geometry>(
  {
    name: 'conv2d',
    inputs: ['x', 'w', 'b'],
    outputs: ['y'],
    forward: ({ x, w, b }, g) => runForward(x.device, g, x, w, b),
    backward: {
      x: ({ dy, inputs: { w }, attrs }) => inputGradOp({ dy, w }, attrs).dx,
      w: ({ dy, inputs: { x }, attrs }) => weightGradOp({ x, dy }, attrs).dw,
      b: ({ dy }) => sum(dy, [0, 1, 2]),
    },
    twice: true,
  },
  { halves: ['x', 'w', 'b'] },
);

const inputGradOp: Op = defineReal<Geometry>(
  {
    name: 'conv2dInputGrad',
    inputs: ['dy', 'w', 'b'],
    outputs: ['dx'],
    forward: ({ dy, w, b }, g) => runInputGrad(dy.device, g, dy, w, b),
    backward: {
      dy: ({ dy: d, inputs: { w }, attrs }) => forwardOp({ x: d, w }, attrs).y,
      w: ({ dy: d, inputs: { dy }, attrs }) => weightGradOp({ x: d, dy }, attrs).dw,
      b: ({ dy: d }) => sum(d, [0, 1, 2]),
    },
    twice: true,
  },
  { halves: ['dy', 'w', 'b'] },
);

const weightGradOp: Op = defineReal<Geometry>(
  {
    name: 'conv2dWeightGrad',
    inputs: ['x', 'dy'],
    outputs: ['dw'],
    forward: ({ x, dy }, g) => runWeightGrad(x.device, g, x, dy),
    backward: {
      x: ({ dy: d, inputs: { dy }, attrs }) => inputGradOp({ dy, w: d }, attrs).dx,
      dy: ({ dy: d, inputs: { x }, attrs }) => forwardOp({ x, w: d }, attrs).y,
    },
    twice: true,
  },
  { halves: ['x', 'dy'] },
);

function check(op: string, x: Tensor, w: Tensor, b: Tensor | undefined, cx: number, cb: number): void {
  if (x.rank !== 4 || w.rank !== 4)
    throw new ShapeError(
      op,
      `x is [${x.shape}] and w [${w.shape}]`,
      'x must be [n, h, w, channels] and w [kh, kw, channels in, channels out]',
    );
  if (x.shape[3] !== cx) throw new ShapeError(op, `x has ${x.shape[3]} channels, the weights [${w.shape}] want ${cx}`);
  if (b && (b.rank !== 1 || b.size !== cb)) throw new ShapeError(op, `the bias is [${b.shape}], not [${cb}]`);
  checkReal(op, { x, w, b });
}

/** t with zeros behind the channels of its axes from `first` on, so that 4 divides them. */
function filled(t: Tensor, first: number): Tensor {
  const shape = t.shape.map((s, i) => (i < first ? s : (s + 3) & -4));
  return sizeOf(shape) === t.size ? t : put('conv2d', [t], shape, [boxed(shape, [], t.shape)]);
}

/**
 * Runs a convolution over vectors of channels where the adapter is slow with single ones, as with the three of an image
 * and the classes of the scores: filling up costs less, and one kernel does for all.
 * @param channels of the result
 */
function byFours(
  x: Tensor,
  w: Tensor,
  b: Tensor | undefined,
  channels: number,
  groups: number,
  run: (x: Tensor, w: Tensor, b?: Tensor) => Tensor,
): Tensor {
  if (!x.size || !x.device.traits.vectors || groups > 1 || !((w.shape[2] | w.shape[3]) & 3)) return run(x, w, b);
  return tidy(x.device, () => {
    const y = run(filled(x, 3), filled(w, 2), b && filled(b, 0));
    const shape = y.shape.map((s, i) => (i < 3 ? s : channels));
    return sizeOf(shape) === y.size ? y : taken('conv2d', y, shape, boxed(y.shape, [], shape));
  });
}

/**
 * 2-D convolution (cross-correlation, as in PyTorch).
 * @param x f32 or f16 [n, h, w, cin]
 * @param w [kh, kw, cin / groups, cout]
 * @param b [cout], optional
 * @returns dtype of x, [n, floor((h + top + bottom - dilation (kh - 1) - 1) / stride) + 1, …, cout]
 * @throws ShapeError when channels, groups or sizes do not fit, a setting is not a whole number, or dtypes differ or
 *   are integers
 * @example const y = conv2d(x, w, b, { stride: 2, padding: 1 });
 */
export function conv2d<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  w: Tensor,
  b?: Tensor,
  options: Conv2dOptions = {},
): Tensor<D, 4> {
  args('conv2d x w b? {stride:A padding:A dilation:A groups:n}', arguments);
  const { stride, dilation, p, groups } = settings('conv2d', options);
  const [kh, kw, cig, cout] = w.shape;
  check('conv2d', x, w, b, cig * groups, cout);
  if (cout % groups !== 0)
    throw new ShapeError('conv2d', `${cout} output channels do not divide into ${groups} groups`);
  const [n, h, width] = x.shape as Shape;
  const oh = Math.floor((h + p[0] + p[1] - dilation[0] * (kh - 1) - 1) / stride[0]) + 1;
  const ow = Math.floor((width + p[2] + p[3] - dilation[1] * (kw - 1) - 1) / stride[1]) + 1;
  if (oh < 1 || ow < 1)
    throw new ShapeError(
      'conv2d',
      `a kernel of ${kh}x${kw} with dilation ${dilation} does not fit into ${h}x${width} with padding ${p}`,
      'use a larger image or more padding',
    );
  return byFours(
    x,
    w,
    b,
    cout,
    groups,
    (x, w, b) =>
      forwardOp(
        { x, w, b },
        {
          x: x.shape,
          y: [n, oh, ow, w.shape[3]],
          kernel: [kh, kw],
          cig: w.shape[2],
          cog: w.shape[3] / groups,
          stride,
          pad: [p[0], p[2]],
          dilation,
          groups,
        },
      ).y,
  ) as Tensor<D, 4>;
}

/**
 * Transposed 2-D convolution: the input gradient of {@link conv2d}.
 * @param x f32 or f16 [n, h, w, cin]
 * @param w [kh, kw, cout / groups, cin]: the weights of the convolution that it transposes (PyTorch's IOHW permuted to
 *   HWOI)
 * @param b [cout], optional
 * @returns dtype of x, [n, (h - 1) stride - top - bottom + dilation (kh - 1) + outputPadding + 1, …, cout]
 * @throws ShapeError when channels, groups or sizes do not fit, a setting is not a whole number, or dtypes differ or
 *   are integers
 * @example const y = convTranspose2d(x, w, b, { stride: 2 }); // twice the size, with a kernel of 2
 */
export function convTranspose2d<D extends DType, R extends number>(
  x: Tensor<D, R> & Ranked<R, 4>,
  w: Tensor,
  b?: Tensor,
  options: ConvTranspose2dOptions = {},
): Tensor<D, 4> {
  args('convTranspose2d x w b? {stride:A padding:A dilation:A groups:n outputPadding:A}', arguments);
  const { stride, dilation, p, groups } = settings('convTranspose2d', options);
  const extra = pair('convTranspose2d', 'output padding', options.outputPadding ?? 0, 0);
  const [kh, kw, cog, cin] = w.shape;
  const cout = cog * groups;
  check('convTranspose2d', x, w, b, cin, cout);
  if (cin % groups !== 0)
    throw new ShapeError('convTranspose2d', `${cin} input channels do not divide into ${groups} groups`);
  const [n, h, width] = x.shape as Shape;
  const oh = (h - 1) * stride[0] - p[0] - p[1] + dilation[0] * (kh - 1) + extra[0] + 1;
  const ow = (width - 1) * stride[1] - p[2] - p[3] + dilation[1] * (kw - 1) + extra[1] + 1;
  if (oh < 1 || ow < 1) throw new ShapeError('convTranspose2d', `the output would be ${oh}x${ow}`, 'use less padding');
  return byFours(
    x,
    w,
    b,
    cout,
    groups,
    (x, w, b) =>
      inputGradOp(
        { dy: x, w, b },
        {
          x: [n, oh, ow, w.shape[2] * groups],
          y: x.shape,
          kernel: [kh, kw],
          cig: w.shape[2],
          cog: w.shape[3] / groups,
          stride,
          pad: [p[0], p[2]],
          dilation,
          groups,
        },
      ).dx,
  ) as Tensor<D, 4>;
}
