// What holds for every scheme, and properties of those that learn from an averaged teacher, from noise, or from dropped
// features.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tensor } from '../../runtime/create.ts';
import { Rng } from '../../runtime/random.ts';
import { augseg, beta, drawCentredBoxes, sureness } from '../../src/schemes/augseg.ts';
import { cutmixSeg } from '../../src/schemes/cutmixSeg.ts';
import { createScheme, schemeOf, schemes } from '../../src/schemes/index.ts';
import { meanTeacher } from '../../src/schemes/meanTeacher.ts';
import { piModel } from '../../src/schemes/piModel.ts';
import { risingDecay } from '../../runtime/optim/ema.ts';
import { u2pl } from '../../src/schemes/u2pl.ts';
import { unimatch } from '../../src/schemes/unimatch.ts';
import { unimatchV2 } from '../../src/schemes/unimatchV2.ts';
import { testDevice } from '../support/device.ts';
import { HandStep, smallContext } from '../support/schemes.ts';
import { runTiny } from '../support/tiny.ts';

const NO_COLOUR = { probability: 0, grey: 0, blur: 0 };
const close = (a: number, b: number, what: string, by = 1e-5): void =>
  assert.ok(Math.abs(a - b) <= by * (1 + Math.abs(b)), `${what}: ${a} for ${b}`);

for (const { name } of schemes()) {
  test(`${name}: a run that was stopped and resumed gives the same losses`, async () => {
    const whole = await runTiny({ scheme: name });
    const part = await runTiny({ scheme: name }, { stopAfter: 4 });
    const rest = await runTiny({ scheme: name }, { resume: part.checkpoint! });
    assert.equal(
      [...part.points, ...rest.points].map((p) => p.loss),
      whole.points.map((p) => p.loss),
    );
    assert.ok(whole.points.every((p) => Number.isFinite(p.loss)));
    for (const r of [whole, part, rest]) r.dispose();
  });
}

/** Weights of the first learner after three steps. */
async function weightsAfter(scheme: string, options: Record<string, unknown>): Promise<Float32Array> {
  const device = await testDevice();
  const made = createScheme(scheme, smallContext(device), options);
  const step = new HandStep(device, (ctx) => ({ loss: made.stages[0].record(ctx).loss }));
  for (let i = 0; i < 3; i++) await step.run(i);
  const [net] = made.networks.values();
  const weights = (await net.params.get('dec0.1.conv.weight')!.read()) as Float32Array;
  step.dispose();
  made.dispose();
  return weights;
}

const hasOption = (scheme: string, option: string): boolean => schemeOf(scheme).knows(option);
const QUIET = { noise: 0, colour: null };

test('a weight of 0 leaves the supervised network, where views pass apart', async () => {
  const want = await weightsAfter('supervised', {});
  for (const [{ name }, options] of [
    [piModel, { ...QUIET, groups: [['l'], { views: ['u', 'k', 'v'], update: false }] }],
    [meanTeacher, { ...QUIET, groups: 'apart' }],
    [cutmixSeg, QUIET],
    [unimatch, { groups: [['l'], ['w'], ['s', 't']], labelledWeight: 1 }],
    [unimatchV2, { labelledWeight: 1 }],
    [u2pl, { ...QUIET, groups: 'apart' }],
    [augseg, { groups: 'apart' }],
  ] as const) {
    assert.equal(await weightsAfter(name, { ...options, weight: 0 }), want, name);
    const accepting = hasOption(name, 'tau') ? { tau: 0 } : {};
    assert.not.equal(await weightsAfter(name, { ...options, ...accepting, weight: 3 }), want, name);
  }
});

/** The first step of a run, of which the learning rate is 0 where `still` says so. */
async function firstPoint(scheme: string, options: object) {
  const run = await runTiny({ scheme, steps: 1, weak: { range: [1, 1], flip: 0 }, options: options as never });
  run.dispose();
  return run.points[0];
}

test('Pi-model and Mean Teacher: without noise both views agree at first; with it they do not', async () => {
  assert.is((await firstPoint('pi-model', QUIET)).terms.unlabelled, 0);
  assert.is((await firstPoint('mean-teacher', { ...QUIET, teacher: 'train' })).terms.unlabelled, 0);
  for (const [name, more] of [
    ['pi-model', {}],
    ['mean-teacher', { teacher: 'train' }],
  ] as const) {
    assert.ok((await firstPoint(name, { ...QUIET, ...more, noise: 0.3 })).terms.unlabelled > 1e-7, name);
    assert.ok((await firstPoint(name, { ...QUIET, ...more, colour: {} })).terms.unlabelled > 1e-7, name);
  }
});

