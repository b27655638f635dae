// A quick look at what an adapter can do, which also proves that it computes: shaders/segmentation/probe.wgsl.

import { DeviceError } from '../errors.ts';
import { SEGMENTATION } from '../kernel/generated.ts';
import type { Device } from './device.ts';

export interface Speed {
  /** 10^9 floating-point operations a second in registers: more than any real kernel reaches. */
  gflops: number;
  /** 10^9 bytes a second, read and written. */
  gigabytes: number;
}

/** Runs `launch(n)` with growing n until it takes `seconds`, and gives the time of one unit of n. */
async function perUnit(device: Device, launch: (n: number) => void, seconds: number): Promise<number> {
  for (let n = 1; ;) {
    const start = performance.now();
    launch(n);
    await device.sync();
    const took = (performance.now() - start) / 1000;
    if (took >= seconds || n >= 2 ** 24) return took / n;
    // Never more than eight times as long as the last: drivers end a kernel that takes seconds.
    n = Math.ceil(n * Math.min(8, Math.max(1.5, (1.2 * seconds) / Math.max(took, 1e-4))));
  }
}

/**
 * Measures arithmetic and memory, about `seconds` each.
 * @throws DeviceError when the adapter computes wrong values
 */
export async function measureSpeed(device: Device, seconds = 0.3): Promise<Speed> {
  const n = 1 << 16; // invocations; 1 MiB a tensor
  const large = Math.min(1 << 22, Math.floor(device.gpu.limits.maxStorageBufferBindingSize / 16)); // 64 MiB a tensor
  const x = device.empty([large * 4], 'f32', 'probe');
  const y = device.empty([large * 4], 'f32', 'probe');
  const sum = device.empty([n * 4], 'f32', 'probe');
  try {
    device.clear(x);
    const arithmetic = (steps: number): void =>
      device.run({
        shaders: SEGMENTATION,
        shader: 'probe',
        entry: 'arithmetic',
        bindings: { x, y: sum },
        params: { n, steps, scale: 0.5, shift: 1 },
        threads: n,
      });
    const memory = (times: number): void => {
      for (let i = 0; i < times; i++)
        device.run({
          shaders: SEGMENTATION,
          shader: 'probe',
          entry: 'memory',
          bindings: { x, y },
          params: { n: large, steps: 0, scale: 0.5, shift: 1 },
          threads: large,
        });
    };
    arithmetic(64);
    memory(1);
    const [ends] = await device.read([sum]); // also compiles both kernels before they are timed
    const wrong = ends.findIndex((v) => v !== 16); // 8 chains that tend to 2, exactly so after 64 halvings
    if (wrong >= 0)
      throw new DeviceError(
        `the adapter ${device.info.description} computes wrong values: ${ends[wrong]} in place of 16`,
        'update its driver, or choose another adapter',
      );
    const step = await perUnit(device, arithmetic, seconds);
    const copy = await perUnit(device, memory, seconds);
    return { gflops: (n * 64) / step / 1e9, gigabytes: (large * 32) / copy / 1e9 };
  } finally {
    for (const t of [x, y, sum]) t.dispose();
  }
}
