// Run as a process of its own by `npm run setup`, since a faulty driver can take a process down: opens a device,
// computes, and prints what it got as one line of JSON.

import { openNode } from '../node.ts';
import { measureSpeed } from './speed.ts';

try {
  const device = await openNode();
  await measureSpeed(device, 0.01);
  console.log(JSON.stringify({ description: device.info.description, kind: device.info.kind }));
  device.close();
} catch (error) {
  console.log(JSON.stringify({ error: (error as Error).message }));
  process.exitCode = 1;
}
