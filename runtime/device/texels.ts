// Tensors that a kernel reads through a texture: on lavapipe that is six times as fast as through a buffer. See shaders/conv2dTexture.wgsl for the layout.

import type { Storage } from '../tensor.ts';
import type { Launch } from './types.ts';

/** Texels in a row, vectors of four numbers. The first row stays zero. */
const ROW = 4096;
/** Bytes of a row. */
export const ROW_BYTES = 16 * ROW;

/** A texture of so many rows. */
export const texelRows = (gpu: GPUDevice, rows: number): GPUTexture => gpu.createTexture({ size: [ROW, rows], format: 'rgba32float', usage: 2 | 8, label: 'texels' }); // COPY_DST | STORAGE_BINDING

/** Copies the first `bytes` of a buffer behind the row of zeros. */
export function copyTexels(encoder: GPUCommandEncoder, buffer: GPUBuffer, texture: GPUTexture, bytes: number): void {
  const rows = Math.floor(bytes / ROW_BYTES), rest = Math.ceil((bytes % ROW_BYTES) / 16);
  if (rows > 0) encoder.copyBufferToTexture({ buffer, bytesPerRow: ROW_BYTES }, { texture, origin: [0, 1] }, [ROW, rows]);
  if (rest > 0) encoder.copyBufferToTexture({ buffer, offset: rows * ROW_BYTES, bytesPerRow: ROW_BYTES }, { texture, origin: [0, rows + 1] }, [rest, 1]);
}

/** What a kernel reads through textures, in the order of its bindings. */
export function textured({ kernel, bindings }: Launch): Storage[] {
  const kinds = kernel.bindings.filter((b) => b.kind !== 'uniform');
  return bindings.filter((_, i) => kinds[i].kind === 'texture');
}
