// Opens a device in a browser, on a page or in a worker.

import { openBrowserDevice, type OpenOptions } from './device/browser.ts';
import { Device } from './device/device.ts';

export type { OpenOptions } from './device/adapter.ts';

/**
 * Opens a device: what the options ask for, else the adapter that the browser prefers, else its software adapter.
 * @throws DeviceError when there is none, or no WebGPU at all
 * @example const device = await openBrowser();
 */
export async function openBrowser(options: OpenOptions & { budget?: number } = {}): Promise<Device> {
  const opened = await openBrowserDevice(options);
  return new Device(opened.device, opened.info, { budget: options.budget });
}
