// One Dawn adapter for all engines: the peers look for navigator.gpu and WebGPU's constants, as in a browser. Their
// memory is counted on the way.

import type { OpenedDevice } from '../runtime/device/node/open.ts';
import { waitQuietly } from '../runtime/device/node/waits.ts';

interface Counter {
  bytes: number;
  peak: number;
}

/** Bytes of a texture. The engines use those of four f32 a texel; others are taken to have four bytes. */
function textureBytes({ size, format }: GPUTextureDescriptor): number {
  const [width, height = 1, layers = 1] =
    Symbol.iterator in size ? [...size] : [size.width, size.height, size.depthOrArrayLayers];
  return width * height * layers * (format === 'rgba32float' ? 16 : 4);
}

/** Bytes of the buffers and textures of a device that are alive, and the most of them at a time since `reset`. */
export class Memory {
  private readonly counters = new Map<GPUDevice, Counter>();

  /** Counts the buffers and textures of a device from now on. */
  watch(device: GPUDevice): GPUDevice {
    if (this.counters.has(device)) return device;
    const counter: Counter = { bytes: 0, peak: 0 };
    this.counters.set(device, counter);
    const counted = <T extends GPUBuffer | GPUTexture>(made: T, bytes: number): T => {
      counter.bytes += bytes;
      counter.peak = Math.max(counter.peak, counter.bytes);
      const destroy = made.destroy.bind(made);
      let alive = true;
      made.destroy = () => {
        if (alive) counter.bytes -= bytes;
        alive = false;
        return destroy();
      };
      return made;
    };
    const createBuffer = device.createBuffer.bind(device);
    const createTexture = device.createTexture.bind(device);
    device.createBuffer = (descriptor) => counted(createBuffer(descriptor), descriptor.size);
    device.createTexture = (descriptor) => counted(createTexture(descriptor), textureBytes(descriptor));
    return device;
  }

  reset(): void {
    for (const c of this.counters.values()) c.peak = c.bytes;
  }

  /** The most bytes of a device since `reset`. */
  peak(device: GPUDevice): number {
    return this.counters.get(device)?.peak ?? 0;
  }
}

/** Browsers write from shared memory, which Dawn's Node bindings refuse: such data is copied first. */
function copyShared(queue: GPUQueue): void {
  const write = queue.writeBuffer.bind(queue);
  queue.writeBuffer = (
    buffer: GPUBuffer,
    offset: number,
    data: ArrayBufferView<ArrayBuffer>,
    from?: number,
    size?: number,
  ) => {
    const own =
      (data.buffer as ArrayBufferLike) instanceof ArrayBuffer ? data : (data as Uint8Array<ArrayBuffer>).slice();
    return write(buffer, offset, own, from, size);
  };
}

/**
 * Lets libraries that were written for browsers find the adapter of `opened`.
 * @returns the devices that they open, in order
 */
export function provideNavigator(opened: OpenedDevice, globals: object, memory: Memory): GPUDevice[] {
  const devices: GPUDevice[] = [];
  const gpu = {
    wgslLanguageFeatures: opened.instance.wgslLanguageFeatures,
    getPreferredCanvasFormat: () => 'bgra8unorm' as const,
    async requestAdapter(options?: GPURequestAdapterOptions) {
      const adapter = await opened.instance.requestAdapter(options);
      if (!adapter) return null;
      const request = adapter.requestDevice.bind(adapter);
      adapter.requestDevice = async (descriptor) => {
        const device = memory.watch(await request(descriptor));
        copyShared(device.queue);
        waitQuietly(device);
        devices.push(device);
        return device;
      };
      return adapter;
    },
  };
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu, userAgent: 'Node', hardwareConcurrency: 2, platform: process.platform },
    configurable: true,
    writable: true,
  });
  return devices;
}
