// One-dimensional convolution.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { conv1d, type Conv1dOptions } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64 } from '../support/op.ts';

for (const [x, w, o, bias] of [
  [[2, 11, 3], [3, 3, 4], { padding: 1, stride: 2 }, true],
  [[1, 9, 4], [2, 4, 8], { dilation: 3 }, false],
  [[1, 5, 6], [5, 2, 9], { padding: [4, 1], groups: 3 }, true],
  [[3, 1, 1], [1, 1, 1], {}, true],
  [[0, 4, 2], [3, 2, 2], {}, false],
  [[4, 600, 8], [7, 8, 16], { padding: 3 }, true],
] as [Shape, Shape, Conv1dOptions, boolean][]) {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = o;
  const [before, after] = typeof padding === 'number' ? [padding, padding] : padding;
  const [k, cig, cout] = w;
  const width = Math.floor((x[1] + before + after - dilation * (k - 1) - 1) / stride) + 1;
  const name = `conv1d x [${x}] w [${w}] ${JSON.stringify(o)}${bias ? ' bias' : ''}`;
  test(name, async () =>
    checkCase(await testDevice(), {
      name,
      inputs: { x: { shape: x }, w: { shape: w }, ...(bias ? { b: { shape: [cout] } } : {}) },
      run: (t) => conv1d(t.x, t.w, t.b, o),
      reference: (t) => {
        const y = f64([x[0], width, cout]);
        y.data.forEach((_, i) => {
          const c = i % cout;
          const at = Math.floor(i / cout) % width;
          const n = Math.floor(i / cout / width);
          for (let q = 0; q < k; q++)
            for (let j = 0; j < cig; j++) {
              const from = at * stride - before + q * dilation;
              if (from >= 0 && from < x[1])
                y.data[i] +=
                  t.x.data[(n * x[1] + from) * x[2] + Math.floor((c * groups) / cout) * cig + j] *
                  t.w.data[(q * cig + j) * cout + c];
            }
          if (t.b) y.data[i] += t.b.data[c];
        });
        return y;
      },
    }),
  );
}

test('what does not fit is refused', async () => {
  const device = await testDevice();
  assert.throws(() => conv1d(device.empty([1, 4, 3, 1]), device.empty([3, 3, 1])), /x is \[1,4,3,1\]/);
  assert.throws(() => conv1d(device.empty([1, 4, 3]), device.empty([3, 2, 1])), /x has 3 channels/);
  assert.throws(() => conv1d(device.empty([1, 2, 3]), device.empty([3, 3, 1])), /does not fit/);
  assert.throws(
    () => conv1d(device.empty([1, 4, 3]), device.empty([3, 3, 1]), undefined, { stride: 0.5 }),
    /stride is 1, 0.5/,
  );
});

test.run();
