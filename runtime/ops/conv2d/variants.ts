// The variants of the convolution kernels as records, and which of them is usual on an adapter and at a shape.

import type { SubgroupMatrix } from '../../device/matrices.ts';
import { throughTexels } from '../../device/texels.ts';
import { choose, type Choice, type Variant } from '../../kernel/choice.ts';
import type { Constants } from '../../kernel/kernel.ts';
import { stored } from '../../kernel/vectors.ts';
import type { Tensor } from '../../tensor.ts';
import { vectorised, type Geometry } from './geometry.ts';

/** A lane of conv2dTexture.wgsl makes PX pixels x CB vectors of channels. */
export interface TextureVariant extends Variant {
  readonly constants: { PX: number; CB: number };
}

const texture = (PX: number, CB: number): TextureVariant => ({
  name: `texture ${PX}x${4 * CB}`,
  shader: 'conv2dTexture',
  constants: { PX, CB },
});

const TEXTURE = { wide: texture(8, 2), narrow: texture(4, 2), square: texture(4, 4) };
export const TEXTURES: readonly TextureVariant[] = [TEXTURE.wide, TEXTURE.narrow, TEXTURE.square];

/**
 * Usually eight pixels; four where too much would lie beyond the end of rows of `width`, or where the taps of a row
 * share no loads.
 * @param co channels of y in a group
 * @param KW taps that share loads
 */
export const usualTexture = (width: number, co: number, KW: number): TextureVariant =>
  ((width + 3) % 8 < 4 || width > 36) && (KW > 1 || co < 16) ? TEXTURE.wide : co < 16 ? TEXTURE.narrow : TEXTURE.square;

/** A lane of conv2dTextureGrad.wgsl makes four channels of x by CB vectors of channels of y, of KW taps. */
export interface TextureGradVariant extends Variant {
  readonly constants: { CB: number; KW: number };
}

const textureGrad = (CB: number, KW: number): TextureGradVariant => ({
  name: `texture ${4 * CB}`,
  shader: 'conv2dTextureGrad',
  constants: { CB, KW },
});

const TEXTURE_GRAD = { narrow: textureGrad(2, 1), wide: textureGrad(4, 1), together: textureGrad(2, 3) };
/** Those of which each tap has its own loads, and those of which three taps share them. */
export const TEXTURE_GRADS: Readonly<Record<1 | 3, readonly TextureGradVariant[]>> = {
  1: [TEXTURE_GRAD.narrow, TEXTURE_GRAD.wide],
  3: [TEXTURE_GRAD.together],
};

/** @param co channels of y in a group */
export const usualTextureGrad = (co: number, KW: 1 | 3): TextureGradVariant =>
  KW > 1 ? TEXTURE_GRAD.together : co <= 8 ? TEXTURE_GRAD.narrow : TEXTURE_GRAD.wide;

/** The convolution as a product, without textures. A weight gradient has taps and channels of x for rows. */
export interface ProductVariant extends Variant {
  /** Rows and columns, which are pixels and channels of y, that a workgroup makes. */
  readonly tall: number;
  /** See {@link tall}. */
  readonly wide: number;
  /** By tiles in workgroup memory: pixels of an input gradient are then taken phase by phase of the stride. */
  readonly tiled: boolean;
  /** By subgroup matrices, in f16 alone. */
  readonly matrix: boolean;
}

/** conv2d.wgsl: a lane makes PX pixels of four channels in registers. */
const registers = (PX: number): ProductVariant => ({
  name: `registers ${PX}`,
  shader: 'conv2d',
  constants: { PX },
  tall: 64 * PX,
  wide: 4,
  tiled: false,
  matrix: false,
});

const USUAL_REGISTERS = registers(4);
export const REGISTERS: readonly ProductVariant[] = [registers(2), USUAL_REGISTERS, registers(8)];
/** The weight gradient of conv2d.wgsl, which is the same for each number of pixels. */
export const REGISTERS_GRAD: ProductVariant = { ...USUAL_REGISTERS, name: 'registers', constants: {} };

/** conv2dTiles.wgsl: WG lanes, TX of them along the columns, of which each makes PX rows x CB vectors of columns. */
function tiles(WG: number, TX: number, CB: number, PX: number): ProductVariant {
  const tall = (WG / TX) * PX;
  const wide = 4 * TX * CB;
  return {
    name: `tiles ${tall}x${wide}`,
    shader: 'conv2dTiles',
    constants: { WG, TX, CB, PX },
    tall,
    wide,
    tiled: true,
    matrix: false,
  };
}

