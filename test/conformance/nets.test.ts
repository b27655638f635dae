// Whole networks, given as graphs (conformance set torch-nets): values, every gradient, running statistics, three steps
// of SGD and of AdamW.

import { test } from 'uvu';
import { testDevice } from '../support/device.ts';
import { sharedFolder } from '../support/shared.ts';
import { openNets, runNetCase } from '../support/torchNets.ts';

const folder = sharedFolder('conformance/torch-nets');
const cases = folder && openNets(folder);
if (!cases) console.log('conformance/torch-nets is not there: skipped');
else for (const c of cases) test(c.name, async () => runNetCase(await testDevice(), c));

test.run();
