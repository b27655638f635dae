// Self-training from end to end on a tiny set: its stages, its labels, its mixed batches, and runs that are broken off.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { errorText } from '../../runtime/errors.ts';
import { SampleCache } from '../../src/data/batch.ts';
import { imageMiou, mostReliable } from '../../src/schemes/reliability.ts';
import type { LabelMap } from '../../src/schemes/scheme.ts';
import { judgeLabelMaps } from '../../src/train/judge.ts';
import { mixedIds, openStreams, relabelled } from '../../src/train/streams.ts';
import { runTiny, tinyData } from '../support/tiny.ts';

const near = (got: number, want: number): void => assert.ok(Math.abs(got - want) < 1e-8, `${got}, expected ${want}`);

test("ST++'s reliability (methods, section 15.9)", () => {
  const p1 = [0, 0, 1, 1];
  const p2 = [0, 1, 1, 1];
  const p3 = [0, 1, 1, 1];
  near(imageMiou(p1, p3, 3), 0.58333333333);
  near((imageMiou(p1, p3, 3) + imageMiou(p2, p3, 3)) / 2, 0.791666666667);
  assert.equal(
    mostReliable(
      [
        { id: 'a', score: 0.5 },
        { id: 'b', score: 0.9 },
        { id: 'c', score: 0.5 },
        { id: 'd', score: 0.1 },
      ],
      0.5,
    ),
    ['b', 'a'],
  );
});

test('mixed ids and labels', () => {
  const map: LabelMap = { height: 1, width: 2, labels: Uint8Array.of(1, 255) };
  const pseudo = new Map(['u1', 'u2', 'u3'].map((id) => [id, map]));
  assert.equal(mixedIds(['a', 'b'], ['u1', 'u2', 'u3', 'u4'], pseudo), ['a', 'b', 'a', 'b', 'u1', 'u2', 'u3']);
  assert.throws(() => mixedIds(['a'], ['u1'], new Map()), /pseudo-label/);
  const sample = { id: 'u1', height: 1, width: 2, rgb: new Uint8Array(6), labels: null };
  assert.equal(relabelled(sample, map).labels, map.labels);
  assert.throws(() => relabelled({ ...sample, width: 3 }, map), says(/images have changed/));
});

test('mixed batches: true labels, pseudo-labels, no foreign mask', async () => {
  const { dataset, masks } = tinyData();
  const unlabelled = dataset.ids('unlabelled');
  const pseudoLabels = new Map<string, LabelMap>(
    unlabelled.slice(0, 5).map((id, i) => [id, { height: 24, width: 32, labels: new Uint8Array(24 * 32).fill(i) }]),
  );
  const source = openStreams({
    dataset,
    cache: new SampleCache(dataset),
    scheme: { pseudoLabels },
    seed: 1,
    size: [24, 32],
  })({ name: 'mixed', kind: 'mixed', n: 13 }, 1);
  const batch = await source.batch(0); // a whole pass: 4 labelled twice, 5 unlabelled
  const counts = new Map<string, number>();
  batch.ids.forEach((id) => counts.set(id, (counts.get(id) ?? 0) + 1));
  assert.equal(
    [...counts].sort(),
    [...dataset.ids('labelled').map((id) => [id, 2]), ...[...pseudoLabels.keys()].map((id) => [id, 1])].sort(),
  );
  for (const [k, id] of batch.ids.entries()) {
    const truth = pseudoLabels.get(id)?.labels ?? (await dataset.load(id, { labels: true })).labels!;
    assert.equal(
      Array.from(batch.texels.subarray(k * 768, (k + 1) * 768), (t) => t >>> 24),
      [...truth],
    );
  }
  assert.equal([...masks].sort(), [...dataset.ids('labelled')].sort());
});

