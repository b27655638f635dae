// Image operations on the GPU against Pillow: its own results on a small picture (pillow.json), and a reference of its
// algorithms on larger ones.

import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rng } from '../../runtime/random.ts';
import { applyOperations, moveMap } from '../../src/augment/gpu/randaugment.ts';
import * as ops from '../../src/augment/operations.ts';
import { drawRandAugment, randAugmentSlots, type RandAugmentTable } from '../../src/augment/randaugment.ts';
import { testDevice } from '../support/device.ts';
import * as pil from '../support/pillow.ts';

type Size = readonly [number, number];
const GREY = [127 / 255, 127 / 255, 127 / 255] as const;

/** Runs one chain of rows for each picture (all of one size) and gives 8-bit values. */
async function run(
  pictures: readonly pil.Picture[],
  chains: readonly (readonly ops.Row[])[],
  fill: readonly [number, number, number] = [0, 0, 0],
): Promise<Uint8Array[]> {
  const device = await testDevice();
  const { height, width } = pictures[0];
  const n = pictures.length;
  const slots = Math.max(...chains.map((c) => c.length));
  const size = height * width * 3;
  const x = new Float32Array(n * size);
  const table = new Int32Array(n * slots * ops.OP_ROW);
  pictures.forEach((p, k) =>
    x.set(
      Float32Array.from(p.rgb, (v) => v / 255),
      k * size,
    ),
  );
  chains.forEach((chain, k) => chain.forEach((r, s) => table.set(r, (k * slots + s) * ops.OP_ROW)));
  const y = device.scope(() =>
    applyOperations(device.tensor(x, [n, height, width, 3]), device.tensor(table, [n, slots, ops.OP_ROW]), { fill }),
  );
  const got = await y.read();
  y.dispose();
  return pictures.map((_, k) => Uint8Array.from(got.subarray(k * size, (k + 1) * size), (v) => Math.round(v * 255)));
}

function worst(got: ArrayLike<number>, want: ArrayLike<number>): number {
  assert.is(got.length, want.length);
  let most = 0;
  for (let i = 0; i < got.length; i++) most = Math.max(most, Math.abs(got[i] - want[i]));
  return most;
}

function picture(seed: number, [height, width]: Size): pil.Picture {
  const rng = new Rng(seed, 5);
  const tint = [rng.uniform(0.3, 1), rng.uniform(0.3, 1), rng.uniform(0.3, 1)];
  return {
    height,
    width,
    rgb: Uint8Array.from(
      { length: height * width * 3 },
      (_, i) => 20 + tint[i % 3] * (60 * (1 + Math.sin(i / (7 * width))) + rng.uniform(0, 100)),
    ),
  };
}

/** A row for a named case. */
function rowOf(name: string, args: readonly (number | string)[], size: Size): ops.Row {
  const v = args[0] as number;
  switch (name) {
    case 'solarize':
      return ops.solarize(v);
    case 'solarizeAdd':
      return ops.solarizeAdd(v);
    case 'posterize':
      return ops.posterize(v);
    case 'rotate':
      return ops.rotate(v, size);
    case 'shearX':
      return ops.shearX(v);
    case 'shearY':
      return ops.shearY(v);
    case 'translateX':
      return ops.translateX(v);
    case 'translateY':
      return ops.translateY(v);
    case 'hue':
      return ops.hue(v);
    case 'rescale':
      return ops.rescale(v, args[1] as (typeof ops.RESAMPLING)[number], size);
    case 'color':
    case 'contrast':
    case 'brightness':
    case 'sharpness':
      return ops.enhance(name, v);
    default:
      return ops.blended(name as ops.Blended, v);
  }
}

test("Pillow's own results", async () => {
  const file = JSON.parse(readFileSync(new URL('./pillow.json', import.meta.url), 'utf8'));
  const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'));
  const source: pil.Picture = { height: file.height, width: file.width, rgb: bytes(file.rgb) };
  const cases = file.cases as { name: string; args: (number | string)[]; rgb: string }[];
  const got = await run(
    cases.map(() => source),
    cases.map((c) => [rowOf(c.name, c.args, [file.height, file.width])]),
  );
  cases.forEach((c, k) => {
    // Pillow resamples by weights in fixed point; its autocontrast multiplies in doubles, which can put an exact level
    // one too low.
    const allowed = (c.name === 'rescale' && c.args[1] !== 'nearest') || c.name === 'autocontrast' ? 1 : 0;
    assert.ok(worst(got[k], bytes(c.rgb)) <= allowed, `${c.name}(${c.args}) is off by ${worst(got[k], bytes(c.rgb))}`);
  });
  assert.ok(cases.length > 40);
});

