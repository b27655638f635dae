// Operations against the Web Platform Tests of WebNN and its reference implementation (conformance set webnn), at the
// stored tolerances.

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
  for (const c of cases.filter((k) => !beyond(data, k)))
    test(c.name, async () => runWebnnCase(await testDevice(), data, c, WEBNN));

  test('only integers beyond 32 bits are left out', () => {
    assert.equal(new Set(cases.map((c) => beyond(data, c)).filter(Boolean)), new Set(['i64 beyond 32 bits']));
  });
}

test.run();
