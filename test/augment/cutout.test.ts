// CutOut: colours, noise from the run's seed, labels and validity.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { philox, Rng } from '../../runtime/random.ts';
import { cutOut } from '../../src/augment/gpu/cutout.ts';
import { MEAN } from '../../src/augment/gpu/view.ts';
import { drawSingleBoxes } from '../../src/augment/cutmix.ts';
import { testDevice } from '../support/device.ts';

for (const fill of ['mean', 'grey', 'noise'] as const) {
  test(`a box of ${fill}`, async () => {
    const device = await testDevice();
    const n = 3, h = 19, w = 31;
    const boxes = drawSingleBoxes(new Rng(3, 1), n, [h, w], { probability: 1, area: [0.1, 0.4], ratio: [0.5, 2] });
    boxes.set([5, 5, 5, 5], 4); // the second image has none
    const rng = new Rng(1, 1);
    const x = Float32Array.from({ length: n * h * w * 3 }, () => rng.uniform()), labels = Int32Array.from({ length: n * h * w }, () => rng.int(5));
    const seed = [9, 77, 12, 0] as const;
    const out = cutOut(device.tensor(x, [n, h, w, 3]), device.tensor(boxes, [n, 4]), { fill, seed: device.tensor(Uint32Array.from(seed), [4]) }, device.tensor(labels, [n, h, w]), device.tensor(new Float32Array(n * h * w).fill(1), [n, h, w]));
    const [image, l, v] = await device.read([out.image, out.labels, out.valid]);
    let filled = 0;
    for (let p = 0; p < n * h * w; p++) {
      const k = Math.floor(p / (h * w)), i = Math.floor(p / w) % h, j = p % w;
      const [y0, x0, y1, x1] = boxes.subarray(4 * k);
      const inside = i >= y0 && i < y1 && j >= x0 && j < x1;
      if (inside) filled++;
      assert.is(l[p], inside ? 255 : labels[p]);
      assert.is(v[p], inside ? 0 : 1);
      const noise = philox([p, seed[2], 0, 0], [seed[0], seed[1]]);
      for (let c = 0; c < 3; c++) {
        const want = !inside ? x[3 * p + c] : fill === 'noise' ? (noise[c] >>> 8) / 16777216 : fill === 'grey' ? 0.5 : Math.fround(MEAN[c]);
        assert.is(image[3 * p + c], want, `pixel ${p}`);
      }
    }
    assert.ok(filled > 50 && filled < n * h * w);
  });
}

test('noise without a seed, boxes that do not fit', async () => {
  const device = await testDevice();
  const x = device.tensor(new Float32Array(48), [1, 4, 4, 3]);
  assert.throws(() => cutOut(x, device.tensor(new Int32Array(4), [1, 4]), { fill: 'noise' }), /seed/);
  assert.throws(() => cutOut(x, device.tensor(new Int32Array(8), [2, 4]), { fill: 'grey' }), /boxes/);
});

test.run();
