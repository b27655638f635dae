// Batches: packing, caching within a budget, decoding ahead, and the same batch for the same step.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { errorText } from '../../runtime/errors.ts';
import { Rng } from '../../runtime/random.ts';
import { drawWeak } from '../../src/augment/weak.ts';
import { Loader, pack, SampleCache, type LoaderOptions } from '../../src/data/batch.ts';
import { decodeMask } from '../../src/data/mask.ts';
import { resizeLabels } from '../../src/data/resizeLabels.ts';
import { createSynthetic } from '../../src/data/synthetic.ts';
import { packTexels, texelSample, texelsOf, withLabels } from '../../src/data/texels.ts';
import type { Dataset } from '../../src/data/types.ts';
import { colourMask, mask } from '../support/files.ts';

const scenes = () => createSynthetic({ width: 16, height: 12, train: 20, labelled: 4 });

/** A data set that notes what is loaded. */
function noting(): { set: Dataset; loads: string[] } {
  const loads: string[] = [];
  const inner = scenes();
  return {
    loads,
    set: {
      ...inner,
      load(id, o) {
        loads.push(`${id}${o.labels ? ' with labels' : ''}`);
        return inner.load(id, o);
      },
    },
  };
}

const options = (set: Dataset, more: Partial<LoaderOptions> = {}): LoaderOptions => ({
  ids: set.ids('train'),
  n: 3,
  seed: 4,
  stream: 2,
  labels: false,
  ...more,
});

test('texels hold colours and labels; a relabelled copy packs its new labels', () => {
  const rgb = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const labels = Uint8Array.of(7, 255);
  const plain = { id: 'x', width: 2, height: 1, rgb, labels };
  const lazy = texelSample('x', 2, 1, packTexels(rgb, labels), true);
  assert.equal([lazy.rgb, lazy.labels], [rgb, labels]);
  assert.is(texelSample('x', 2, 1, packTexels(rgb, null), false).labels, null);
  for (const sample of [plain, lazy]) {
    assert.equal(
      [...pack([sample], [2, 3]).texels].map((t) => t.toString(16)),
      ['7030201', 'ff060504', 'ff000000', 'ff000000', 'ff000000', 'ff000000'],
    );
    assert.equal(
      [...texelsOf({ ...sample, labels: Uint8Array.of(1, 2) })].map((t) => t >>> 24),
      [1, 2],
    );
    const other = withLabels(sample, Uint8Array.of(1, 200));
    assert.equal([other.id, other.rgb, other.labels, other.width], ['x', rgb, Uint8Array.of(1, 200), 2]);
    assert.equal(
      [...texelsOf(other)].map((t) => t.toString(16)),
      ['1030201', 'c8060504'],
    );
  }
});

test('images of several sizes are padded; one that is larger than the batch is refused', () => {
  const of = (width: number, height: number) => ({
    id: `${width}x${height}`,
    width,
    height,
    rgb: new Uint8Array(3 * width * height).fill(9),
    labels: null,
  });
  const batch = pack([of(2, 3), of(4, 1)]);
  assert.equal([batch.height, batch.width, [...batch.sizes]], [3, 4, [3, 2, 1, 4]]);
  assert.is(batch.texels.filter((t) => t === 0xff090909).length, 10);
  assert.is(batch.texels.filter((t) => t === 0xff000000).length, 14);
  assert.throws(() => pack([of(5, 2)], [4, 4]), says(/"5x2" is 5x2, larger than the 4x4 of its batch.*maxSize/));
});

test('a crop larger than the image is padded: the rest of the view is not valid', () => {
  const [, , sy, sx, , validHeight, validWidth] = drawWeak(new Rng(1, 1), Int32Array.of(12, 16), {
    crop: [64, 64],
    flip: 0,
  });
  assert.equal([sy, sx, validHeight, validWidth], [1, 1, 12, 16]);
});

test('the batch of a step is the same whatever came before it, and whatever is decoded ahead', async () => {
  const set = scenes();
  const one = new Loader(new SampleCache(set), options(set));
  const batches = [];
  for (let s = 0; s < 14; s++) batches.push(await one.batch(s));
  for (const ahead of [0, 5]) {
    const other = new Loader(new SampleCache(set, 1000), options(set, { ahead }));
    for (const s of [9, 2, 3, 13, 3]) assert.equal(await other.batch(s), batches[s]);
  }
  const pass = batches.flatMap((b) => b.ids).slice(0, 20);
  assert.is(new Set(pass).size, 20, 'a pass shows every image once');
});

test('decoding runs ahead by a bounded number of steps, never beyond the end', async () => {
  const { set, loads } = noting();
  const loader = new Loader(new SampleCache(set, 0), options(set, { ahead: 2, steps: 5 }));
  const counts = [];
  for (let s = 0; s < 5; s++) {
    await loader.batch(s);
    counts.push(loads.length);
  }
  assert.equal(counts, [9, 12, 15, 15, 15]);
});

test('a pass is decoded once where the budget allows, and the budget holds', async () => {
  const { set, loads } = noting();
  const loader = new Loader(new SampleCache(set), options(set));
  for (let s = 0; s < 40; s++) await loader.batch(s);
  assert.is(loads.length, 20);
  const bytes = 4 * 16 * 12;
  const small = noting();
  const cache = new SampleCache(small.set, 5 * bytes);
  for (const id of small.set.ids('train')) await cache.get(id, false);
  assert.ok(cache.bytes <= 5 * bytes, `${cache.bytes}`);
  await cache.get('train-19', false);
  assert.is(small.loads.length, 20, 'the latest is still held');
  await cache.get('train-0', false);
  assert.is(small.loads.length, 21, 'the first is not');
});

test('what cannot be loaded is reported by the batch that needs it; nothing to load by the loader', async () => {
  const set: Dataset = { ...scenes(), load: async (id) => Promise.reject(new Error(`no ${id}`)) };
  const loader = new Loader(new SampleCache(set), options(set));
  for (const s of [0, 1]) {
    let message = '';
    await loader.batch(s).catch((e: Error) => (message = errorText(e)));
    assert.match(message, /no train-/);
  }
  assert.throws(() => new Loader(new SampleCache(set), options(set, { ids: [] })), /no images/);
});

test('masks: nearest resizing; what a file is', () => {
  assert.equal(
    [
      ...resizeLabels(
        Uint8Array.from({ length: 16 }, (_, i) => i),
        [4, 4],
        [2, 2],
      ),
    ],
    [5, 7, 13, 15],
  );
  assert.is(decodeMask(mask(3), 'm.png').form, 'grey, 8 bits');
  assert.throws(() => decodeMask(colourMask(), 'm.png'), /m\.png is a colour picture/);
});

test.run();