test('Pi-model: the weight is scaled by the labelled share of the images and rises', async () => {
  // 4 labelled images and 8 others.
  const { loss, terms } = await firstPoint('pi-model', { noise: 0.3, weight: 60, ramp: 0 });
  close(loss, terms.labelled + (60 * 4 * terms.unlabelled) / 12, 'loss');
  const early = await firstPoint('pi-model', { noise: 0.3, weight: 60, ramp: 0.5 });
  close(early.loss, early.terms.labelled + (Math.exp(-5) * 60 * 4 * early.terms.unlabelled) / 12, 'loss, ramp');
});

test('Temporal Ensembling: averages are corrected, move with the views, and the first epoch has none', async () => {
  const config = { scheme: 'temporal-ensembling', steps: 6, weak: { range: [1, 1] as const, flip: 1 } };
  const options = { ...QUIET, epoch: 2, weight: 30, ramp: 0 };
  const run = await runTiny({ ...config, options });
  assert.equal(
    run.points.map((p) => p.accepted),
    [0, 0, 1, 1, 1, 1],
  );
  run.points.forEach(({ loss, terms }, i) =>
    close(loss, terms.labelled + (i < 2 ? 0 : 10) * terms.unlabelled, `step ${i}`),
  );
  // All 12 images, and probabilities that add up to 1 but for the rounding to bytes.
  const averages = [...run.scheme.hostTensors!.values()];
  assert.is(averages.length, 12);
  for (const { shape, data } of averages) {
    assert.equal(shape, [24, 32, 5]);
    for (let p = 0; p < data.length; p += 5)
      assert.ok(Math.abs([...data.subarray(p, p + 5)].reduce((sum: number, v) => sum + Number(v), 0) - 255) <= 3);
  }
  run.dispose();
  // The target of a step is the mirrored average, as the view is mirrored: against a network that does not move the
  // consistency is that of evaluation and training mode, alike with and without mirroring.
  const still = { ...config, optimizer: { lr: 1e-12 } };
  const consistency = async (flip: number): Promise<number> => {
    const { points, dispose } = await runTiny({ ...still, weak: { range: [1, 1], flip }, options });
    dispose();
    return points[5].terms.unlabelled;
  };
  const [straight, mirrored] = [await consistency(0), await consistency(1)];
  assert.ok(mirrored < 3 * straight && straight < 3 * mirrored, `${straight} ${mirrored}`);
});

test('UniMatch: identical views give identical losses, with the published weights', async () => {
  const same = { tau: 0, cutmix: null, strong: NO_COLOUR };
  const { terms, loss, accepted } = await firstPoint('unimatch', { ...same, features: 0, groups: 'apart' });
  assert.is(accepted, 1);
  close(loss, 0.5 * terms.labelled + 0.5 * terms.unlabelled, 'loss');
  const fixmatch = await firstPoint('fixmatch', {
    tau: 0,
    cutmix: null,
    strong: NO_COLOUR,
    groups: [['l'], ['w'], ['s']],
  });
  // Two strong views of a quarter each: half of FixMatch's loss.
  close(terms.unlabelled, 0.5 * fixmatch.terms.unlabelled, 'strong views');
  const perturbed = await firstPoint('unimatch', { ...same, groups: 'pairs' });
  assert.ok(perturbed.terms.unlabelled > terms.unlabelled, 'dropped features cost something');
  const none = await firstPoint('unimatch', { tau: 1.1 });
  assert.is(none.terms.unlabelled, 0);
});

test('UniMatch V2: channels change the strong views of some images; without, identical views are FixMatch', async () => {
  const same = { tau: 0, cutmix: null, strong: NO_COLOUR, teacher: 'train', groups: 'apart' };
  const plain = await firstPoint('unimatch-v2', { ...same, complementary: false });
  const fixmatch = await firstPoint('fixmatch', {
    tau: 0,
    cutmix: null,
    strong: NO_COLOUR,
    groups: [['l'], ['w'], ['s']],
  });
  close(plain.terms.unlabelled, fixmatch.terms.unlabelled, 'strong views');
  close(plain.loss, 0.5 * plain.terms.labelled + 0.5 * plain.terms.unlabelled, 'loss');
  const dropped = await firstPoint('unimatch-v2', same);
  assert.ok(Math.abs(dropped.terms.unlabelled - plain.terms.unlabelled) > 1e-3);
  const mixed = await firstPoint('unimatch-v2', { ...same, complementary: false, cutmix: { probability: 1 } });
  assert.ok(Math.abs(mixed.terms.unlabelled - plain.terms.unlabelled) > 1e-4);
});

