// The time that each dispatch of a plan takes.

import type { Device } from '../device/device.ts';
import { FewmaskError } from '../errors.ts';
import type { Choice } from '../kernel/choice.ts';
import type { Encoded } from './encode.ts';

type Dispatched = Extract<Encoded, { kind: 'dispatch' }>;

/**
 * Runs dispatches once, in order, with a timestamp around each.
 * @throws FewmaskError without the feature timestamp-query
 */
export async function profiled(
  device: Device,
  dispatches: readonly Dispatched[],
): Promise<{ kernel: string; ms: number; choice?: Choice }[]> {
  const { gpu } = device;
  if (!gpu.features.has('timestamp-query')) {
    throw new FewmaskError('plan', 'the device has no timestamps', 'profile on another adapter');
  }
  const times: bigint[] = [];
  const most = 2048; // WebGPU allows 4096 queries in a set
  for (let first = 0; first < dispatches.length; first += most) {
    const part = dispatches.slice(first, first + most);
    const querySet = gpu.createQuerySet({ type: 'timestamp', count: 2 * part.length });
    const resolved = gpu.createBuffer({ size: 16 * part.length, usage: 512 | 4 }); // QUERY_RESOLVE | COPY_SRC
    const staging = gpu.createBuffer({ size: 16 * part.length, usage: 1 | 8 }); // MAP_READ | COPY_DST
    device.submit((encoder) => {
      part.forEach((c, i) => {
        const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
        const pass = encoder.beginComputePass({ timestampWrites });
        pass.setPipeline(c.kernel.pipeline);
        pass.setBindGroup(0, c.group);
        pass.dispatchWorkgroups(c.x, c.y, c.z);
        pass.end();
      });
      encoder.resolveQuerySet(querySet, 0, 2 * part.length, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16 * part.length);
    });
    await staging.mapAsync(1);
    times.push(...new BigUint64Array(staging.getMappedRange().slice(0)));
    for (const b of [resolved, staging]) b.destroy();
    querySet.destroy();
  }
  return dispatches.map(({ kernel, choice }, i) => {
    const ms = Number(times[2 * i + 1] - times[2 * i]) / 1e6;
    return { kernel: kernel.key, ms, ...(choice && { choice }) };
  });
}
