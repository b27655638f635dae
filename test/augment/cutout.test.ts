// CutOut: what is inside a box, and nothing else, is filled, ignored and invalid.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rng } from '../../runtime/random.ts';
import { drawCutout, pseudosegHalf } from '../../src/augment/cutout.ts';
import { cutout } from '../../src/augment/gpu/cutout.ts';
import { MEAN } from '../../src/augment/gpu/view.ts';
import { testDevice } from '../support/device.ts';
import { says } from '../support/errors.ts';

test('images, labels and validity; a colour, or noise from a seed', async () => {
  const device = await testDevice();
  const n = 3;
  const h = 17;
  const w = 23;
  const pixels = n * h * w;
  // The second image has an empty box beside its own, the third one that is larger than it.
  const boxes = Int32Array.of(2, 3, 9, 11, 4, 5, 12, 6, 5, 5, 5, 9, 0, 0, 1, 1, -4, -4, 99, 99, 0, 0, 0, 0);
  const rng = new Rng(2, 2);
  const x = Float32Array.from({ length: 3 * pixels }, () => rng.uniform());
  const labels = Int32Array.from({ length: pixels }, () => rng.int(5));
  const valid = Float32Array.from(labels, () => rng.int(2));
  for (const seed of [null, Uint32Array.of(3, 9, 4, 0)]) {
    const out = device.scope(() =>
      cutout(device.tensor(x, [n, h, w, 3]), device.tensor(boxes, [n, 2, 4]), {
        labels: device.tensor(labels, [n, h, w]),
        valid: device.tensor(valid, [n, h, w]),
        ...(seed && { noise: device.tensor(seed, [4]) }),
      }),
    );
    const [image, outLabels, outValid] = await device.read([out.image, out.labels, out.valid]);
    const draws = seed && new Rng(seed[0], seed[1], seed[2]);
    const noise = Float32Array.from(x, () => draws?.uniform() ?? 0);
    let cut = 0;
    for (let p = 0; p < pixels; p++) {
      const k = Math.floor(p / (h * w));
      const i = Math.floor(p / w) % h;
      const j = p % w;
      const inside = [0, 1].some((b) => {
        const [y0, x0, y1, x1] = boxes.subarray(8 * k + 4 * b);
        return i >= y0 && i < y1 && j >= x0 && j < x1;
      });
      if (inside) cut++;
      assert.is(outLabels[p], inside ? 255 : labels[p]);
      assert.is(outValid[p], inside ? 0 : valid[p]);
      for (let c = 0; c < 3; c++)
        assert.is(image[3 * p + c], inside ? (seed ? noise[3 * p + c] : Math.fround(MEAN[c])) : x[3 * p + c]);
    }
    assert.is(cut, 7 * 8 + 8 * 1 - 5 * 1 + 1 + h * w);
  }
});

test('only the image, another colour; what does not fit', async () => {
  const device = await testDevice();
  const x = device.tensor(new Float32Array(12), [1, 2, 2, 3]);
  const boxes = device.tensor(Int32Array.of(0, 0, 1, 1), [1, 1, 4]);
  const out = cutout(x, boxes, { fill: [1, 0.5, 0.25] });
  assert.equal([...(await out.image.read())], [1, 0.5, 0.25, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.is(out.labels, undefined);
  assert.throws(() => cutout(device.empty([1, 2, 2, 1]), boxes), says(/not f32 \[n, h, w, 3\]/));
  assert.throws(() => cutout(x, device.empty([2, 1, 4], 'i32')), says(/give i32 \[1, k, 4\]/));
  assert.throws(() => cutout(x, boxes, { valid: device.empty([1, 2, 3]) }), says(/give f32 \[1,2,2\]/));
});

test('squares lie inside, and most of them whole', () => {
  assert.is(pseudosegHalf([513, 513]), 50);
  assert.is(pseudosegHalf([96, 128]), 9);
  let whole = 0;
  let least = 1e9;
  for (let step = 0; step < 500; step++) {
    const [y0, x0, y1, x1] = drawCutout(new Rng(1, 5, step), 1, [96, 128], 9);
    assert.ok(y0 >= 0 && x0 >= 0 && y1 <= 96 && x1 <= 128);
    const area = (y1 - y0) * (x1 - x0);
    if (area === 18 * 18) whole++;
    least = Math.min(least, area);
  }
  const expected = (1 - 17 / 96) * (1 - 17 / 128);
  assert.ok(Math.abs(whole / 500 - expected) < 0.06, `${whole / 500} ${expected}`);
  assert.ok(least >= 81);
});

test.run();
