// Max pooling.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { maxPool2d } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';
import { at, build } from '../support/reference.ts';

const cases: OpCase[] = [];

for (const [shape, kernel, stride, padding] of [
  [[2, 6, 8, 3], 2, 2, 0],
  [[1, 9, 7, 4], 3, 2, 1],
  [[1, 7, 6, 8], 3, 1, 1],
  [[2, 5, 5, 1], 3, 1, 1],
  [[2, 48, 64, 16], 2, 2, 0],
] as [Shape, number, number, number][]) {
  cases.push({
    name: `maxPool2d [${shape}] kernel ${kernel} stride ${stride} padding ${padding}`,
    inputs: { x: { shape } },
    run: ({ x }) => maxPool2d(x, { kernel, stride, padding }),
    reference: ({ x }) => {
      const out = (n: number) => Math.floor((n + 2 * padding - kernel) / stride) + 1;
      return build([shape[0], out(shape[1]), out(shape[2]), shape[3]], (n, oy, ox, c) => {
        let best = -Infinity;
        for (let ky = 0; ky < kernel; ky++) for (let kx = 0; kx < kernel; kx++) {
          const y = oy * stride - padding + ky, xx = ox * stride - padding + kx;
          if (y >= 0 && xx >= 0 && y < shape[1] && xx < shape[2]) best = Math.max(best, at(x, n, y, xx, c));
        }
        return best;
      });
    },
    h: 1e-7,
  });
}

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('a window larger than the padded image is refused', async () => {
  const x = (await testDevice()).tensor(new Float32Array(24), [1, 2, 3, 4]);
  assert.throws(() => maxPool2d(x, { kernel: 5 }), /does not fit/);
});

test('settings that are no whole numbers, and other dtypes, are refused', async () => {
  const x = (await testDevice()).empty([1, 8, 8, 4]);
  assert.throws(() => maxPool2d(x, { kernel: 2.5 }), /kernel is 2.5/);
  assert.throws(() => maxPool2d(x, { kernel: 2, stride: [1, 0] }), /stride is 1, 0/);
  assert.throws(() => maxPool2d(x, { kernel: 2, dilation: 0.5 }), /dilation/);
  assert.throws(() => maxPool2d(x, { kernel: 2, padding: 0.5 }), /padding/);
  assert.throws(() => maxPool2d(x.device.empty([1, 8, 8, 4], 'i32'), { kernel: 2 }), /is i32/);
});

test.run();
