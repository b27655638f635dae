// Sliding windows.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rng } from '../../runtime/random.ts';
import type { Sample } from '../../src/data/types.ts';
import { UNet } from '../../src/nn/unet.ts';
import { Labeller } from '../../src/train/labeller.ts';
import { SlidingWindow, windowStarts } from '../../src/train/slide.ts';
import { testDevice } from '../support/device.ts';

function picture(height: number, width: number): Sample {
  const rng = new Rng(3, 9);
  return {
    id: 'a',
    height,
    width,
    labels: null,
    rgb: Uint8Array.from({ length: 3 * height * width }, () => rng.int(256)),
  };
}

test('windows cover a side and end with it', () => {
  assert.equal(windowStarts(100, 128, 80), [0]);
  assert.equal(windowStarts(128, 128, 80), [0]);
  assert.equal(windowStarts(300, 128, 80), [0, 80, 160, 172]);
  assert.equal(windowStarts(129, 128, 80), [0, 1]);
});

test('an image inside one window is predicted as a whole; a larger one agrees with the mean over its windows', async () => {
  const device = await testDevice();
  const net = new UNet(device, { numClasses: 4, width: 4, depth: 2, seed: 2 });
  const small = picture(40, 33);
  const whole = new Labeller(device, net);
  const window = new SlidingWindow(device, net, 48);
  const got = await window.predict(small);
  await whole.run(
    ['a'],
    async () => small,
    { scales: [1], flip: false },
    (_, map, confidence) => {
      assert.equal(got.labels, map.labels);
      assert.ok(confidence.every((v, i) => Math.abs(v - got.confidence[i]) < 1e-6));
    },
  );
  const large = picture(70, 61);
  const slid = await window.predict(large);
  // The reference: every window by itself, summed on the host.
  const sum = new Float64Array(70 * 61 * 4);
  const n = new Float64Array(70 * 61);
  for (const y of windowStarts(70, 48, 32))
    for (const x of windowStarts(61, 48, 32)) {
      const rgb = new Uint8Array(48 * 48 * 3);
      for (let r = 0; r < 48; r++)
        rgb.set(large.rgb.subarray(3 * ((y + r) * 61 + x), 3 * ((y + r) * 61 + x + 48)), 3 * 48 * r);
      const p = await window['plan'](48, 48)
        .run({
          texels: Uint32Array.from(
            { length: 48 * 48 },
            (_, i) => (rgb[3 * i] | (rgb[3 * i + 1] << 8) | (rgb[3 * i + 2] << 16) | 0xff000000) >>> 0,
          ),
          sizes: Int32Array.of(48, 48),
          table: Float32Array.of(0, 0, 1, 1, 0, 1e9, 1e9, 0),
        })
        .p.read();
      for (let i = 0; i < 48 * 48; i++) {
        const at = (y + Math.floor(i / 48)) * 61 + x + (i % 48);
        n[at]++;
        for (let k = 0; k < 4; k++) sum[4 * at + k] += p[4 * i + k];
      }
    }
  for (let at = 0; at < n.length; at++) {
    const p = [0, 1, 2, 3].map((k) => sum[4 * at + k] / n[at]);
    assert.ok(Math.abs(Math.max(...p) - slid.confidence[at]) < 1e-6, `pixel ${at}`);
    assert.ok(Math.abs(p[slid.labels[at]] - Math.max(...p)) < 1e-6, `pixel ${at}`);
  }
  window.dispose();
  whole.dispose();
  net.dispose();
});

test.run();