for (const size of [
  [9, 14],
  [96, 131],
] as Size[]) {
  test(`the reference at ${size[0]}x${size[1]}`, async () => {
    const grid = (v: number): number => Math.round(v * ops.OP_ONE) / ops.OP_ONE;
    const f = grid(1.63);
    const share = grid(0.71);
    const blendedWith = (p: pil.Picture, op: (p: pil.Picture) => pil.Picture): pil.Picture =>
      pil.blend(p, op(p), share);
    const cases: [string, ops.Row, (p: pil.Picture) => pil.Picture][] = [
      ['autocontrast', ops.blended('autocontrast'), pil.autocontrast],
      ['equalize', ops.blended('equalize'), pil.equalize],
      ['invert', ops.blended('invert'), pil.invert],
      ['equalize partly', ops.blended('equalize', share), (p) => blendedWith(p, pil.equalize)],
      ['smooth partly', ops.blended('smooth', share), (p) => blendedWith(p, pil.smooth)],
      ['blur', ops.blended('blur'), pil.blur],
      ['solarize', ops.solarize(100), (p) => pil.solarize(p, 100)],
      ['solarizeAdd', ops.solarizeAdd(77), (p) => pil.solarizeAdd(p, 77)],
      ['posterize', ops.posterize(3), (p) => pil.posterize(p, 3)],
      ['posterize 0', ops.posterize(0), (p) => pil.posterize(p, 0)],
      ['hue', ops.hue(0.37), (p) => pil.hue(p, 0.37)],
      ['hue back', ops.hue(-0.2), (p) => pil.hue(p, -0.2)],
      ...(['color', 'contrast', 'brightness', 'sharpness'] as const).flatMap(
        (name): [string, ops.Row, (p: pil.Picture) => pil.Picture][] => [
          [name, ops.enhance(name, f), (p) => pil.enhance[name](p, f)],
          [`${name} less`, ops.enhance(name, grid(0.2)), (p) => pil.enhance[name](p, grid(0.2))],
        ],
      ),
    ];
    const pictures = cases.map((_, k) => picture(k, size));
    const got = await run(
      pictures,
      cases.map(([, r]) => [r]),
    );
    cases.forEach(([name, , want], k) => assert.is(worst(got[k], want(pictures[k]).rgb), 0, name));
  });
}

test('blurs and enlargements to a level', async () => {
  const size: Size = [40, 51];
  const p = picture(3, size);
  for (const sigma of [0.1, 0.8, 2, 3]) {
    const [got] = await run([p], [[ops.gaussianBlur(sigma)]]);
    assert.ok(worst(got, pil.gaussian(p, sigma)) < 1.2, `sigma ${sigma}`);
  }
  for (const method of ops.RESAMPLING.slice(0, 5)) {
    const r = ops.rescale(0.13, method, size);
    const [got] = await run([p], [[r]]);
    assert.ok(worst(got, pil.resampled(p, r.slice(10, 14), method)) <= 1, method);
  }
  assert.throws(() => ops.gaussianBlur(3.5), /sigma/);
});

