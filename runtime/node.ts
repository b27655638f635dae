// Opens a device in Node (Dawn).

import { Device } from './device/device.ts';
import { openNodeDevice, type OpenOptions } from './device/node.ts';

export type { OpenOptions } from './device/adapter.ts';

/**
 * Opens a device: what the options or FEWMASK_ADAPTER ask for, else a hardware adapter, else lavapipe, else the embedded software adapter.
 * @throws DeviceError when there is none
 * @example const device = await openNode();
 */
export async function openNode(options: OpenOptions & { budget?: number } = {}): Promise<Device> {
  const opened = await openNodeDevice(options);
  return new Device(opened.device, opened.info, { budget: options.budget });
}
