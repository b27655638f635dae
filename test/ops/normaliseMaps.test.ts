// Activation maps to [0, 1].

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { normaliseMaps, type NormaliseMapsOptions } from '../../src/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, close, type OpCase } from '../support/op.ts';

function makeCase(shape: Shape, by: NormaliseMapsOptions['by'], scale: number): OpCase {
  const [n, h, w, c] = shape;
  return {
    name: `normaliseMaps [${shape}] ${by} ${scale}`,
    inputs: { x: { shape, draw: (r) => scale * r.normal() }, present: { shape: [n, c], draw: (r) => r.int(2) } },
    run: ({ x, present }) => normaliseMaps(x, { by, present }),
    reference: ({ x, present }) => {
      const data = new Float64Array(x.data.length);
      for (let k = 0; k < n; k++)
        for (let ch = 0; ch < c; ch++) {
          const at = (p: number): number => (k * h * w + p) * c + ch;
          const v = Array.from({ length: h * w }, (_, p) => Math.max(0, x.data[at(p)]));
          const low = by === 'max' ? 0 : Math.min(...v);
          const spread = Math.max(...v) - low;
          v.forEach((u, p) => (data[at(p)] = spread > 0 ? (present.data[k * c + ch] * (u - low)) / spread : 0));
        }
      return { shape, data };
    },
    h: 0,
  };
}

for (const c of [
  makeCase([1, 1, 1, 1], 'max', 1),
  makeCase([2, 3, 3, 5], 'min-max', 1),
  makeCase([2, 16, 17, 3], 'max', 1e-20),
  makeCase([3, 9, 30, 21], 'min-max', 1e4),
]) {
  test(c.name, async () => checkCase(await testDevice(), c));
}

test('worked example, and maps without spread', async () => {
  const device = await testDevice();
  const cam = device.tensor([0.1, 0.1, 0.2, 0.6], [1, 2, 2, 1]);
  close(await normaliseMaps(cam).read(), [0.16666667, 0.16666667, 0.33333333, 1], 1e-6, 'max');
  close(await normaliseMaps(cam, { by: 'min-max' }).read(), [0, 0, 0.2, 1], 1e-6, 'min-max');
  for (const v of [0, -3, 2])
    assert.equal(
      [...(await normaliseMaps(device.tensor([v, v], [1, 1, 2, 1]), { by: 'min-max' }).read())],
      [0, 0],
      `all ${v}`,
    );
  assert.equal([...(await normaliseMaps(device.tensor([0, -1], [1, 1, 2, 1])).read())], [0, 0]);
  assert.throws(() => normaliseMaps(device.empty([3, 3])), /\[3,3\]/);
  assert.throws(() => normaliseMaps(device.empty([2, 0, 3, 1])), /with pixels/);
  assert.equal([...normaliseMaps(device.empty([0, 3, 3, 2])).shape], [0, 3, 3, 2]);
});

test.run();
