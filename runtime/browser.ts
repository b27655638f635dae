// The engine in a browser, published as fewmask/browser: opens a device, on a page or in a worker.

import { openBrowserDevice, type OpenOptions } from './device/browser.ts';
import { readChoices, writeChoices } from './device/browserChoices.ts';
import { Device } from './device/device.ts';
import type { PlanOutputs } from './autograd/plan.ts';
import { tuneKernels, type Choices } from './kernel/tune.ts';

export type { Choices } from './kernel/tune.ts';
export type { AdapterKind, OpenOptions } from './device/adapter.ts';

/**
 * Opens a device: what the options ask for, else the adapter that the browser prefers, else its software adapter.
 * @throws DeviceError when there is none, or no WebGPU at all
 * @example const device = await openBrowser();
 */
export async function openBrowser(options: OpenOptions & { budget?: number } = {}): Promise<Device> {
  const opened = await openBrowserDevice(options);
  const device = new Device(opened.device, opened.info, { budget: options.budget, owned: true });
  device.choices = await readChoices(device.info.description);
  return device;
}

/**
 * Times the variants of the kernels that `body` launches, on this adapter and at these shapes, and keeps the fastest:
 * for the device at once, and in IndexedDB for those that `openBrowser` opens later. Plans that are recorded already
 * stay as they are. Without it a fixed heuristic decides.
 * @param body as of a plan without inputs: it is recorded a few times, and run a few dozen times
 * @returns the variants by kernel and shape
 * @throws FewmaskError on an adapter without the feature timestamp-query, and what the body throws
 * @example await tune(device, () => ({ y: conv2d(x, w, b, { padding: 1 }) }));
 */
export async function tune(device: Device, body: () => PlanOutputs): Promise<Choices> {
  const choices = await tuneKernels(device, body);
  await writeChoices(device.info.description, choices);
  return choices;
}