test('geometry moves image, labels and validity alike; operations follow each other', async () => {
  const device = await testDevice();
  const size: Size = [33, 46];
  const [h, w] = size;
  const n = 3;
  const pictures = [1, 2, 3].map((k) => picture(k, size));
  const chains = [
    {
      rows: [ops.enhance('contrast', 0.5), ops.rotate(21, size)],
      at: [null, pil.affineSource(pil.rotation(21, h, w), h, w)],
      first: (p: pil.Picture) => pil.enhance.contrast(p, 0.5),
    },
    {
      rows: [ops.translateX(5), ops.shearY(0.2)],
      at: [pil.affineSource([1, 0, 5, 0, 1, 0], h, w), pil.affineSource([1, 0, 0, 0.2, 1, 0], h, w)],
      first: (p: pil.Picture) => p,
    },
    {
      rows: [ops.cutoutAround(3, 40, 20, size), ops.identity()],
      at: [Array.from({ length: h * w }, (_, p) => (Math.floor(p / w) < 13 && p % w >= 30 ? null : p)), null],
      first: (p: pil.Picture) => p,
    },
  ];
  const got = await run(
    pictures,
    chains.map((c) => c.rows),
    [...GREY],
  );
  const labels = Int32Array.from({ length: n * h * w }, (_, i) => (i * 7) % 11);
  const valid = Float32Array.from(labels, (_, i) => (i % 13 ? 1 : 0));
  const table = device.tensor(Int32Array.from(chains.flatMap((c) => c.rows.flat())), [n, 2, ops.OP_ROW]);
  const movedLabels = moveMap(device.tensor(labels, [n, h, w]), table, 255);
  const movedValid = moveMap(device.tensor(valid, [n, h, w]), table, 0);
  const [l, v] = await device.read([movedLabels, movedValid]);
  chains.forEach((c, k) => {
    const image = c.first(pictures[k]);
    for (let p = 0; p < h * w; p++) {
      let at: number | null = p;
      for (const sources of c.at.slice().reverse()) if (at !== null && sources) at = sources[at];
      for (let ch = 0; ch < 3; ch++)
        assert.is(got[k][3 * p + ch], at === null ? 127 : image.rgb[3 * at + ch], `image ${k}, pixel ${p}`);
      assert.is(l[k * h * w + p], at === null ? 255 : labels[k * h * w + at]);
      assert.is(v[k * h * w + p], at === null ? 0 : valid[k * h * w + at]);
    }
  });
});

test('draws repeat and keep to their tables', () => {
  const size: Size = [64, 64];
  const slots = { augseg: 3, cifar: 3, paper: 3, imagenet: 2 };
  for (const table of Object.keys(slots) as RandAugmentTable[]) {
    const n = 800;
    const s = randAugmentSlots({ table });
    assert.is(s, slots[table]);
    const rows = drawRandAugment(new Rng(1, 2, 3), n, size, { table });
    assert.equal(rows, drawRandAugment(new Rng(1, 2, 3), n, size, { table }));
    const seen = new Map<number, number>();
    for (let i = 0; i < rows.length; i += ops.OP_ROW) seen.set(rows[i], (seen.get(rows[i]) ?? 0) + 1);
    const codes = [...seen.keys()].sort((a, b) => a - b);
    const common = [0, 1, 2, 4, 6, 7, 8, 9, 10];
    const want = {
      augseg: [...common, 13, 14],
      cifar: [...common, 15, 17],
      paper: [...common, 15, 17],
      imagenet: [...common, 3, 5, 15],
    }[table];
    assert.equal(
      codes,
      want.sort((a, b) => a - b),
      table,
    );
    if (table === 'cifar') assert.is(seen.get(17), n);
    // Two draws of probability a half (three on average two of certainty), less the identities among them.
    const applied = [...seen].reduce((sum, [code, count]) => sum + (code === 0 || code === 17 ? 0 : count), 0) / n;
    const expected = { augseg: (2 * 10) / 11, cifar: 13 / 14, paper: 13 / 14, imagenet: 15 / 16 }[table];
    assert.ok(Math.abs(applied - expected) < 0.1, `${table}: ${applied} operations an image, expected ${expected}`);
  }
  const calm = drawRandAugment(new Rng(1, 2), 300, size, { table: 'cifar', geometric: false, cutout: null });
  assert.is(calm.length, 300 * 2 * ops.OP_ROW);
  for (let i = 0; i < calm.length; i += ops.OP_ROW) assert.ok(calm[i] < 15);
});

test('shapes that do not fit', async () => {
  const device = await testDevice();
  const x = device.tensor(new Float32Array(2 * 4 * 4 * 3), [2, 4, 4, 3]);
  assert.throws(() => applyOperations(x, device.tensor(new Int32Array(16), [1, 1, 16])), /table/);
  assert.throws(() => moveMap(x, device.tensor(new Int32Array(32), [2, 1, 16]), 0), /map/);
});

test.run();
