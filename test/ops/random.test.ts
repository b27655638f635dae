// The GPU's random numbers are the host's.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { uniform } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import { testDevice } from '../support/device.ts';

test('the same numbers as on the host', async () => {
  const device = await testDevice();
  for (const [seed, stream, step] of [[0, 0, 0], [7, 3000000000, 12], [4294967295, 81, 4000000000]]) {
    for (const n of [1, 6, 4099]) {
      const rng = new Rng(seed, stream, step);
      const want = Float32Array.from({ length: n }, () => rng.uniform());
      assert.equal(await uniform(device.tensor(Uint32Array.of(seed, stream, step, 0), [4]), [n]).read(), want, `${seed} ${stream} ${step} ${n}`);
    }
  }
  assert.throws(() => uniform(device.empty([4]), [3]), /the seed is \[4\] f32/);
});

test.run();
