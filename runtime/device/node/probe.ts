// Run as a process of its own by `npm run setup`, since a faulty driver can take a process down: opens a device,
// computes, and prints what it got as one line of JSON.

import { openNode } from '../../node.ts';
import { measureSpeed } from '../speed.ts';
import { errorText } from '../../errors.ts';

try {
  const device = await openNode();
  await measureSpeed(device, 0.01);
  console.log(JSON.stringify({ description: device.info.description, kind: device.info.kind }));
  device.close();
} catch (error) {
  console.log(JSON.stringify({ error: errorText(error) }));
  process.exitCode = 1;
}
