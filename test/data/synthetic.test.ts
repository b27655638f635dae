// The built-in data set.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createSynthetic, SYNTHETIC_CLASSES } from '../../src/data/synthetic.ts';

test('scenes repeat by seed, differ by index, split and seed, and hold every class', async () => {
  const data = createSynthetic({ width: 64, height: 48, train: 30, labelled: 6 });
  const first = await data.load('train-3', { labels: true });
  assert.equal(first, await createSynthetic({ width: 64, height: 48 }).load('train-3', { labels: true }));
  for (const other of [
    await data.load('train-4', { labels: true }),
    await data.load('val-3', { labels: true }),
    await createSynthetic({ seed: 1, width: 64, height: 48 }).load('train-3', { labels: true }),
  ]) {
    assert.not.equal(first.rgb, other.rgb);
  }
  const seen = new Set<number>();
  for (const id of data.ids('labelled')) for (const v of (await data.load(id, { labels: true })).labels!) seen.add(v);
  assert.equal(
    [...seen].sort(),
    SYNTHETIC_CLASSES.map((_, i) => i),
  );
  assert.is((await data.load('train-9', { labels: false })).labels, null);
  assert.equal([data.ids('labelled').length, data.ids('unlabelled').length], [6, 24]);
});

test('the labelled images show every class where so many can, and are nested', async () => {
  for (const splitSeed of [0, 1, 2, 3]) {
    let before: string[] = [];
    for (let labelled = 1; labelled <= 8; labelled++) {
      const data = createSynthetic({ width: 96, height: 72, train: 60, labelled, splitSeed });
      const ids = data.ids('labelled');
      assert.equal(
        before.filter((id) => !ids.includes(id)),
        [],
        `nested at ${labelled}`,
      );
      const seen = new Set<number>();
      for (const id of ids) for (const v of (await data.load(id, { labels: true })).labels!) seen.add(v);
      if (labelled >= 3) assert.is(seen.size, SYNTHETIC_CLASSES.length, `${labelled} images, seed ${splitSeed}`);
      assert.equal([...ids, ...data.ids('unlabelled')].sort(), data.ids('train').sort());
      before = ids;
    }
  }
});

test('colour says something of a class, and not enough: a nearest-mean classifier of colours does badly', async () => {
  const data = createSynthetic({ width: 96, height: 72 });
  const k = SYNTHETIC_CLASSES.length;
  const sums = Array.from({ length: k }, () => [0, 0, 0, 0]);
  const visit = async (
    split: 'train' | 'val',
    n: number,
    each: (label: number, r: number, g: number, b: number) => void,
  ) => {
    for (const id of data.ids(split).slice(0, n)) {
      const { rgb, labels } = await data.load(id, { labels: true });
      for (let p = 0; p < labels!.length; p += 7) each(labels![p], rgb[3 * p], rgb[3 * p + 1], rgb[3 * p + 2]);
    }
  };
  await visit('train', 40, (l, r, g, b) => [r, g, b, 1].forEach((v, i) => (sums[l][i] += v)));
  const means = sums.map(([r, g, b, n]) => [r / n, g / n, b / n]);
  const right = new Float64Array(k);
  const total = new Float64Array(k);
  await visit('val', 20, (l, r, g, b) => {
    const d = means.map((m) => (m[0] - r) ** 2 + (m[1] - g) ** 2 + (m[2] - b) ** 2);
    total[l]++;
    if (d.indexOf(Math.min(...d)) === l) right[l]++;
  });
  const recall = Array.from(right, (v, i) => v / total[i]).reduce((a, b) => a + b) / k;
  assert.ok(recall > 0.4 && recall < 0.65, `mean recall ${recall}`);
});

test.run();
