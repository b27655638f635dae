// Operations against the Web Platform Tests of WebNN and its reference implementation (conformance set webnn), at the stored tolerances.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { testDevice } from '../support/device.ts';
import { sharedFolder } from '../support/shared.ts';
import { openCases } from '../support/torchCases.ts';
import { Unsupported } from '../support/unsupported.ts';
import { runWebnnCase, type WebnnCase } from '../support/webnnCases.ts';
import { WEBNN } from './webnn/index.ts';

const folder = sharedFolder('conformance/webnn');
if (!folder) console.log('conformance/webnn is not there: skipped');
else {
  const { cases, data } = openCases<WebnnCase>(folder);
  const half = (c: WebnnCase): boolean => [...c.inputs, ...c.outputs].some((t) => t.dtype === 'f16');
  const tooLarge: string[] = [];
  for (const c of cases.filter((k) => !half(k))) {
    test(c.name, async () => {
      try {
        await runWebnnCase(await testDevice(), data, c, WEBNN);
      } catch (error) {
        if (!(error instanceof Unsupported)) throw error;
        tooLarge.push(`${c.name}: ${error.message}`);
      }
    });
  }

  test('only integers beyond 32 bits are left out', () => {
    for (const line of tooLarge) assert.match(line, 'i64 beyond 32 bits');
    console.log(`\nleft out: ${tooLarge.join('; ')}; ${cases.filter(half).length} cases in f16`);
  });
}

test.run();
