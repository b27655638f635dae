// Commands on their way to the GPU: launches are encoded one behind the other, their params in one page, and sent
// together.

import { fillParams } from '../kernel/kernel.ts';
import { judged } from '../kernel/own.ts';
import type { Storage } from '../tensor.ts';
import { bindingEntry } from './binding.ts';
import type { BufferPool } from './pool.ts';
import { copyTexels } from './texels.ts';
import type { Launch } from './types.ts';

const PAGE = 1 << 18;
const ALIGN = 256;

export class Commands {
  /** Launches that have been encoded. */
  launches = 0;
  readonly #gpu: GPUDevice;
  readonly #pool: BufferPool;
  readonly #guard: (send: () => void) => void;
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  readonly #page: GPUBuffer;
  readonly #pageBytes = new ArrayBuffer(PAGE);
  readonly #pageView = new DataView(this.#pageBytes);
  #pageUsed = 0;

  /** @param guard runs what sends to the GPU, and sees to its errors */
  constructor(gpu: GPUDevice, pool: BufferPool, guard: (send: () => void) => void) {
    this.#gpu = gpu;
    this.#pool = pool;
    this.#guard = guard;
    this.#page = gpu.createBuffer({ size: PAGE, usage: 64 | 8, label: 'params' }); // UNIFORM | COPY_DST
  }

  /** Encodes a launch. */
  launch(l: Launch): void {
    const entries: GPUBindGroupEntry[] = [];
    const lent: GPUTexture[] = [];
    let i = 0;
    let page = false;
    for (const b of l.kernel.bindings) {
      if (b.kind === 'uniform') page = true;
      else if (b.kind === 'texture') {
        const resource = this.#throughTexels(l, l.bindings[i++], lent).createView();
        entries.push({ binding: b.binding, resource });
      } else entries.push(bindingEntry(b.binding, l.bindings[i++]));
    }
    if (page && l.kernel.params) {
      const size = Math.ceil(l.kernel.params.size / ALIGN) * ALIGN;
      if (this.#pageUsed + size > PAGE) this.flush();
      fillParams(l.shader, l.kernel.params, this.#pageView, this.#pageUsed, l.params);
      const binding = l.kernel.bindings.find((b) => b.kind === 'uniform')!.binding;
      entries.push({ binding, resource: { buffer: this.#page, offset: this.#pageUsed, size: l.kernel.params.size } });
      this.#pageUsed += size;
    }
    const group = this.#gpu.createBindGroup({ layout: l.kernel.layout, entries });
    const pass = this.#computePass();
    pass.setPipeline(l.kernel.pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...l.groups);
    // The GPU begins while the next ones are encoded.
    if (++this.launches % 32 === 0) this.flush();
    // The queue runs in order: who takes it next copies into it after this.
    for (const t of lent) this.#pool.release(t);
  }

  #throughTexels({ kernel }: Launch, storage: Storage, lent: GPUTexture[]): GPUTexture {
    const texture = this.#pool.texels(storage.bytes, kernel.texels!);
    lent.push(texture);
    copyTexels(this.outsidePass(), storage.buffer!, texture, storage.bytes);
    return texture;
  }

  #computePass(): GPUComputePassEncoder {
    this.#encoder ??= this.#gpu.createCommandEncoder();
    this.#pass ??= this.#encoder.beginComputePass();
    return this.#pass;
  }

  /** The encoder, for commands that are not launches. */
  outsidePass(): GPUCommandEncoder {
    this.#pass?.end();
    this.#pass = null;
    this.#encoder ??= this.#gpu.createCommandEncoder();
    return this.#encoder;
  }

  /** Sends commands by themselves: nothing else fails with them. @returns what the GPU refuses of them */
  alone(encode: () => void): Promise<GPUError | null> {
    this.flush();
    return judged(this.#gpu, () => {
      encode();
      this.flush((send) => send());
    }).error;
  }

  /** Sends what has been encoded. */
  flush(guard = this.#guard): void {
    if (!this.#encoder) return;
    this.#pass?.end();
    this.#pass = null;
    const used = this.#pageUsed;
    const encoder = this.#encoder;
    this.#pageUsed = 0;
    this.#encoder = null;
    guard(() => {
      if (used > 0) this.#gpu.queue.writeBuffer(this.#page, 0, this.#pageBytes, 0, used);
      this.#gpu.queue.submit([encoder.finish()]);
    });
  }

  /** Frees the page. */
  destroy(): void {
    this.#page.destroy();
  }
}