const TILE = {
  x8: tiles(64, 2, 1, 4),
  x16: tiles(64, 4, 1, 8),
  x32: tiles(64, 4, 2, 8),
  x64: tiles(64, 8, 2, 8),
  large: tiles(128, 8, 2, 8),
};
export const TILES: readonly ProductVariant[] = [TILE.x8, TILE.x16, TILE.x32, TILE.x64, TILE.large];

/** Narrow products have narrow tiles; wide ones large tiles, if that leaves a hundred workgroups. */
function usualTiles(rows: number, columns: number): ProductVariant {
  if (columns <= 8) return TILE.x8;
  if (columns <= 16) return TILE.x16;
  if (columns <= 32) return TILE.x32;
  return Math.ceil(rows / TILE.large.tall) * Math.ceil(columns / TILE.large.wide) < 100 ? TILE.x64 : TILE.large;
}

/** conv2dMatrix.wgsl: WG lanes, COLUMNS vectors of columns, SX subgroups along them. */
const matrices = (WG: number, COLUMNS: number, SX: number): ProductVariant => ({
  name: `matrices 128x${4 * COLUMNS}`,
  shader: 'conv2dMatrix',
  constants: { WG, COLUMNS, SX },
  tall: 128,
  wide: 4 * COLUMNS,
  tiled: true,
  matrix: true,
});

const MATRIX = {
  x16: matrices(128, 4, 1),
  x32: matrices(128, 8, 2),
  x64: matrices(128, 16, 2),
  large: matrices(256, 32, 2),
};
export const MATRICES: readonly ProductVariant[] = [MATRIX.x16, MATRIX.x32, MATRIX.x64, MATRIX.large];

/** As {@link usualTiles}. */
function usualMatrices(rows: number, columns: number): ProductVariant {
  if (columns <= 16) return MATRIX.x16;
  if (columns <= 32) return MATRIX.x32;
  return Math.ceil(rows / MATRIX.large.tall) * Math.ceil(columns / MATRIX.large.wide) < 150 ? MATRIX.x64 : MATRIX.large;
}

/** What specialises conv2dMatrix.wgsl to the matrices of an adapter. */
export function matrixConstants(matrix: SubgroupMatrix): Constants {
  const { M, N, K } = matrix;
  const of = (kind: string, size: string): string => `subgroup_matrix_${kind}<${size}>`;
  return {
    ...matrix,
    Left: of('left', `f16,${K},${M}`),
    Right: of('right', `f16,${N},${K}`),
    Sum: of('result', `f32,${N},${M}`),
  };
}

/**
 * Chooses between the variants of a product of `rows` x `columns` numbers in each of the groups.
 * @param x a factor: its device and dtype decide what can run
 * @param at the kernel and the shape
 * @param own variants of conv2d.wgsl
 * @param usual the one of them that is usual where neither tiles nor matrices win
 * @returns what was chosen, and all that specialises its shader to it
 */
export function chooseProduct(
  x: Tensor,
  at: string,
  rows: number,
  columns: number,
  own: readonly ProductVariant[] = REGISTERS,
  usual = USUAL_REGISTERS,
): { variant: ProductVariant; choice: Choice; constants: Constants } {
  const {
    device,
    device: { traits },
    dtype,
  } = x;
  const matrix = dtype === 'f16' ? traits.matrix : undefined;
  const { variant, choice } = choose(
    device,
    `${at} ${dtype}`,
    [...own, ...TILES, ...(matrix ? MATRICES : [])],
    !traits.tiles ? usual : matrix ? usualMatrices(rows, columns) : usualTiles(rows, columns),
  );
  const more = variant.matrix ? matrixConstants(matrix!) : stored(x, 'Stored');
  return { variant, choice, constants: { ...variant.constants, ...more } };
}

/** What specialises conv2dTexture and conv2dTextureGrad, or null where another kernel has to do. */
export function texels(g: Geometry, ...tensors: readonly Tensor[]): { Texels: string; Stored?: string } | null {
  const Texels = vectorised(g) && throughTexels(...tensors);
  return Texels ? { Texels, ...stored(tensors[0], 'Stored') } : null;
}
