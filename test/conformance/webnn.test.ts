// Operations against the Web Platform Tests of WebNN and its reference implementation (conformance set webnn), at the stored tolerances.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { testDevice } from '../support/device.ts';
import { sharedFolder } from '../support/shared.ts';
import { openCases } from '../support/torchCases.ts';
import { beyond, runWebnnCase, type WebnnCase } from '../support/webnnCases.ts';
import { WEBNN } from './webnn/index.ts';

const folder = sharedFolder('conformance/webnn');
if (!folder) console.log('conformance/webnn is not there: skipped');
else {
  const { cases, data } = openCases<WebnnCase>(folder);
  const left = new Map<string, number>();
  for (const c of cases) {
    const reason = beyond(data, c);
    if (reason) left.set(reason, (left.get(reason) ?? 0) + 1);
    else test(c.name, async () => runWebnnCase(await testDevice(), data, c, WEBNN));
  }
  console.log(`left out: ${[...left].map(([reason, n]) => `${n} in ${reason}`).join(', ')}`);

  test('only f16 and integers beyond 32 bits are left out', () => {
    assert.equal([...left.keys()].filter((reason) => !['f16', 'i64 beyond 32 bits'].includes(reason)), []);
  });
}

test.run();
