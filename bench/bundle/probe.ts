// Prints one line of JSON: which adapter there is, or why there is none. launch.ts runs it in a process of its own,
// whose environment leads to a driver.

import { openNodeDevice } from '../../runtime/device/node/open.ts';

const answer = await openNodeDevice().then(
  ({ info }) => ({ description: info.description, kind: info.kind }),
  (error: Error) => ({ error: error.message.split('\n')[0] }),
);
console.log(JSON.stringify(answer));
process.exit();
