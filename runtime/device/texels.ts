// Tensors that a kernel reads through a texture: on lavapipe that is six times as fast as through a buffer. See
// shaders/native/conv2dTexture.wgsl for the layout.

import type { Tensor } from '../tensor.ts';
import type { Launch } from './types.ts';

/** Bytes of a texel. */
const BYTES = { rgba32float: 16, rgba16float: 8 } as const;
/** What textures hold: four numbers of a tensor. */
export type TexelFormat = keyof typeof BYTES;

/** Texels in a row. The first row stays zero. */
const ROW = 4096;

/** Rows of a texture that holds `bytes`. */
export const texelRows = (bytes: number, format: TexelFormat): number => Math.ceil(bytes / (ROW * BYTES[format])) + 1;
/** Bytes of so many rows. */
export const texelBytes = (rows: number, format: TexelFormat): number => rows * ROW * BYTES[format];

export const createTexels = (gpu: GPUDevice, rows: number, format: TexelFormat): GPUTexture =>
  gpu.createTexture({ size: [ROW, rows], format, usage: 2 | 8, label: 'texels' }); // COPY_DST | STORAGE_BINDING

/** Copies the first `bytes` of a buffer behind the row of zeros. */
export function copyTexels(encoder: GPUCommandEncoder, buffer: GPUBuffer, texture: GPUTexture, bytes: number): void {
  const each = BYTES[texture.format as TexelFormat];
  const bytesPerRow = ROW * each;
  const rows = Math.floor(bytes / bytesPerRow);
  const rest = Math.ceil((bytes % bytesPerRow) / each);
  if (rows > 0) encoder.copyBufferToTexture({ buffer, bytesPerRow }, { texture, origin: [0, 1] }, [ROW, rows]);
  if (rest > 0)
    encoder.copyBufferToTexture(
      { buffer, offset: rows * bytesPerRow, bytesPerRow },
      { texture, origin: [0, rows + 1] },
      [rest, 1],
    );
}

/** The textures that kernels read through at once, by number and format, and the most bytes that each has to hold. */
export function texelNeeds(launches: readonly Launch[]): Map<string, { format: TexelFormat; bytes: number }> {
  const needs = new Map<string, { format: TexelFormat; bytes: number }>();
  for (const { kernel, bindings } of launches) {
    const kinds = kernel.bindings.filter((b) => b.kind !== 'uniform');
    const format = kernel.texels!;
    bindings
      .filter((_, i) => kinds[i].kind === 'texture')
      .forEach(({ bytes }, i) =>
        needs.set(i + format, { format, bytes: Math.max(needs.get(i + format)?.bytes ?? 0, bytes) }),
      );
  }
  return needs;
}

/**
 * The value of `alias Texels` for kernels over tensors like the first, or null where there is none: on an adapter where
 * it does not win, for tensors that are too large for a texture.
 */
export function throughTexels(...tensors: readonly Tensor[]): string | null {
  const [{ device, dtype }] = tensors;
  const format = dtype === 'f16' ? 'rgba16float' : 'rgba32float';
  if (
    !device.traits.texels ||
    tensors.some((t) => texelRows(t.storage.bytes, format) > device.gpu.limits.maxTextureDimension2D)
  )
    return null;
  return `texture_storage_2d<${format},read>`;
}