test('U2PL: pixels are left out at first, none at last, and nothing counts during the warm-up', async () => {
  const run = await runTiny({ scheme: 'u2pl', steps: 5, options: { drop: 50, warmup: 0.4, weight: 2 } });
  run.dispose();
  const share = run.points.map((p) => p.accepted!);
  assert.ok(Math.abs(share[0] - 0.5) < 0.02, `${share}`);
  assert.ok(
    share.every((a, i) => i === 0 || a > share[i - 1]),
    `${share}`,
  );
  run.points.forEach(({ loss, terms }, i) =>
    close(loss, terms.labelled + (i < 2 ? 0 : 2) * terms.unlabelled, `step ${i}`),
  );
});

test('CutMix-Seg: the consistency is scaled by the share of confident pixels', async () => {
  const all = await firstPoint('cutmix-seg', { ...QUIET, teacher: 'train', tau: 0 });
  assert.ok(all.terms.unlabelled > 0);
  assert.is(all.accepted, 1);
  const part = await firstPoint('cutmix-seg', { ...QUIET, teacher: 'train', tau: 0.35 });
  assert.ok(part.accepted! > 0 && part.accepted! < 1, `${part.accepted}`);
  close(part.terms.unlabelled, all.terms.unlabelled * part.accepted!, 'loss', 1e-4);
});

test('AugSeg: sureness is 0 where all classes are as likely, near 1 where one is, and skips the padding', async () => {
  const device = await testDevice();
  const sharp = [30, 0, 0];
  const flat = [1, 1, 1];
  const logits = tensor(device, [[[flat, flat]], [[sharp, sharp]], [[sharp, flat]], [[[Math.log(2), 0, 0], flat]]]);
  const valid = tensor(device, [[[1, 1]], [[1, 1]], [[1, 1]], [[1, 0]]]);
  const got = [...(await sureness(logits, { valid }).read())];
  const p = [0.5, 0.25, 0.25];
  const h = -p.reduce((sum, v) => sum + v * Math.log(v), 0);
  [0, 1, 0.5, (1 - h / Math.log(3)) * 0.5].forEach((v, i) => close(got[i], v, `image ${i}`));
});

test('AugSeg: draws of Beta have its mean and variance; boxes have the sides of lambda and stay inside', () => {
  const rng = new Rng(3, 1);
  for (const [a, b] of [
    [8, 2],
    [4, 4],
  ]) {
    const draws = Array.from({ length: 20000 }, () => beta(rng, a, b));
    const mean = draws.reduce((s, v) => s + v, 0) / draws.length;
    const variance = draws.reduce((s, v) => s + (v - mean) ** 2, 0) / draws.length;
    close(mean, a / (a + b), `mean of Beta(${a}, ${b})`, 0.005);
    close(variance, (a * b) / ((a + b) ** 2 * (a + b + 1)), `variance of Beta(${a}, ${b})`, 0.002);
  }
  const boxes = drawCentredBoxes(rng, 500, [64, 96], 0.75);
  let whole = 0;
  for (let k = 0; k < 500; k++) {
    const [y0, x0, y1, x1] = boxes.subarray(4 * k, 4 * k + 4);
    assert.ok(y0 >= 0 && x0 >= 0 && y0 < y1 && x0 < x1 && y1 <= 64 && x1 <= 96);
    assert.ok(y1 - y0 <= 32 && x1 - x0 <= 48);
    if (y1 - y0 === 32 && x1 - x0 === 48) whole++;
  }
  assert.ok(whole > 150, `${whole} boxes are whole`);
});

test('AugSeg: mixing with labelled images and without, or not at all', async () => {
  const losses: number[] = [];
  for (const cutmix of ['adaptive', 'plain', null]) {
    const run = await runTiny({ scheme: 'augseg', steps: 3, options: { tau: 0, strong: NO_COLOUR, cutmix } as never });
    run.dispose();
    for (const p of run.points) close(p.loss, p.terms.labelled + p.terms.unlabelled, `${cutmix}`);
    losses.push(run.points[2].terms.unlabelled);
  }
  assert.is(new Set(losses).size, 3);
});

test('teachers: they begin as the student, follow it, and are what is evaluated', async () => {
  const device = await testDevice();
  [0, 0.5, 2 / 3, 0.75].forEach((decay, step) => close(risingDecay(step, 0.996), decay, `decay at ${step}`, 1e-12));
  assert.is(risingDecay(1000, 0.996), 0.996);
  for (const { name } of [meanTeacher, cutmixSeg, unimatchV2, u2pl, augseg]) {
    const scheme = createScheme(name, smallContext(device), {});
    const [net, teacher] = [...scheme.networks.values()];
    assert.is(scheme.evaluated, teacher, name);
    const key = 'dec0.1.conv.weight';
    const [a, b] = await device.read([net.params.get(key)!, teacher.params.get(key)!]);
    assert.equal(a, b, name);
    const other = createScheme(name, smallContext(device), { evaluate: 'student' });
    assert.is(other.evaluated, other.networks.get('net'), name);
    scheme.dispose();
    other.dispose();
  }
});

test.run();
