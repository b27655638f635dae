// Looking at a scheme while it trains: previews, and the gate before each step.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Sample } from '../../src/data/types.ts';
import { createScheme, schemeNames } from '../../src/schemes/index.ts';
import type { Scheme } from '../../src/schemes/scheme.ts';
import { resolveConfig } from '../../src/train/config.ts';
import { preview, type Preview } from '../../src/train/preview.ts';
import { schemeContext } from '../../src/train/buildScheme.ts';
import { runSession } from '../../src/train/session.ts';
import { testDevice } from '../support/device.ts';
import { runTiny, TINY, tinyData } from '../support/tiny.ts';

/** A threshold that some pixels of an image reach, after training whose unlabelled loss has no weight. */
async function middleConfidence(sample: Sample): Promise<number> {
  const device = await testDevice();
  let confidence: Float32Array = new Float32Array();
  const run = await runTiny(
    { scheme: 'fixmatch', options: { weight: 0 } },
    {
      async gate(scheme) {
        [{ confidence }] = await preview(device, scheme, [sample], scheme.evaluated);
      },
    },
  );
  run.dispose();
  return confidence.sort()[confidence.length >> 1];
}

for (const name of schemeNames()) {
  test(`${name}: previews between steps leave the run and the memory as they are`, async () => {
    const device = await testDevice();
    const { dataset } = tinyData();
    const samples = [await dataset.load('train-8', { labels: false }), await dataset.load('val-0', { labels: true })];
    const gates: string[] = [];
    let looks: Preview[] = [];
    let last!: Scheme;
    const tau = name === 'fixmatch' ? await middleConfidence(samples[0]) : NaN;
    const options: Record<string, Record<string, unknown>> = {
      fixmatch: { tau, weight: 0 },
      'self-training': { teacherSteps: 3, scales: [1] },
    };
    const config = resolveConfig(TINY, { scheme: name, options: options[name] ?? {} });
    const result = await runSession({
      device,
      dataset,
      config,
      makeScheme: (c, options) => createScheme(name, c, options),
      readEvery: 1,
      hooks: {
        async gate(scheme, { stage, step }, done) {
          gates.push(`${stage}.${step}:${done}`);
          const before = device.pool.stats.inUse;
          looks = await preview(device, scheme, samples, scheme.stages[stage].evaluated);
          assert.is(device.pool.stats.inUse, before);
          last = scheme;
        },
      },
    });
    const teaching = name === 'self-training' ? [0, 1, 2].map((i) => `0.${i}:${i}`) : [];
    assert.equal(gates, [
      ...teaching,
      ...Array.from({ length: 6 }, (_, i) => `${teaching.length ? 1 : 0}.${i}:${i + teaching.length}`),
    ]);

    const undisturbed = await runTiny({ scheme: name, options: config.options });
    assert.equal(
      result.record.steps.map((p) => p.loss),
      undisturbed.points.map((p) => p.loss),
    );
    undisturbed.dispose();

    const pixels = 24 * 32;
    for (const look of looks) {
      assert.equal(
        [look.prediction, look.confidence, look.pseudo, look.cam].map((a) => a.length),
        [pixels, pixels, pixels, pixels],
      );
      assert.ok(look.prediction.every((c) => c < 5) && look.pseudo.every((c) => c < 5 || c === 255));
      assert.ok(
        look.confidence.every((p) => p > 1 / 5 - 1e-6 && p <= 1) && look.cam.every((v) => v >= 0 && v <= 1 + 1e-6),
      );
    }
    const [own] = looks;
    assert.is(own.truth, null);
    if (name === 'supervised') assert.equal(own.pseudo, own.prediction);
    if (name === 'fixmatch') {
      assert.equal(
        [...own.pseudo],
        [...own.prediction].map((c, i) => (own.confidence[i] >= tau ? c : 255)),
      );
      assert.ok(own.pseudo.includes(255) && own.pseudo.some((c) => c !== 255), 'the threshold lies between');
    }
    if (name === 'self-training') assert.equal(own.pseudo, last.pseudoLabels!.get('train-8')!.labels);
    result.dispose();
  });
}

test('a large image is shown smaller, with its truth and its kept pseudo-label', async () => {
  const device = await testDevice();
  const { dataset } = tinyData();
  const config = resolveConfig(TINY, { scheme: 'self-training' });
  const scheme = createScheme('self-training', schemeContext(device, dataset, config), {});
  const height = 400;
  const width = 1280;
  const top = 150;
  const half = (size: number, upper: number, lower: number): Uint8Array =>
    Uint8Array.from({ length: size * height * width }, (_, i) => (i < size * top * width ? upper : lower));
  scheme.pseudoLabels!.set('large', { height, width, labels: half(1, 2, 255) });
  const [look] = await preview(device, scheme, [
    { id: 'large', height, width, rgb: half(3, 10, 200), labels: half(1, 1, 0) },
  ]);
  assert.equal([look.height, look.width, look.rgb.length], [200, 640, 3 * 200 * 640]);
  for (const a of [look.truth!, look.prediction, look.confidence, look.pseudo, look.cam])
    assert.is(a.length, 200 * 640);
  for (const [row, ...values] of [
    [0, 10, 1, 2],
    [74, 10, 1, 2],
    [75, 200, 0, 255],
    [199, 200, 0, 255],
  ])
    assert.equal([look.rgb[3 * row * 640], look.truth![row * 640], look.pseudo[row * 640]], values, `row ${row}`);
  scheme.dispose();
});

test.run();
