// Lavapipe compiles a pipeline when it first runs, on the one thread of its device's queue, and keeps the code in a
// cache on disk. Further devices, each with a thread of its own, compile a plan's kernels side by side; the device that
// they are for finds them there.

import { availableParallelism } from 'node:os';
import type { BindingInfo } from '../../kernel/info.ts';
import { KernelCache, type Kernel } from '../../kernel/kernel.ts';
import { requestDevice, type OpenedDevice } from '../adapter.ts';
import { waitQuietly } from './waits.ts';
import type { DeviceOptions } from '../types.ts';

/**
 * More devices than this are opened for no plan: each compiles a few kernels at least, and the longest one sets the
 * time.
 */
const MOST = 8;
const KERNELS_EACH = 3;
/** Bytes of what is bound in place of a kernel's buffers: zeros, for params as well, so that its loops end at once. */
const BYTES = 1024;

/** Runs one workgroup of each kernel over zeros. */
async function runOnce(gpu: GPUDevice, kernels: readonly Kernel[]): Promise<void> {
  /** What stands for the tensors, made once: lavapipe compiles for each view of a texture, too. */
  const textures = new Map<string, GPUTexture>();
  const buffers = new Map<string, GPUBuffer>();
  const resource = (kernel: Kernel, { binding, kind }: BindingInfo): GPUBindingResource => {
    if (kind === 'texture')
      return kept(textures, kernel.texels!, () =>
        gpu.createTexture({ size: [1, 1], format: kernel.texels!, usage: 8 /* STORAGE_BINDING */ }),
      ).createView();
    return {
      buffer: kept(buffers, `${kind} ${binding}`, () =>
        gpu.createBuffer({ size: BYTES, usage: kind === 'uniform' ? 64 : 128 /* UNIFORM, STORAGE */ }),
      ),
    };
  };
  const encoder = gpu.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const k of kernels) {
    pass.setPipeline(k.pipeline);
    pass.setBindGroup(
      0,
      gpu.createBindGroup({
        layout: k.layout,
        entries: k.bindings.map((b) => ({ binding: b.binding, resource: resource(k, b) })),
      }),
    );
    pass.dispatchWorkgroups(1);
  }
  pass.end();
  gpu.queue.submit([encoder.finish()]);
  await gpu.queue.onSubmittedWorkDone();
  for (const r of [...textures.values(), ...buffers.values()]) r.destroy();
}

function kept<T>(map: Map<string, T>, key: string, make: () => T): T {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
}

async function help({ instance, info }: OpenedDevice, kernels: readonly Kernel[]): Promise<void> {
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) return;
  const gpu = await requestDevice(adapter, info.description);
  // What fails here fails again where it is used, with the device's own report.
  gpu.addEventListener('uncapturederror', (event) => event.preventDefault());
  waitQuietly(gpu);
  try {
    const cache = new KernelCache(gpu);
    const twins = kernels.map((k) => k.twin!(cache));
    // All are made before the first one runs: while a queue works, it holds a lock that making a pipeline waits for.
    await Promise.all(twins.map((k) => k.compile()));
    await runOnce(gpu, twins);
  } finally {
    gpu.destroy();
  }
}

/**
 * `firstRuns` of a device, where it is of use. A kernel of the user's own is left out: nobody knows whether it ends
 * when its params are zeros.
 */
export function firstRunsBeside(
  opened: OpenedDevice,
  devices = Math.min(MOST, availableParallelism()),
): DeviceOptions['firstRuns'] {
  if (opened.info.kind !== 'lavapipe' || devices < 2) return undefined;
  const seen = new Set<string>();
  return async (kernels, made) => {
    const fresh = kernels.filter((k) => k.twin && !seen.has(k.key)).sort((a, b) => (a.key < b.key ? -1 : 1));
    for (const k of fresh) seen.add(k.key);
    const count = Math.min(devices, Math.floor(fresh.length / KERNELS_EACH));
    if (count < 2) return;
    // Dealt out by name, each gets its share of the dear ones: those of one shader take about as long.
    const shares = Array.from({ length: count }, (_, i) => fresh.filter((_k, j) => j % count === i));
    // A helper that fails leaves its kernels to compile where they are used.
    await Promise.allSettled([
      made.then(() => runOnce(opened.device, shares[0])),
      ...shares.slice(1).map((share) => help(opened, share)),
    ]);
  };
}
