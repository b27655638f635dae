// Says in a line of JSON which adapter there is: run by launch.ts in a process of its own, whose environment leads to a driver.

import { openNodeDevice } from '../../runtime/device/node.ts';

const { info } = await openNodeDevice();
console.log(JSON.stringify({ description: info.description, kind: info.kind }));
process.exit();
