// Colour augmentation against the formulas of torchvision and TensorFlow in float64.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rng } from '../../runtime/random.ts';
import { COLOUR_ROW, drawColour, PSEUDOSEG_COLOUR, type ColourSemantics } from '../../src/augment/colour.ts';
import { colour } from '../../src/augment/gpu/colour.ts';
import { testDevice } from '../support/device.ts';

type Rgb = [number, number, number];
const clip = (v: number): number => Math.min(Math.max(v, 0), 1);
const grey = ([r, g, b]: Rgb): number => 0.2989 * r + 0.587 * g + 0.114 * b;

function toHsv([r, g, b]: Rgb): Rgb {
  const high = Math.max(r, g, b);
  const d = high - Math.min(r, g, b);
  if (d === 0) return [0, 0, high];
  const h = r === high ? (g - b) / d : g === high ? 2 + (b - r) / d : 4 + (r - g) / d;
  return [(h / 6 + 1) % 1, d / high, high];
}

function toRgb([h, s, v]: Rgb): Rgb {
  const i = Math.floor(h * 6);
  const f = h * 6 - i;
  const p = v * (1 - s);
  const q = v * (1 - s * f);
  const t = v * (1 - s * (1 - f));
  return (
    [
      [v, t, p],
      [q, v, p],
      [p, v, t],
      [p, q, v],
      [t, p, v],
      [v, p, q],
    ] as Rgb[]
  )[i % 6];
}

/** One operation on one image. */
function apply(op: number, value: number, image: Rgb[], semantics: ColourSemantics): Rgb[] {
  const tf = semantics === 'tensorflow';
  const mean = (f: (v: Rgb) => number) => image.reduce((s, v) => s + f(v), 0) / image.length;
  if (op === 0) return image.map((v) => v.map((c) => clip(tf ? c + value : c * value)) as Rgb);
  if (op === 1) {
    const m: Rgb = tf ? [mean((v) => v[0]), mean((v) => v[1]), mean((v) => v[2])] : (Array(3).fill(mean(grey)) as Rgb);
    return image.map((v) => v.map((c, i) => clip(m[i] + (c - m[i]) * value)) as Rgb);
  }
  if (op === 2) {
    if (!tf) return image.map((v) => v.map((c) => clip(grey(v) + (c - grey(v)) * value)) as Rgb);
    return image.map((v) => {
      const [h, s, x] = toHsv(v);
      return toRgb([h, clip(s * value), x]);
    });
  }
  return image.map((v) => {
    const [h, s, x] = toHsv(v);
    return toRgb([(h + value + 1) % 1, s, x]);
  });
}

function blurred(image: Rgb[], h: number, w: number, sigma: number): Rgb[] {
  const radius = Math.ceil(3 * sigma);
  const pass = (source: Rgb[], dy: number, dx: number): Rgb[] =>
    source.map((_, p) => {
      const y = Math.floor(p / w);
      const x = p % w;
      const sum: Rgb = [0, 0, 0];
      let total = 0;
      for (let d = -radius; d <= radius; d++) {
        const weight = Math.exp((-0.5 * d * d) / (sigma * sigma));
        const v = source[Math.min(Math.max(y + d * dy, 0), h - 1) * w + Math.min(Math.max(x + d * dx, 0), w - 1)];
        for (let c = 0; c < 3; c++) sum[c] += weight * v[c];
        total += weight;
      }
      return sum.map((c) => c / total) as Rgb;
    });
  return pass(pass(image, 0, 1), 1, 0);
}

for (const semantics of ['torchvision', 'tensorflow'] as const) {
  test(`colour in the semantics of ${semantics}`, async () => {
    const device = await testDevice();
    const n = 6;
    const h = 21;
    const w = 34;
    const rng = new Rng(2, 8);
    // Values off the 8-bit grid, so that no hue lies on an edge where rounding decides.
    const x = Float32Array.from({ length: n * h * w * 3 }, () => rng.uniform());
    const table = drawColour(
      new Rng(7, 7),
      n,
      semantics === 'tensorflow' ? PSEUDOSEG_COLOUR : { blur: 0.7, grey: 0.4 },
    );
    const y = device.scope(() =>
      colour(device.tensor(x, [n, h, w, 3]), device.tensor(table, [n, COLOUR_ROW]), { semantics }),
    );
    const got = await y.read();
    let changed = 0;
    for (let k = 0; k < n; k++) {
      const row = table.subarray(k * COLOUR_ROW, (k + 1) * COLOUR_ROW);
      let image = Array.from(
        { length: h * w },
        (_, p) => Array.from(x.subarray((k * h * w + p) * 3, (k * h * w + p) * 3 + 3)) as Rgb,
      );
      if (row[8]) for (let i = 0; i < 4; i++) image = apply(row[i], row[4 + row[i]], image, semantics);
      if (row[9]) image = image.map((v) => Array(3).fill(grey(v)) as Rgb);
      if (row[10]) image = blurred(image, h, w, row[10]);
      if (row[8] || row[9] || row[10]) changed++;
      image.forEach((v, p) =>
        v.forEach((want, c) => {
          const g = got[(k * h * w + p) * 3 + c];
          assert.ok(Math.abs(g - want) < 2e-5, `image ${k} pixel ${p}: ${g} for ${want}`);
        }),
      );
    }
    assert.ok(changed >= 4);
    y.dispose();
  });
}

test('draws repeat, and keep to their probabilities', () => {
  const table = drawColour(new Rng(1, 1, 3), 2000);
  assert.equal(table, drawColour(new Rng(1, 1, 3), 2000));
  assert.equal(
    drawColour(new Rng(1, 1, 3), 2000, { brightness: undefined, sigma: undefined }),
    table,
    'what is undefined is not given',
  );
  const share = (column: number) =>
    Array.from({ length: 2000 }, (_, k) => (table[k * COLOUR_ROW + column] ? 1 : 0) as number).reduce((a, b) => a + b) /
    2000;
  assert.ok(Math.abs(share(8) - 0.8) < 0.04 && Math.abs(share(9) - 0.2) < 0.04 && Math.abs(share(10) - 0.5) < 0.05);
});

test.run();
