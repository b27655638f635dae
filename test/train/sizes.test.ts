// Whole images of many sizes: batches, how many wait, and what is refused before a run begins.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText, OutOfMemoryError } from '../../runtime/errors.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { countConfusion } from '../../src/metrics/miou.ts';
import { UNet } from '../../src/nn/unet.ts';
import type { Dataset, Sample } from '../../src/data/types.ts';
import { createScheme } from '../../src/schemes/index.ts';
import { resolveConfig } from '../../src/train/config.ts';
import { Evaluator } from '../../src/train/evaluate.ts';
import { Labeller } from '../../src/train/labeller.ts';
import { runSession } from '../../src/train/session.ts';
import { batchesBySize, batchSize, largestBatch } from '../../src/train/sizes.ts';
import { testDevice } from '../support/device.ts';
import { TINY, tinyData } from '../support/tiny.ts';

function blank(id: string, height: number, width: number): Sample {
  return { id, height, width, rgb: new Uint8Array(3 * height * width), labels: null };
}

test('images of a batch: fewer of large ones', () => {
  assert.equal(
    [batchSize(96, 128), batchSize(256, 256), batchSize(360, 480), batchSize(1080, 1920), batchSize(96, 128, 3)],
    [8, 4, 1, 1, 3],
  );
});

test('every image once, those of one size together, and few that wait', async () => {
  const ids = Array.from({ length: 300 }, (_, i) => `${i}`);
  let loaded = 0;
  let seen = 0;
  let most = 0;
  const load = async (id: string): Promise<Sample> => {
    loaded++;
    return Number(id) % 3 ? blank(id, 4, 5) : blank(id, 8, 8 + Number(id));
  };
  const found: string[] = [];
  for await (const batch of batchesBySize(ids, load, 4)) {
    most = Math.max(most, loaded - seen);
    seen += batch.length;
    assert.ok(batch.length <= 4 && new Set(batch.map((s) => `${s.height}x${s.width}`)).size === 1);
    found.push(...batch.map((s) => s.id));
  }
  assert.equal(found.sort(), ids.sort());
  assert.ok(most <= 48 + 8 + 1, `${most} images were held`);
});

test('the largest batch, from the headers', async () => {
  const sizes: Record<string, [number, number]> = { a: [100, 100], b: [300, 1000], c: [1000, 300], d: [512, 512] };
  const dataset = { maxSize: async (ids: string[]) => sizes[ids[0]] } as unknown as Dataset;
  assert.equal(await largestBatch(dataset, ['a', 'b', 'c', 'd']), [1, 300, 1000]);
  assert.equal(await largestBatch(dataset, ['a', 'a', 'a']), [3, 100, 100]);
  assert.is(await largestBatch(dataset, []), null);
});

test('a confusion matrix does not depend on how images are put together', async () => {
  const device = await testDevice();
  const rng = new Rng(1, 1);
  const net = new UNet(device, { numClasses: 3, width: 4, depth: 2, seed: 2 });
  const samples = new Map(
    [
      [20, 30],
      [20, 30],
      [20, 30],
      [700, 400],
      [700, 400],
      [9, 11],
    ].map(([h, w], i): [string, Sample] => [
      `${i}`,
      {
        ...blank(`${i}`, h, w),
        rgb: Uint8Array.from({ length: 3 * h * w }, () => rng.int(256)),
        labels: Uint8Array.from({ length: h * w }, () => rng.int(3)),
      },
    ]),
  );
  const found: number[][] = [];
  for (const batch of [1, 2, 8]) {
    const evaluator = new Evaluator(device, net, batch);
    found.push(await evaluator.confusion([...samples.keys()], async (id) => samples.get(id)!));
    evaluator.dispose();
  }
  assert.equal(found[1], found[0]);
  assert.equal(found[2], found[0]);
  const labeller = new Labeller(device, net);
  const want = new Uint32Array(9);
  await labeller.run(
    [...samples.keys()],
    async (id) => samples.get(id)!,
    { scales: [1], flip: false },
    (id, { labels }) => countConfusion(samples.get(id)!.labels!, labels, 3).forEach((v, i) => (want[i] += v)),
  );
  assert.equal([...want], found[0]);
  labeller.dispose();
  net.dispose();
});

test('a confusion matrix beyond the counts of 32 bits', async () => {
  const device = await testDevice();
  const rng = new Rng(3, 1);
  const net = new UNet(device, { numClasses: 2, width: 4, depth: 1, seed: 2 });
  const ids = ['a', 'b', 'c'];
  const samples = new Map(
    ids.map((id): [string, Sample] => [
      id,
      { ...blank(id, 20, 30), labels: Uint8Array.from({ length: 600 }, () => rng.int(2)) },
    ]),
  );
  const plain = new Evaluator(device, net, 1);
  const want = await plain.confusion(ids, async (id) => samples.get(id)!);
  // The counts on the GPU are read before they can be full; here they are said to be nearly full by then.
  const evaluator = new Evaluator(device, net, 1, { mostCounted: 600 });
  const more = 4_200_000_000;
  const { counts } = evaluator as unknown as { counts: Tensor<'u32'> };
  const read = counts.read.bind(counts);
  counts.read = async () => (await read()).map((n) => n + more);
  assert.equal(
    await evaluator.confusion(ids, async (id) => samples.get(id)!),
    want.map((n) => n + 3 * more),
  );
  for (const t of [plain, evaluator, net]) t.dispose();
});

for (const [split, scheme, said] of [
  ['val', 'supervised', 'evaluating'],
  ['test', 'supervised', 'evaluating'],
  ['unlabelled', 'self-training', 'labelling'],
] as const) {
  test(`${split} images that do not fit are refused before the first step`, async () => {
    const device = await testDevice();
    const { dataset } = tinyData();
    const large = dataset.ids(split === 'test' ? 'val' : split)[0];
    let steps = 0;
    const given: Dataset = {
      ...dataset,
      ids: (s) => (s === 'test' && split === 'test' ? [large] : s === 'val' && split === 'test' ? [] : dataset.ids(s)),
      maxSize: async (ids) => (ids?.includes(large) ? [600, 800] : [24, 32]),
    };
    const before = device.pool.stats.inUse;
    let error: unknown;
    await runSession({
      device,
      dataset: given,
      config: resolveConfig(TINY, { scheme, memory: before + 32 * 2 ** 20 }),
      makeScheme: (c, options) => createScheme(scheme, c, options),
      hooks: { onSteps: () => void steps++ },
    }).then(
      (run) => run.dispose(),
      (e: unknown) => (error = e),
    );
    assert.instance(error, OutOfMemoryError);
    assert.match(
      errorText(error),
      new RegExp(`^${said} an image of 800x600 pixels: the step needs .* budget is .*\`size\`.*\`memory\``),
    );
    assert.is(steps, 0);
    assert.is(device.pool.stats.inUse, before, 'everything is freed');
  });
}

test.run();
