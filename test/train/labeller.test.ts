// Predictions with test-time augmentation against the same computed image by image on the host from the network's
// logits.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UNet } from '../../src/nn/unet.ts';
import { EVAL } from '../../src/nn/module.ts';
import { MEAN, STD } from '../../src/augment/gpu/view.ts';
import { Rng } from '../../runtime/random.ts';
import type { Sample } from '../../src/data/types.ts';
import type { LabelMap } from '../../src/schemes/scheme.ts';
import { Labeller } from '../../src/train/labeller.ts';
import { testDevice } from '../support/device.ts';

function sample(id: string, height: number, width: number): Sample {
  const rng = new Rng(4, id.charCodeAt(0));
  return {
    id,
    height,
    width,
    rgb: Uint8Array.from({ length: height * width * 3 }, (_, i) => 90 + 80 * Math.sin(i / 40) + rng.uniform(0, 80)),
    labels: null,
  };
}

/** Bilinear with aligned corners. */
function resized(x: ArrayLike<number>, [h, w, c]: readonly number[], [H, W]: readonly number[]): Float32Array {
  const out = new Float32Array(H * W * c);
  for (let i = 0; i < H; i++) {
    for (let j = 0; j < W; j++) {
      const y = H > 1 ? (i * (h - 1)) / (H - 1) : 0;
      const u = W > 1 ? (j * (w - 1)) / (W - 1) : 0;
      const y0 = Math.min(Math.floor(y), h - 1);
      const x0 = Math.min(Math.floor(u), w - 1);
      const y1 = Math.min(y0 + 1, h - 1);
      const x1 = Math.min(x0 + 1, w - 1);
      for (let k = 0; k < c; k++) {
        const at = (a: number, b: number): number => x[(a * w + b) * c + k];
        const top = at(y0, x0) * (1 - u + x0) + at(y0, x1) * (u - x0);
        const low = at(y1, x0) * (1 - u + x0) + at(y1, x1) * (u - x0);
        out[(i * W + j) * c + k] = top * (1 - y + y0) + low * (y - y0);
      }
    }
  }
  return out;
}

function mirrored(x: ArrayLike<number>, [h, w, c]: readonly number[]): Float32Array {
  return Float32Array.from(
    { length: h * w * c },
    (_, i) => x[(Math.floor(i / (w * c)) * w + (w - 1 - (Math.floor(i / c) % w))) * c + (i % c)],
  );
}

test('scales and mirrored copies of images of different sizes', async () => {
  const device = await testDevice();
  const classes = 3;
  const net = new UNet(device, { numClasses: classes, width: 4, depth: 2, seed: 3 });
  const samples = new Map(
    [
      sample('a', 15, 22),
      sample('b', 15, 22),
      sample('c', 9, 12),
      sample('d', 20, 11),
      sample('e', 15, 22),
      sample('f', 8, 8),
    ].map((s) => [s.id, s]),
  );
  const scales = [0.5, 1, 1.5];
  const flip = true;
  const inUse = device.pool.stats.inUse;
  const labeller = new Labeller(device, net);
  const got = new Map<string, { map: LabelMap; confidence: Float32Array }>();
  await labeller.run(
    [...samples.keys()],
    async (id) => samples.get(id)!,
    { scales, flip, ids: new Set(['a', 'b', 'c', 'd', 'f']) },
    (id, map, confidence) => got.set(id, { map, confidence }),
  );
  assert.is(labeller.held, 3);
  labeller.dispose();
  assert.is(device.pool.stats.inUse, inUse, 'all memory is given back');
  assert.equal([...got.keys()].sort(), ['a', 'b', 'c', 'd', 'f']);
  for (const [id, { map, confidence }] of got) {
    const { height: h, width: w, rgb } = samples.get(id)!;
    assert.equal([map.height, map.width, map.labels.length, confidence.length], [h, w, h * w, h * w]);
    const x = Float32Array.from(rgb, (v, i) => (v / 255 - MEAN[i % 3]) / STD[i % 3]);
    const sum = new Float64Array(h * w * classes);
    for (const scale of scales) {
      for (const back of [false, true]) {
        const size = [Math.floor(h * scale), Math.floor(w * scale)];
        const given = resized(back ? mirrored(x, [h, w, 3]) : x, [h, w, 3], size);
        const logits = device.scope(() => net.forward(device.tensor(given, [1, ...size, 3]), EVAL));
        const z = await logits.read();
        logits.dispose();
        const p = new Float32Array(z.length);
        for (let i = 0; i < z.length; i += classes) {
          const e = Array.from({ length: classes }, (_, k) => Math.exp(z[i + k]));
          e.forEach((v, k) => (p[i + k] = v / e.reduce((a, b) => a + b)));
        }
        const there = resized(p, [...size, classes], [h, w]);
        (back ? mirrored(there, [h, w, classes]) : there).forEach((v, i) => (sum[i] += v / 6));
      }
    }
    for (let p = 0; p < h * w; p++) {
      const q = [...sum.subarray(p * classes, (p + 1) * classes)];
      const top = Math.max(...q);
      assert.ok(Math.abs(confidence[p] - top) < 1e-4, `${id}, pixel ${p}: ${confidence[p]} for ${top}`);
      assert.ok(top - q[map.labels[p]] < 1e-4, `${id}, pixel ${p}: label`);
    }
  }
  const again = new Labeller(device, net);
  let threw = false;
  await again
    .run(
      ['a'],
      async (id) => samples.get(id)!,
      { scales: [], flip },
      () => undefined,
    )
    .catch(() => (threw = true));
  assert.ok(threw);
  net.dispose();
});

test.run();
