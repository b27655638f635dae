// The engine in Node, published as fewmask/node: opens a device, by Dawn (the package webgpu). Nothing else in the
// engine knows Node.

import { Device } from './device/device.ts';
import { matrixOf, openNodeDevice, type OpenOptions } from './device/node/open.ts';
import { readChoices, writeChoices } from './device/node/choices.ts';
import { firstRunsBeside } from './device/node/firstRuns.ts';
import type { PlanOutputs } from './autograd/plan.ts';
import { NATIVE } from './kernel/generated.ts';
import { tuneKernels, type Choices } from './kernel/tune.ts';

export type { AdapterKind, OpenOptions } from './device/adapter.ts';
export type { Choices } from './kernel/tune.ts';
export { hasEmbedded, installEmbedded } from './device/node/embedded.ts';

/**
 * Opens a device: what the options or FEWMASK_ADAPTER ask for, else a hardware adapter, else lavapipe, else the
 * embedded software adapter. On a GPU that has subgroup matrices f16 is multiplied by them, an experimental feature of
 * Dawn: FEWMASK_MATRICES=off disables them.
 * @throws DeviceError when there is none, or when the package webgpu is not installed
 * @example const device = await openNode();
 */
export async function openNode(options: OpenOptions & { budget?: number } = {}): Promise<Device> {
  const opened = await openNodeDevice(options);
  const device = new Device(opened.device, opened.info, {
    budget: options.budget,
    owned: true,
    firstRuns: firstRunsBeside(opened),
    native: NATIVE,
    matrix: matrixOf(opened),
  });
  device.choices = readChoices(device.info.description);
  return device;
}

/**
 * Times the variants of the kernels that `body` launches, on this adapter and at these shapes, and keeps the fastest:
 * for the device at once, and in the user's cache folder for those that `openNode` opens later. Plans that are recorded
 * already stay as they are. Without it a fixed heuristic decides.
 * @param body as of a plan without inputs: it is recorded a few times, and run a few dozen times
 * @returns the variants by kernel and shape
 * @throws FewmaskError on an adapter without the feature timestamp-query, and what the body throws
 * @example await tune(device, () => ({ y: conv2d(x, w, b, { padding: 1 }) }));
 */
export async function tune(device: Device, body: () => PlanOutputs): Promise<Choices> {
  const choices = await tuneKernels(device, body);
  writeChoices(device.info.description, choices);
  return choices;
}
