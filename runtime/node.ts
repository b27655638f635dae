// The engine in Node, published as fewmask/node: opens a device, by Dawn (the package webgpu). Nothing else in the engine knows Node.

import { Device } from './device/device.ts';
import { openNodeDevice, type OpenOptions } from './device/node.ts';

export type { AdapterKind, OpenOptions } from './device/adapter.ts';
export { hasEmbedded, installEmbedded } from './device/nodeEmbedded.ts';

/**
 * Opens a device: what the options or FEWMASK_ADAPTER ask for, else a hardware adapter, else lavapipe, else the embedded software adapter.
 * @throws DeviceError when there is none, or when the package webgpu is not installed
 * @example const device = await openNode();
 */
export async function openNode(options: OpenOptions & { budget?: number } = {}): Promise<Device> {
  const opened = await openNodeDevice(options);
  return new Device(opened.device, opened.info, { budget: options.budget, owned: true });
}
