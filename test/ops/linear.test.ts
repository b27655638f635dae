// Linear layers.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { linear } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64 } from '../support/op.ts';

for (const [shape, cout, bias] of [
  [[7], 3, true],
  [[4, 6], 5, true],
  [[2, 3, 8], 16, false],
  [[1, 1], 1, true],
  [[2, 1, 3, 2, 5], 4, true],
  [[0, 6], 5, true],
  [[512, 48], 64, true],
] as [Shape, number, boolean][]) {
  const cin = shape[shape.length - 1];
  const name = `linear [${shape}] to ${cout}${bias ? ' bias' : ''}`;
  test(name, async () =>
    checkCase(await testDevice(), {
      name,
      inputs: { x: { shape }, w: { shape: [cin, cout] }, ...(bias ? { b: { shape: [cout] } } : {}) },
      run: ({ x, w, b }) => linear(x, w, b),
      reference: ({ x, w, b }) => {
        const y = f64([...shape.slice(0, -1), cout]);
        y.data.forEach((_, i) => {
          const row = Math.floor(i / cout);
          const j = i % cout;
          for (let k = 0; k < cin; k++) y.data[i] += x.data[row * cin + k] * w.data[k * cout + j];
          if (b) y.data[i] += b.data[j];
        });
        return y;
      },
    }),
  );
}

test('sizes that do not fit are refused', async () => {
  const { empty } = await testDevice().then((d) => ({ empty: (...s: number[]) => d.empty(s) }));
  assert.throws(() => linear(empty(), empty(1, 1)), /do not fit/);
  assert.throws(() => linear(empty(2, 3), empty(4, 5)), /x \[2,3\] and w \[4,5\] do not fit/);
  assert.throws(() => linear(empty(2, 4), empty(4, 5), empty(4)), /bias is \[4\], not \[5\]/);
  assert.throws(() => linear(empty(2, 4).device.empty([2, 4], 'i32'), empty(4, 5)), /is i32/);
});

test.run();
