// Every operation refuses a tensor that has been disposed, whichever of its arguments it is.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DisposedError } from '../../runtime/errors.ts';
import { testDevice } from '../support/device.ts';
import { SAMPLES } from './samples.ts';
import { tensors, tryOut } from './table.ts';

test('a disposed argument is an error of its own', async () => {
  const device = await testDevice();
  const silent: string[] = [];
  for (const [name, sample] of Object.entries(SAMPLES)) {
    for (const arg of Object.keys(sample.args).filter((a) => a !== 'like')) {
      try {
        tryOut(device, () => {
          const t = tensors(device, sample, 'f32');
          t[arg].dispose();
          sample.call(t);
        });
        silent.push(`${name} took a disposed ${arg}`);
      } catch (error) {
        if (!(error instanceof DisposedError)) silent.push(`${name}: ${(error as Error).message}`);
      }
    }
  }
  assert.equal(silent, []);
});

test.run();
