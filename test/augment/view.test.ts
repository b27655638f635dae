// Weak views: draws and sampling, against a float64 sampler.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rng } from '../../runtime/random.ts';
import { view } from '../../src/augment/gpu/view.ts';
import { drawWeak, identityViews, turned, type WeakOptions } from '../../src/augment/weak.ts';
import { testDevice } from '../support/device.ts';

const H = 20;
const W = 31;
const sizes = Int32Array.of(20, 31, 13, 31, 17, 9);

function texels(): Uint32Array {
  const rng = new Rng(5, 1);
  return Uint32Array.from({ length: 3 * H * W }, () => (rng.int(1 << 24) | ((rng.int(6) + 1) << 24)) >>> 0);
}

async function sample(table: Float32Array, size: [number, number]) {
  const device = await testDevice();
  const out = device.scope(() =>
    view(device.tensor(texels(), [3, H, W]), device.tensor(sizes, [3, 2]), device.tensor(table, [3, 8]), size),
  );
  const [image, labels, valid] = await device.read([out.image, out.labels, out.valid]);
  for (const t of Object.values(out)) t.dispose();
  return { image, labels, valid };
}

const OPTIONS: [string, WeakOptions][] = [
  ['scale range', { crop: [12, 16], range: [0.5, 1.5] }],
  ['centred padding', { crop: [40, 50], choice: [0.5, 0.75, 1], pad: 'centre', flip: 1 }],
  ['long side', { crop: [24, 24], longSide: { base: 20, range: [0.5, 2] } }],
  ['rotation', { crop: [18, 22], range: [0.5, 1.5], rotate: 30 }],
  ['rotation with padding', { crop: [40, 50], range: [0.5, 1.5], rotate: 180, pad: 'centre' }],
  ['cover', { crop: [24, 36], range: [0.75, 1.5], cover: true }],
];

for (const [name, options] of OPTIONS) {
  test(`weak views: ${name}`, async () => {
    const source = texels();
    for (let trial = 0; trial < 5; trial++) {
      const table = drawWeak(new Rng(1, 2, trial), sizes, options);
      const [h, w] = options.crop;
      const got = await sample(table, [h, w]);
      for (let k = 0; k < 3; k++) {
        const [y0, x0, sy, sx, flip, vh, vw, angle] = table.subarray(8 * k, 8 * k + 8);
        const height = sizes[2 * k];
        const width = sizes[2 * k + 1];
        for (let i = 0; i < h; i++)
          for (let column = 0; column < w; column++) {
            const [row, j] = turned(i, flip ? w - 1 - column : column, angle, [h, w]);
            const y = y0 + (row + 0.5) * sy - 0.5;
            const x = x0 + (j + 0.5) * sx - 0.5;
            // Rounding decides at exact borders; the sampler may go either way there.
            const border =
              [y + 0.5, x + 0.5, height - 0.5 - y, width - 0.5 - x].some((d) => Math.abs(d) < 1e-3) ||
              (angle !== 0 && [vh - row, vw - j].some((d) => Math.abs(d) < 1e-3));
            if (border) continue;
            const inside = y >= -0.5 && x >= -0.5 && y < height - 0.5 && x < width - 0.5 && row < vh && j < vw;
            const p = (k * h + i) * w + column;
            assert.is(got.valid[p], inside ? 1 : 0, `${name}: validity at ${k} ${i} ${column}`);
            if (!inside) {
              assert.is(got.labels[p], 255);
              assert.ok(Math.abs(got.image[3 * p] - 0.485) < 1e-6);
              continue;
            }
            const cy = Math.min(Math.max(y, 0), height - 1);
            const cx = Math.min(Math.max(x, 0), width - 1);
            const ya = Math.floor(cy);
            const xa = Math.floor(cx);
            const yb = Math.min(ya + 1, height - 1);
            const xb = Math.min(xa + 1, width - 1);
            const texel = (yy: number, xx: number) => source[(k * H + yy) * W + xx];
            for (let c = 0; c < 3; c++) {
              const v = (yy: number, xx: number) => ((texel(yy, xx) >>> (8 * c)) & 255) / 255;
              const want =
                (v(ya, xa) * (1 - cx + xa) + v(ya, xb) * (cx - xa)) * (1 - cy + ya) +
                (v(yb, xa) * (1 - cx + xa) + v(yb, xb) * (cx - xa)) * (cy - ya);
              assert.ok(
                Math.abs(got.image[3 * p + c] - want) < 1e-4,
                `${name}: ${got.image[3 * p + c]} for ${want} at ${k} ${i} ${column}`,
              );
            }
            const ny = Math.floor(y + 0.5);
            const nx = Math.floor(x + 0.5);
            if (Math.abs(y + 0.5 - Math.round(y + 0.5)) > 1e-3 && Math.abs(x + 0.5 - Math.round(x + 0.5)) > 1e-3)
              assert.is(got.labels[p], texel(ny, nx) >>> 24);
          }
      }
    }
  });
}

test('a turn by a quarter: what lay right lies above; without one no draw is taken', () => {
  assert.equal(
    turned(0, 0, Math.PI / 2, [5, 5]).map((v) => Math.round(v)),
    [0, 4],
  );
  const plain = drawWeak(new Rng(1, 2), sizes, { crop: [12, 16] });
  assert.equal(drawWeak(new Rng(1, 2), sizes, { crop: [12, 16], rotate: 0 }), plain);
  const angles = Array.from({ length: 50 }, (_, i) => drawWeak(new Rng(i, 2), sizes, { crop: [8, 8], rotate: 10 })[7]);
  assert.ok(
    angles.every((a) => Math.abs(a) <= (10 * Math.PI) / 180) && Math.min(...angles) < 0 && Math.max(...angles) > 0,
  );
});

test('a long side goes before a choice of scales, and that before a range', () => {
  const draw = (options: Partial<WeakOptions>): Float32Array =>
    drawWeak(new Rng(1, 2), sizes, { crop: [12, 16], range: [0.5, 0.5], ...options });
  const longSide = { base: 62, range: [1, 1] } as const;
  assert.is(draw({})[2], 2);
  assert.is(draw({ choice: [0.25] })[2], 4);
  assert.equal([draw({ longSide })[2], draw({ longSide, choice: [0.25] })[2]], [0.5, 0.5]);
});

test('the identity shows each image as it is', async () => {
  const source = texels();
  const got = await sample(identityViews(3), [H, W]);
  for (let k = 0; k < 3; k++)
    for (let y = 0; y < H; y++)
      for (let x = 0; x < W; x++) {
        const p = (k * H + y) * W + x;
        const inside = y < sizes[2 * k] && x < sizes[2 * k + 1];
        assert.is(got.labels[p], inside ? source[p] >>> 24 : 255);
        if (inside) assert.ok(Math.abs(got.image[3 * p] * 255 - (source[p] & 255)) < 1e-3);
      }
});

test('crops are uniform, images that fit are never padded, the same draw repeats', () => {
  const tops = new Set<number>();
  for (let step = 0; step < 300; step++) {
    const table = drawWeak(new Rng(9, 3, step), Int32Array.of(10, 10), { crop: [8, 8] });
    assert.equal(table, drawWeak(new Rng(9, 3, step), Int32Array.of(10, 10), { crop: [8, 8] }));
    assert.ok(table[0] >= 0 && table[0] <= 2 && table[5] >= 8);
    tops.add(table[0]);
  }
  assert.is(tops.size, 3);
});

test.run();
