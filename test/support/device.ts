// One device for all GPU tests of the process.

import { openNode } from '../../runtime/node.ts';
import { Device } from '../../runtime/device/device.ts';

let opened: Promise<Device> | undefined;

export function testDevice(): Promise<Device> {
  opened ??= openNode();
  return opened;
}

let other: Promise<Device> | undefined;

/** The same adapter taken for a GPU: kernels that have a variant for software adapters run the one for GPUs. */
export function gpuVariants(): Promise<Device> {
  other ??= testDevice().then((d) => new Device(d.gpu, { ...d.info, kind: 'hardware' }));
  return other;
}
