// Reading back: tensors are copied into one buffer that the host can map.

import { BYTES, type Tensor } from '../tensor.ts';
import { fromBytes } from './elements.ts';

export class Staging {
  /** Bytes of all tensors; 0 when there is nothing to read. */
  readonly bytes: number;
  readonly #tensors: readonly Tensor[];
  readonly #sources: readonly GPUBuffer[];
  readonly #offsets: readonly number[];
  readonly #buffer: GPUBuffer | null;

  /** @param sources the buffers of the tensors, which may be disposed of from then on */
  constructor(gpu: GPUDevice, tensors: readonly Tensor[], sources: readonly GPUBuffer[]) {
    const offsets: number[] = [];
    let total = 0;
    for (const t of tensors) {
      offsets.push(total);
      total += Math.ceil((t.size * BYTES[t.dtype]) / 8) * 8;
    }
    this.#tensors = tensors;
    this.#sources = sources;
    this.#offsets = offsets;
    this.bytes = total;
    this.#buffer = total > 0 ? gpu.createBuffer({ size: total, usage: 1 | 8 }) : null; // MAP_READ | COPY_DST
  }

  encode(encoder: GPUCommandEncoder): void {
    this.#tensors.forEach((t, i) => {
      if (t.size > 0)
        encoder.copyBufferToBuffer(
          this.#sources[i],
          0,
          this.#buffer!,
          this.#offsets[i],
          Math.ceil((t.size * BYTES[t.dtype]) / 4) * 4,
        );
    });
  }

  async map(): Promise<void> {
    await this.#buffer!.mapAsync(1); // GPUMapMode.READ
  }

  /** The elements of each tensor, once mapped. */
  elements(): (Float32Array | Int32Array | Uint32Array)[] {
    const all = this.#buffer?.getMappedRange() ?? new ArrayBuffer(0);
    return this.#tensors.map((t, i) =>
      fromBytes(t.dtype, all.slice(this.#offsets[i], this.#offsets[i] + t.size * BYTES[t.dtype])),
    );
  }

  destroy(): void {
    this.#buffer?.destroy();
  }
}

/**
 * Reads tensors through a buffer that is freed in any case.
 * @param sources the buffers of the tensors
 * @param fill copies the tensors and waits for the GPU
 */
export async function readBack(
  gpu: GPUDevice,
  tensors: readonly Tensor[],
  sources: readonly GPUBuffer[],
  fill: (staging: Staging) => Promise<void>,
): Promise<(Float32Array | Int32Array | Uint32Array)[]> {
  const staging = new Staging(gpu, tensors, sources);
  try {
    await fill(staging);
    return staging.elements();
  } finally {
    staging.destroy();
  }
}
