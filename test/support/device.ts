// One device for all GPU tests of the process.

import { openNode } from '../../runtime/node.ts';
import type { Device } from '../../runtime/device/device.ts';

let opened: Promise<Device> | undefined;

export function testDevice(): Promise<Device> {
  opened ??= openNode();
  return opened;
}