test('teacher, labels, student; broken off in the middle of each it continues as if it had not been', async () => {
  const { dataset, masks } = tinyData();
  const config = { scheme: 'self-training', options: { scales: [0.5, 1], teacherSteps: 4 } };
  const whole = await runTiny(config, { dataset });
  assert.is(whole.points.length, 10);
  assert.ok(whole.points.every((p) => Number.isFinite(p.loss)));
  assert.equal([...whole.scheme.pseudoLabels!.keys()].sort(), [...dataset.ids('unlabelled')].sort());
  assert.equal(
    [...masks].sort(),
    [...dataset.ids('labelled'), ...dataset.ids('val')].sort(),
    'no mask of an unlabelled image was opened',
  );
  for (const p of whole.points) assert.is(p.accepted, p.step > 4 ? 1 : undefined);
  assert.is(whole.points.at(-1)!.pseudoAccuracy, undefined);
  const weights = await whole.scheme.evaluated.stateDict();
  for (const stopAfter of [2, 7]) {
    const part = await runTiny(config, { stopAfter });
    assert.ok(part.interrupted && part.checkpoint);
    part.dispose();
    const rest = await runTiny(config, { resume: part.checkpoint });
    assert.equal(
      [...part.points, ...rest.points].map((p) => p.loss),
      whole.points.map((p) => p.loss),
    );
    assert.equal(
      (await rest.scheme.evaluated.stateDict()).get('enc0.0.conv.weight'),
      weights.get('enc0.0.conv.weight'),
    );
    rest.dispose();
  }
  whole.dispose();
});

test('ST++: half of the images first, then all; also when it is broken off', async () => {
  const config = {
    scheme: 'self-training',
    steps: 3,
    options: { scales: [1], flip: false, reliable: 0.5, threshold: 0.3, strong: { randaugment: { table: 'paper' } } },
  };
  const whole = await runTiny(config);
  assert.equal(
    whole.scheme.stages.map((s) => s.name),
    ['teacher', 'reliability', 'student on reliable', 'student'],
  );
  assert.is(whole.points.length, 9);
  assert.is(whole.scheme.pseudoLabels!.size, 8);
  const { reliable, others } = whole.scheme.hostState!.save() as { reliable: string[]; others: string[] };
  assert.is(reliable.length, 4);
  assert.is(new Set([...reliable, ...others]).size, 8);
  const part = await runTiny(config, { stopAfter: 5 });
  assert.equal([...part.checkpoint!.pseudoLabels.keys()].sort(), [...reliable].sort());
  part.dispose();
  const rest = await runTiny(config, { resume: part.checkpoint! });
  assert.equal(
    [...part.points, ...rest.points].map((p) => p.loss),
    whole.points.map((p) => p.loss),
  );
  for (const [id, { labels }] of whole.scheme.pseudoLabels!)
    assert.equal(rest.scheme.pseudoLabels!.get(id)!.labels, labels);
  for (const r of [whole, rest]) r.dispose();
});

test('label maps are judged where the truth is known', async () => {
  const map = (...labels: number[]): LabelMap => ({ height: 1, width: 4, labels: Uint8Array.from(labels) });
  const truth: Record<string, Uint8Array | null> = { a: Uint8Array.of(0, 1, 255, 2), b: null };
  const stats = await judgeLabelMaps(
    new Map([
      ['a', map(0, 2, 1, 255)],
      ['b', map(2, 2, 0, 0)],
    ]),
    3,
    async (id) => truth[id],
  );
  assert.equal(stats, { accepted: 7 / 8, accuracy: 1 / 2, histogram: [3, 1, 3] });
  const run = await runTiny({ scheme: 'self-training', steps: 1, options: { scales: [1] } }, { judge: true });
  assert.ok(run.points[1].pseudoAccuracy! > 0 && run.points[1].pseudoAccuracy! < 1);
  assert.is(
    run.points[1].pseudoHistogram!.reduce((a, b) => a + b),
    8 * 24 * 32,
  );
  run.dispose();
});

test('wrong options', async () => {
  for (const options of [{ teacher: 'first' }, { reliable: 1 }, { teacherSteps: 0 }, { strong: { ctaugment: {} } }]) {
    let message = '';
    await runTiny({ scheme: 'self-training', options }).catch((e: Error) => (message = errorText(e)));
    assert.match(message, /teacher|reliable|CTAugment/);
  }
});

test.run();
