// Boxes, their masks, and what is mixed by them.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rng } from '../../runtime/random.ts';
import {
  boxSize,
  CPS_BOXES,
  drawBoxes,
  drawSingleBoxes,
  FRENCH_BOXES,
  rasterise,
  UNIMATCH_BOX,
} from '../../src/augment/cutmix.ts';
import { boxMask, mixBy } from '../../src/augment/gpu/mix.ts';
import { testDevice } from '../support/device.ts';

test('box sizes of the published generator', () => {
  assert.equal(boxSize(0.5, 0.5, 1, 512, 512), [362, 362]);
  assert.equal(boxSize(0.25, 0.5, 3, 512, 512), [148, 148]);
  assert.equal(boxSize(0.5, 0, 3, 512, 512), [296, 148]);
  assert.equal(boxSize(0.5, 1, 3, 512, 512), [148, 296]);
  assert.equal(boxSize(0, 0.3, 1, 512, 512), [0, 0]);
});

test('two identical boxes cancel', () => {
  assert.is(
    rasterise(Int32Array.of(1, 2, 5, 6, 1, 2, 5, 6), [8, 8]).reduce((a, b) => a + b, 0),
    0,
  );
});

test('boxes lie inside and cover what they should', () => {
  let covered = 0;
  for (let step = 0; step < 200; step++) {
    const boxes = drawBoxes(new Rng(1, 2, step), 1, [72, 96], FRENCH_BOXES);
    assert.ok(boxes[0] >= 0 && boxes[1] >= 0 && boxes[2] <= 72 && boxes[3] <= 96);
    covered += rasterise(boxes, [72, 96]).reduce((a, b) => a + b, 0) / (72 * 96) / 200;
  }
  assert.ok(Math.abs(covered - 0.5) < 0.01, `${covered}`);
  let with_ = 0;
  for (let step = 0; step < 400; step++) {
    const [y0, x0, y1, x1] = drawSingleBoxes(new Rng(3, 2, step), 1, [72, 96], UNIMATCH_BOX, true);
    assert.ok(y0 >= 0 && x0 >= 0 && y1 <= 72 && x1 <= 96);
    if (y1 > y0) with_++;
  }
  assert.ok(Math.abs(with_ / 400 - 0.5) < 0.08);
});

test("UniMatch's CutMix keeps its area, so that it is uniform; ST++'s CutOut draws it again, which favours small boxes", () => {
  const n = 20_000;
  const size = [321, 321] as const;
  const areas = (keepArea: boolean): number[] => {
    const boxes = drawSingleBoxes(new Rng(5, 2), n, size, { ...UNIMATCH_BOX, probability: 1 }, keepArea);
    return Array.from({ length: n }, (_, i) => {
      const [y0, x0, y1, x1] = boxes.subarray(4 * i);
      return ((y1 - y0) * (x1 - x0)) / (size[0] * size[1]);
    });
  };
  const kept = areas(true);
  const again = areas(false);
  const mean = (a: number[]): number => a.reduce((s, v) => s + v, 0) / a.length;
  const below = (a: number[], v: number): number => a.filter((x) => x <= v).length / a.length;
  // U(0.02, 0.4): mean 0.21, less what cutting sides to whole pixels takes away.
  assert.ok(Math.abs(mean(kept) - 0.207) < 0.004, `mean ${mean(kept)}`);
  for (const q of [0.1, 0.25, 0.5, 0.75, 0.9]) assert.ok(Math.abs(below(kept, 0.02 + 0.38 * q) - q) < 0.025, `${q}`);
  assert.ok(Math.abs(mean(again) - 0.14) < 0.01, `mean ${mean(again)}`);
});

test('boxes that never fit are made to, with their number of draws limited', () => {
  for (const options of [
    { probability: 1, area: [1, 1], ratio: [1, 1] },
    { probability: 1, area: [0.5, 0.5], ratio: [9, 9] },
  ] as const) {
    const [y0, x0, y1, x1] = drawSingleBoxes(new Rng(3, 2), 1, [72, 96], options, true);
    assert.ok(y0 >= 0 && x0 >= 0 && y1 === 72 && x1 <= 96 && x1 > x0, `${[y0, x0, y1, x1]}`);
  }
});

test('without invert a mask is the complement', async () => {
  const device = await testDevice();
  const boxes = drawBoxes(new Rng(7, 1), 2, [20, 30], FRENCH_BOXES);
  const [inside, outside] = await device.read(
    [true, false].map((invert) => boxMask(device.tensor(boxes, [2, 1, 4]), [20, 30], { invert })),
  );
  assert.ok(inside.every((v, i) => v + outside[i] === 1));
  assert.equal(rasterise(boxes.slice(0, 4), [20, 30], false), Uint8Array.from(outside.subarray(0, 600)));
});

test('masks and mixing on the GPU', async () => {
  const device = await testDevice();
  const n = 3;
  const h = 17;
  const w = 22;
  const c = 5;
  const boxes = drawBoxes(new Rng(4, 4), n, [h, w], CPS_BOXES);
  const rng = new Rng(6, 6);
  const a = Float32Array.from({ length: n * h * w * c }, () => rng.normal());
  const b = Float32Array.from(a, () => rng.normal());
  const la = Int32Array.from({ length: n * h * w }, () => rng.int(9));
  const lb = Int32Array.from(la, () => rng.int(9));
  const masks = Array.from({ length: n }, (_, k) => rasterise(boxes.slice(12 * k, 12 * k + 12), [h, w]));
  for (const shift of [0, 1]) {
    const out = device.scope(() => {
      const mask = boxMask(device.tensor(boxes, [n, 3, 4]), [h, w]);
      return {
        mask,
        image: mixBy(mask, device.tensor(a, [n, h, w, c]), device.tensor(b, [n, h, w, c]), shift),
        labels: mixBy(mask, device.tensor(la, [n, h, w]), device.tensor(lb, [n, h, w]), shift),
      };
    });
    const [mask, image, labels] = await device.read([out.mask, out.image, out.labels]);
    for (let k = 0; k < n; k++)
      for (let p = 0; p < h * w; p++) {
        const q = k * h * w + p;
        const from = ((k + shift) % n) * h * w + p;
        assert.is(mask[q], masks[k][p]);
        assert.is(labels[q], masks[k][p] ? lb[from] : la[q]);
        for (let i = 0; i < c; i++) assert.is(image[q * c + i], masks[k][p] ? b[from * c + i] : a[q * c + i]);
      }
  }
});

test.run();
