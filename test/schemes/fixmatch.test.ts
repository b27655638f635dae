// FixMatch: its properties (methods, section 15.10), its options, and CTAugment within it.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText } from '../../runtime/errors.ts';
import { concat } from '../../runtime/ops/index.ts';
import { standardize } from '../../src/augment/gpu/standardize.ts';
import { view } from '../../src/augment/gpu/view.ts';
import { identityViews } from '../../src/augment/weak.ts';
import { SampleCache } from '../../src/data/batch.ts';
import { createNetwork } from '../../src/nn/networks.ts';
import { TRAIN } from '../../src/nn/module.ts';
import { resolveConfig } from '../../src/train/config.ts';
import { openStreams } from '../../src/train/streams.ts';
import { testDevice } from '../support/device.ts';
import { runTiny, TINY, tinyData } from '../support/tiny.ts';

const STILL = { weak: { range: [1, 1] as const, flip: 0 }, steps: 1 };
const NO_CHANGE = { probability: 0, grey: 0, blur: 0 };

test('tau 0, no CutMix and identical views: the unlabelled loss is the cross-entropy of the own argmax', async () => {
  const { points, dispose } = await runTiny({ ...STILL, options: { tau: 0, cutmix: null, strong: NO_CHANGE } });
  dispose();
  const device = await testDevice();
  const { dataset } = tinyData();
  const config = resolveConfig(TINY);
  const net = createNetwork(device, config.network, dataset.numClasses, 0);
  const open = openStreams({ dataset, cache: new SampleCache(dataset), scheme: {}, seed: 0, size: [24, 32] });
  const images = await Promise.all(
    (['labelled', 'unlabelled'] as const).map(async (kind) => {
      const b = await open({ name: kind, kind, n: config.batch[kind] }, 0).batch(0);
      return view(
        device.tensor(b.texels, [b.n, 24, 32]),
        device.tensor(b.sizes, [b.n, 2]),
        device.tensor(identityViews(b.n), [b.n, 8]),
        [24, 32],
      ).image;
    }),
  );
  const z = await device
    .scope(() => net.forward(standardize(concat([images[0], images[1], images[1]], 0)), TRAIN))
    .read();
  const c = dataset.numClasses;
  const pixels = config.batch.unlabelled * 24 * 32;
  const first = config.batch.labelled * 24 * 32 * c;
  let sum = 0;
  for (let p = 0; p < pixels; p++) {
    const logits = Array.from({ length: c }, (_, k) => z[first + p * c + k]);
    const top = Math.max(...logits);
    sum += Math.log(logits.reduce((s, v) => s + Math.exp(v - top), 0));
  }
  assert.ok(
    Math.abs(points[0].terms.unlabelled - sum / pixels) < 1e-5,
    `${points[0].terms.unlabelled} for ${sum / pixels}`,
  );
  assert.is(points[0].accepted, 1);
  assert.ok(Math.abs(points[0].loss - points[0].terms.labelled - points[0].terms.unlabelled) < 1e-5);
  net.dispose();
});

test('a threshold that nothing reaches leaves the supervised loss; both losses have a weight', async () => {
  const none = await runTiny({ ...STILL, options: { tau: 1.1 } });
  none.dispose();
  const [p] = none.points;
  assert.is(p.terms.unlabelled, 0);
  assert.is(p.loss, p.terms.labelled);
  const half = await runTiny({ ...STILL, options: { tau: 0, weight: 1.5, labelledWeight: 0.5 } });
  half.dispose();
  const { loss, terms } = half.points[0];
  assert.ok(terms.unlabelled > 0 && Math.abs(loss - (terms.labelled + 3 * terms.unlabelled) / 2) < 1e-5);
});

test('class-wise thresholds: every class that is predicted keeps pixels, where one threshold for all keeps none', async () => {
  const one = await runTiny({ ...STILL, options: { tau: 0.95 } });
  one.dispose();
  assert.is(one.points[0].accepted, 0);
  const options = { tau: 0.95, classwise: 0.9 };
  const own = await runTiny({ ...STILL, options });
  own.dispose();
  const { accepted, terms } = own.points[0];
  assert.ok(accepted !== undefined && accepted > 0.2 && accepted < 0.8, `${accepted}`);
  assert.ok(terms.unlabelled > 0);
});

test("a partner of 'others': boxes show other images, whose labels come from the running statistics", async () => {
  // One unlabelled image, boxes everywhere: CutMix with the next image would do nothing.
  const one = { ...STILL, batch: { labelled: 2, unlabelled: 1 } };
  const loss = async (options: object): Promise<number> => {
    const { points, dispose } = await runTiny({ ...one, options: { tau: 0, strong: NO_CHANGE, ...options } });
    dispose();
    assert.is(points[0].accepted, 1);
    return points[0].terms.unlabelled;
  };
  const none = await loss({ cutmix: null });
  assert.is(await loss({}), none);
  assert.is(await loss({ cutmix: null, partner: 'others' }), none);
  const all = { probability: 1, area: [1, 1] as const, ratio: [24 / 32, 24 / 32] as const };
  assert.ok(Math.abs((await loss({ partner: 'others', cutmix: { probability: 1 } })) - none) > 1e-4);
  // Each operation of a strong view moves the partner's labels as its image.
  for (const strong of [{ randaugment: { table: 'paper' } }, { ctaugment: {} }]) {
    const { points, dispose } = await runTiny({
      batch: { labelled: 2, unlabelled: 2 },
      steps: 3,
      options: { tau: 0.2, partner: 'others', cutmix: all, strong },
    });
    dispose();
    assert.ok(points.every((p) => Number.isFinite(p.loss) && p.accepted! > 0));
  }
});

test('RandAugment of each table, with labels that move', async () => {
  for (const table of ['augseg', 'cifar', 'paper', 'imagenet']) {
    const run = await runTiny({ steps: 2, options: { tau: 0.1, strong: { randaugment: { table } } } });
    run.dispose();
    assert.ok(
      run.points.every((p) => Number.isFinite(p.loss) && p.terms.unlabelled > 0),
      table,
    );
  }
  let message = '';
  await runTiny({ options: { strong: { randaugment: { table: 'tiny' } } } }).catch(
    (e: Error) => (message = errorText(e)),
  );
  assert.match(message, /table/);
});

test('CTAugment learns from probes, and a resumed run equals an unbroken one', async () => {
  const config = { steps: 6, options: { tau: 0.2, strong: { ctaugment: {} } } };
  const whole = await runTiny(config);
  const rates = whole.scheme.hostState!.save() as Record<string, number[][]>;
  const learned = Object.values(rates)
    .flat(2)
    .filter((r) => r !== 1);
  assert.ok(learned.length >= 6, `${learned.length} bins have learned`);
  assert.ok(learned.every((r) => r > 0.8 && r < 1));
  assert.equal([...whole.scheme.networks.keys()], ['net', 'ema']);
  assert.is(whole.scheme.evaluated, whole.scheme.networks.get('net'));
  const part = await runTiny(config, { stopAfter: 3 });
  assert.not.equal(part.checkpoint!.hostState, rates);
  part.dispose();
  const rest = await runTiny(config, { resume: part.checkpoint! });
  assert.equal(
    [...part.points, ...rest.points].map((p) => p.loss),
    whole.points.map((p) => p.loss),
  );
  assert.equal(rest.scheme.hostState!.save(), rates);
  for (const r of [whole, rest]) r.dispose();
});

test.run();
