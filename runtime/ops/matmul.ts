// Matrix products.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { broadcastShape, fourAxes } from '../kernel/broadcast.ts';
import { throughTexels } from '../device/texels.ts';
import { folded } from '../kernel/geometry.ts';
import { choose, type Choice, type Variant } from '../kernel/choice.ts';
import type { Constants } from '../kernel/kernel.ts';
import { stored } from '../kernel/vectors.ts';
import { checkReal, sizeOf, type Shape, type Tensor } from '../tensor.ts';
import { defineReal } from './cast.ts';
import { productByTiles } from './conv2d/product.ts';
import { reshape } from './reshape.ts';
import { sumTo } from './sumTo.ts';

interface Attrs {
  transposeA: boolean;
  transposeB: boolean;
}

/** Settings of {@link matmul}. */
export interface MatmulOptions {
  /** Take the last two axes of a the other way round. */
  transposeA?: boolean;
  /** Take the last two axes of b the other way round. */
  transposeB?: boolean;
}

/** Rows, columns, inner size, the batch axes of a product, and how both factors' matrices are walked along them. */
function sizes(
  a: Tensor,
  b: Tensor,
  { transposeA, transposeB }: Attrs,
): { m: number; n: number; k: number; batch: Shape; size: number[]; strides: number[][] } {
  const [ar, ac] = a.shape.slice(-2);
  const [br, bc] = b.shape.slice(-2);
  const m = transposeA ? ac : ar;
  const k = transposeA ? ar : ac;
  const k2 = transposeB ? bc : br;
  const n = transposeB ? br : bc;
  if (k !== k2)
    throw new ShapeError(
      'matmul',
      `inner sizes ${k} and ${k2} of [${a.shape}]${transposeA ? ' transposed' : ''} and ` +
        `[${b.shape}]${transposeB ? ' transposed' : ''} differ`,
    );
  const batches = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const batch = broadcastShape('matmul', ...batches);
  return { m, n, k, batch, ...fourAxes('matmul', batch, batches) };
}

/** A kernel for products, and the rows and columns that a workgroup of it makes. */
interface MatmulVariant extends Variant {
  tall: number;
  wide: number;
}

const BUFFERS: MatmulVariant = { name: 'buffers', shader: 'matmul', constants: {}, tall: 8, wide: 256 };
const TEXTURES: MatmulVariant = { name: 'textures', shader: 'matmulTexture', constants: {}, tall: 64, wide: 16 };
/** The variants of the kernel, where tensors can be read through textures. */
export const VARIANTS: readonly MatmulVariant[] = [BUFFERS, TEXTURES];

/** Which variant runs, and all that specialises it: textures take whole vectors, and win from some rows on. */
function variantOf(
  a: Tensor,
  b: Tensor,
  [m, n, k]: readonly [number, number, number],
  { transposeA, transposeB }: Attrs,
): { variant: MatmulVariant; choice?: Choice; constants: Constants } {
  const whole = n % 4 === 0 && k % 4 === 0 && (!transposeA || m % 4 === 0);
  const Texels = whole ? throughTexels(a, b) : null;
  if (!Texels) return { variant: BUFFERS, constants: stored(a) };
  const at = `matmul ${[transposeA, transposeB, a.dtype, m, n, k]}`;
  const chosen = choose(a.device, at, VARIANTS, m < 32 ? BUFFERS : TEXTURES);
  const through = chosen.variant === TEXTURES;
  return {
    ...chosen,
    constants: through ? { Texels, ...(a.dtype === 'f16' && { Stored: 'vec4<f16>' }) } : stored(a),
  };
}

const op: Op<Attrs, 'a' | 'b'> = defineReal(
  {
    name: 'matmul',
    inputs: ['a', 'b'],
    outputs: ['y'],
    forward({ a, b }, attrs) {
      const { m, n, k, batch, size, strides } = sizes(a, b, attrs);
      const batches = sizeOf(batch);
      const y = a.device.empty([...batch, m, n], a.dtype, 'matmul');
      if (k === 0) a.device.clear(y);
      else if (batches !== 1 || !productByTiles(a, b, y, [m, n, k], attrs.transposeA, attrs.transposeB)) {
        const { variant, choice, constants } = variantOf(a, b, [m, n, k], attrs);
        const [strips, columns, folds] = folded(Math.ceil(m / variant.tall) * batches, Math.ceil(n / variant.wide));
        a.device.run({
          choice,
          ...(variant === TEXTURES && { shaders: a.device.options.native }),
          shader: variant.shader,
          entry: 'forward',
          constants: { TRANSPOSE_A: attrs.transposeA, TRANSPOSE_B: attrs.transposeB, ...constants },
          bindings: { a, b, y },
          params: {
            m,
            n,
            k,
            batches,
            batch: size,
            a_stride: strides[0].map((d) => d * m * k),
            b_stride: strides[1].map((d) => d * k * n),
          },
          groups: [columns, strips, folds],
        });
      }
      return y;
    },
    backward: {
      a: ({ dy, inputs: { a, b }, attrs: { transposeA: ta, transposeB: tb } }) =>
        sumTo(
          ta
            ? op({ a: b, b: dy }, { transposeA: tb, transposeB: true }).y
            : op({ a: dy, b }, { transposeA: false, transposeB: !tb }).y,
          a.shape,
        ),
      b: ({ dy, inputs: { a, b }, attrs: { transposeA: ta, transposeB: tb } }) =>
        sumTo(
          tb
            ? op({ a: dy, b: a }, { transposeA: true, transposeB: ta }).y
            : op({ a, b: dy }, { transposeA: !ta, transposeB: false }).y,
          b.shape,
        ),
    },
    twice: true,
  },
  { halves: ['a', 'b'] },
);

/**
 * Matrix product of the last two axes; the axes in front of them are broadcast. A vector is a row on the left and a
 * column on the right, and that axis is not in the result.
 * @param a f32 or f16 [..., m, k]; with `transposeA` [..., k, m]; or [k]
 * @param b f32 or f16 [..., k, n]; with `transposeB` [..., n, k]; or [k]
 * @returns dtype of the operands, [..., m, n]; without m or n where a factor is a vector
 * @throws ShapeError when inner sizes or batches do not fit, a factor is a scalar or a transposed vector, or dtypes
 *   differ or are integers
 * @example const scores = matmul(q, k, { transposeB: true }); // [n, i, d] x [n, j, d] -> [n, i, j]
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  args('matmul a b {transposeA:b transposeB:b}', arguments);
  checkReal('matmul', { a, b });
  const attrs = { transposeA: options.transposeA ?? false, transposeB: options.transposeB ?? false };
  if (a.rank < 1 || b.rank < 1)
    throw new ShapeError('matmul', `[${a.shape}] and [${b.shape}]`, 'multiply by a scalar with mul');
  if ((a.rank === 1 && attrs.transposeA) || (b.rank === 1 && attrs.transposeB))
    throw new ShapeError('matmul', `[${a.shape}] and [${b.shape}]`, 'a vector cannot be transposed');
  if (a.rank > 1 && b.rank > 1) {
    sizes(a, b, attrs);
    return op({ a, b }, attrs).y;
  }
  return composed(a.device, () => {
    const row = a.rank === 1 ? reshape(a, [1, a.size]) : a;
    const column = b.rank === 1 ? reshape(b, [b.size, 1]) : b;
    const { m, n, batch } = sizes(row, column, attrs);
    return reshape(op({ a: row, b: column }, attrs).y, [
      ...batch,
      ...(a.rank > 1 ? [m] : []),
      ...(b.rank > 1 ? [n] : []),
    ]);
  });
}
