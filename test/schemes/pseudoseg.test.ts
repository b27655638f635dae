// PseudoSeg as a recorded step: where gradients flow and where they must not, which statistics move, its options, and
// that it learns.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { errorText, GradientError } from '../../runtime/errors.ts';
import { pseudoLabelStats } from '../../src/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { AttentionBranch } from '../../src/nn/attention.ts';
import { DeepLabV3Plus } from '../../src/nn/deeplab.ts';
import { Parts, Step } from '../../src/schemes/define.ts';
import { pseudoseg, pseudosegStep } from '../../src/schemes/pseudoseg.ts';
import type { SchemeContext } from '../../src/schemes/scheme.ts';
import type { StepContext } from '../../src/schemes/step.ts';
import { captureTensors, restoreTensors } from '../../src/train/checkpoint.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';
import { runTiny } from '../support/tiny.ts';
import { HandStep, scenes, smallContext, type SmallOptions } from '../support/schemes.ts';
import { says } from '../support/errors.ts';

const STEPS = 16;
const WEAK = { range: [0.8, 1.3] as const };
const deeplab: SmallOptions['network'] = (device, numClasses, seed) =>
  new DeepLabV3Plus(device, {
    numClasses,
    depth: 18,
    widths: [6, 6, 8, 8],
    asppChannels: 8,
    lowChannels: 4,
    decoderChannels: 8,
    seed,
  });

type PseudoSegOptions = Parameters<typeof pseudoseg.fill>[0];

/** The step as the scheme records it. */
function pseudosegLoss(
  ctx: StepContext,
  c: SchemeContext,
  given: Parameters<typeof pseudosegStep>[1],
  options: PseudoSegOptions,
) {
  const o = pseudoseg.fill(options);
  const { terms, ...rest } = pseudosegStep(new Step(ctx, c, o), given, o);
  return { terms: terms!, ...rest };
}

/** The parts of a scheme as the step takes them. */
async function parts(small: SmallOptions = {}) {
  const device = await testDevice();
  const c = smallContext(device, small);
  const net = c.network(0);
  const branch = new AttentionBranch(device, {
    encoderChannels: net.encoderChannels,
    numClasses: c.numClasses,
    foreground: c.numClasses - 1,
    dims: 16,
  });
  const parts = new Parts(c, { counting: true });
  const dispose = (): void => [net, branch, parts].forEach((t) => t.dispose());
  return { device, c, given: { net, branch, parts }, counts: parts.counts!, dispose };
}

const imageLabels = (): Record<string, number[]> =>
  Object.fromEntries(
    scenes()
      .ids('unlabelled')
      .map((id, i) => [id, [0, 1 + (i % 3)]]),
  );

type Touched = Record<string, string[]>;

/** Groups of parameters with a gradient other than exactly 0, for each term of the loss. */
async function gradientMap(o: PseudoSegOptions, small: SmallOptions = {}): Promise<Touched> {
  const { device, c, given, dispose } = await parts(small);
  const { net, branch } = given;
  const group = (name: string): string =>
    net.params.has(name) ? (/^(enc|backbone)/.test(name) ? 'encoder' : 'decoder') : name.split('.')[0];
  const named = [...net.params, ...branch.params];
  const step = new HandStep(device, (ctx) => {
    const { terms, targets } = pseudosegLoss(ctx, c, given, o);
    const outputs: Record<string, Tensor> = { zp: targets.decoder, m: targets.attention };
    for (const [term, loss] of Object.entries(terms)) {
      grad(
        loss,
        named.map(([, t]) => t),
      ).forEach((g, i) => (outputs[`${term} ${named[i][0]}`] = g));
      // The targets themselves: what made them is not part of the graph.
      for (const t of [targets.decoder, targets.attention, targets.fused]) {
        assert.not(t.tracked, 'targets have no history');
        assert.throws(
          () => grad(loss, [t]),
          (error: unknown) => error instanceof GradientError,
        );
      }
    }
    return outputs;
  });
  const out = await step.run(0);
  const keys = Object.keys(out);
  const values = await device.read(keys.map((k) => out[k]));
  const touched: Touched = {};
  keys.forEach((key, i) => {
    assert.ok(
      values[i].every((v) => Number.isFinite(v)),
      `${key} is finite`,
    );
    if (key === 'zp' || key === 'm') {
      assert.ok(
        values[i].some((v) => v !== 0),
        key,
      );
      return;
    }
    const [term, ...name] = key.split(' ');
    const which = group(name.join(' '));
    touched[term] ??= [];
    if (values[i].some((v) => v !== 0) && !touched[term].includes(which)) touched[term].push(which);
  });
  for (const list of Object.values(touched)) list.sort();
  step.dispose();
  dispose();
  return touched;
}

const EXPECTED: Touched = {
  labelled: ['decoder', 'encoder'],
  attention: ['key', 'query', 'score', 'score_bn'],
  classifier: ['classifier', 'encoder'],
  unlabelled: ['decoder', 'encoder'],
};

test('gradient map on U-Net', async () => assert.equal(await gradientMap({ weak: WEAK }), EXPECTED));
test('gradient map on DeepLabV3+', async () =>
  assert.equal(await gradientMap({ weak: WEAK }, { network: deeplab }), EXPECTED));
test('gradient map with image-level labels', async () =>
  assert.equal(await gradientMap({ weak: WEAK, weakly: imageLabels(), tau: 0.3 }), EXPECTED));

test('gradient map of joint passes', async () => {
  assert.equal(await gradientMap({ weak: WEAK, groups: 'joint' }), EXPECTED);
  assert.equal(
    await gradientMap({ weak: WEAK, groups: 'joint', weakly: imageLabels() }, { network: deeplab }),
    EXPECTED,
  );
});

test('gradient map of a classifier that leaves the encoder alone', async () => {
  const alone = { ...EXPECTED, classifier: ['classifier'] };
  assert.equal(await gradientMap({ weak: WEAK, detachClassifier: true }), alone);
  assert.equal(
    await gradientMap({ weak: WEAK, detachClassifier: true, groups: 'joint', weakly: imageLabels() }),
    alone,
  );
});

test('the classifier learns from the unlabelled batch when it has image-level labels, and from the labelled one otherwise', async () => {
  for (const weakly of [undefined, imageLabels()]) {
    const { device, c, given, dispose } = await parts();
    const step = new HandStep(device, (ctx) => ({
      classifier: pseudosegLoss(ctx, c, given, { weak: WEAK, weakly }).terms.classifier,
    }));
    // Other images of the other stream change nothing.
    const [x, y] = [await (await step.run(0)).classifier.item(), 0];
    const texels = weakly ? 'labelled.texels' : 'unlabelled.texels';
    step.plan.run({ [texels]: new Uint32Array(step.plan.inputs[texels].size).fill(0x00ff8040) });
    assert.is(await step.plan.outputs.classifier.item(), x + y);
    step.dispose();
    dispose();
  }
});

test('which passes move the statistics', async () => {
  // Of the encoder, which what the classifier learns from passes twice; of the decoder; of the attention branch.
  const cases: [PseudoSegOptions, number, number, number][] = [
    [{}, 4, 3, 2],
    [{ groups: 'still' }, 3, 2, 1],
    [{ groups: 'joint' }, 1, 1, 2],
    [{ weakly: imageLabels() }, 4, 3, 2],
    [{ weakly: imageLabels(), groups: 'still' }, 2, 2, 1],
  ];
  for (const [o, encoderMoves, decoderMoves, branchMoves] of cases) {
    const { device, c, given, dispose } = await parts();
    const huge = 1e7;
    const watched = ['enc0.0.bn.running_mean', 'dec0.1.bn.running_mean'].map((name) => given.net.buffers.get(name)!);
    const own = given.branch.buffers.get('score_bn.running_mean')!;
    for (const t of [...watched, own]) device.write(t, new Float32Array(t.size).fill(huge));
    const step = new HandStep(device, (ctx) => ({ loss: pseudosegLoss(ctx, c, given, { weak: WEAK, ...o }).loss }));
    await step.run(0);
    const values = await device.read([...watched, own]);
    // Each pass in training mode leaves 0.9 (the branch 0.999) of what was there; the pass in evaluation mode nothing
    // else.
    for (const [k, moves] of [encoderMoves, decoderMoves].entries())
      for (const v of values[k]) assert.ok(Math.abs(v / huge - 0.9 ** moves) < 1e-4, `${v / huge}`);
    for (const v of values[2]) assert.ok(Math.abs(v / huge - 0.999 ** branchMoves) < 1e-5, `${v / huge}`);
    step.dispose();
    dispose();
  }
});

test('every option gives a finite loss, and what it says', async () => {
  const variants: Record<string, PseudoSegOptions> = {
    plain: {},
    l2: { norm: 'l2-pixel' },
    attention: { fusion: 'att' },
    decoder: { gamma: 1 },
    hard: { labels: 'hard', tau: 0.4 },
    kept: { tau: 0.4, denominator: 'kept' },
    valid: { tau: 0.4 },
    none: { tau: 1 },
    joint: { groups: 'joint' },
    uncut: { cutout: null },
    noBackground: { background: null },
    other: { background: 4 },
  };
  const loss: Record<string, number> = {};
  const classifier: Record<string, number> = {};
  const accepted: Record<string, number> = {};
  for (const [name, o] of Object.entries(variants)) {
    const { device, c, given, counts: counted, dispose } = await parts();
    const foreground = o?.background === null ? c.numClasses : c.numClasses - 1;
    const branch = new AttentionBranch(device, {
      encoderChannels: given.net.encoderChannels,
      numClasses: c.numClasses,
      foreground,
      dims: 16,
    });
    const step = new HandStep(
      device,
      (ctx) => {
        const { terms, targets } = pseudosegLoss(ctx, c, { ...given, branch }, { weak: WEAK, ...o });
        return { unlabelled: terms.unlabelled, classifier: terms.classifier, q: targets.fused };
      },
      { judge: true },
    );
    const out = await step.run(0);
    const [value, bce, q, counts] = await device.read([out.unlabelled, out.classifier, out.q, counted]);
    const stats = pseudoLabelStats(counts as Uint32Array);
    loss[name] = value[0];
    classifier[name] = bce[0];
    accepted[name] = stats.accepted;
    assert.ok(Number.isFinite(value[0]), name);
    for (let p = 0; p < q.length; p += c.numClasses)
      assert.ok(Math.abs([...q.subarray(p, p + c.numClasses)].reduce((a, b) => a + b) - 1) < 1e-4);
    if (stats.accepted > 0)
      assert.ok(
        stats.accuracy !== undefined && stats.accuracy >= 0 && stats.accuracy <= 1,
        `${name}: judged by the truth`,
      );
    step.dispose();
    branch.dispose();
    dispose();
  }
  assert.equal([accepted.plain, accepted.none, loss.none], [1, 0, 0]);
  assert.ok(accepted.kept > 0 && accepted.kept < 1, `${accepted.kept}`);
  assert.ok(Math.abs(loss.valid - loss.kept * accepted.kept) < 1e-5, `${loss.valid} ${loss.kept} ${accepted.kept}`);
  assert.is(new Set(['plain', 'l2', 'attention', 'decoder', 'hard', 'uncut', 'joint'].map((k) => loss[k])).size, 7);
  assert.is(
    new Set(['plain', 'noBackground', 'other'].map((k) => classifier[k])).size,
    3,
    'other classes are to be found',
  );
});

test('the label of the attention branch alone, of both, and of hard labels', async () => {
  const { device, c, given, dispose } = await parts();
  const k = c.numClasses;
  const softmax = (z: ArrayLike<number>, r = 1): number[] => {
    const e = Array.from(z, (v) => Math.exp((v - Math.max(...Array.from(z))) / r));
    const sum = e.reduce((a, b) => a + b);
    return e.map((v) => v / sum);
  };
  const sharpened = (p: number[], t: number): number[] => {
    const e = p.map((v) => v ** (1 / t));
    const sum = e.reduce((a, b) => a + b);
    return e.map((v) => v / sum);
  };
  const cases: [PseudoSegOptions, (zp: number[], m: number[], r: number) => number[]][] = [
    [{ fusion: 'att' }, (_, m) => sharpened(softmax(m), 0.5)],
    [{ fusion: 'att', temperature: 0.25 }, (_, m) => sharpened(softmax(m), 0.25)],
    [{ fusion: 'att', labels: 'hard' }, (_, m) => softmax(m)],
    [
      {},
      (zp, m, r) =>
        sharpened(
          softmax(zp, r).map((v, i) => (v + softmax(m, r)[i]) / 2),
          0.5,
        ),
    ],
    [{ labels: 'hard', temperature: 0.25 }, (zp, m, r) => softmax(zp, r).map((v, i) => (v + softmax(m, r)[i]) / 2)],
  ];
  for (const [o, want] of cases) {
    const step = new HandStep(device, (ctx) => {
      const { targets } = pseudosegLoss(ctx, c, given, { weak: WEAK, ...o });
      return { zp: targets.decoder, m: targets.attention, q: targets.fused };
    });
    const out = await step.run(0);
    const [zp, m, q] = await device.read([out.zp, out.m, out.q]);
    const squares = [...zp, ...m].reduce((sum, v) => sum + v * v, 0);
    const r = Math.sqrt(squares / (2 * zp.length) + 1e-8);
    for (let p = 0; p < q.length; p += k) {
      const at = (t: ArrayLike<number>): number[] => Array.from({ length: k }, (_, i) => t[p + i]);
      close(at(q), want(at(zp), at(m), r), 1e-5, JSON.stringify(o));
    }
    step.dispose();
  }
  dispose();
});

test('it learns, its memory stays flat, its state can be saved and put back', async () => {
  const device = await testDevice();
  const c = smallContext(device, { steps: STEPS });
  const scheme = pseudoseg.make(c, { weak: WEAK, attentionDims: 16 });
  assert.equal([...scheme.networks.keys()], ['net', 'attention']);
  const initial = await captureTensors(device, scheme);
  assert.ok(initial.has('net/attention/key.weight'));
  const step = new HandStep<Record<string, Tensor>>(
    device,
    (ctx) => {
      const { loss, terms } = scheme.stages[0].record(ctx);
      return { loss, ...terms };
    },
    { lr: 0.05 },
  );
  const losses: number[][] = [];
  const run = async (k: number): Promise<number[]> => {
    const out = await step.run(k, STEPS);
    return (await device.read([out.loss, out.labelled, out.attention, out.classifier, out.unlabelled])).map(
      (v) => v[0],
    );
  };
  losses.push(await run(0));
  const { inUse, created } = device.pool.stats;
  for (let k = 1; k < STEPS; k++) losses.push(await run(k));
  assert.equal([device.pool.stats.inUse, device.pool.stats.created], [inUse, created]);
  const mean = (rows: number[][], j: number): number => rows.reduce((s, r) => s + r[j], 0) / rows.length;
  for (const j of [0, 1, 2, 3, 4])
    assert.ok(
      mean(losses.slice(-6), j) < 0.85 * mean(losses.slice(0, 6), j),
      `term ${j}: ${losses.map((r) => r[j].toFixed(3))}`,
    );
  restoreTensors(scheme, initial);
  assert.equal(await run(0), losses[0], 'the first step again');
  step.dispose();
  scheme.dispose();
});

test('a run that was stopped and resumed gives the same losses', async () => {
  const config = { scheme: 'pseudoseg', options: { attentionDims: 8 } };
  const whole = await runTiny(config);
  const first = await runTiny(config, { stopAfter: 3 });
  const second = await runTiny(config, { resume: first.checkpoint! });
  assert.equal(
    [...first.points, ...second.points].map((p) => [p.step, p.loss]),
    whole.points.map((p) => [p.step, p.loss]),
  );
  for (const run of [whole, first, second]) run.dispose();
});

test('what cannot be', async () => {
  const device = await testDevice();
  const c = smallContext(device);
  const refuse = (o: object, what: RegExp): void => assert.throws(() => pseudoseg.make(c, o), says(what));
  refuse({ fusion: 'max' }, /^fusion is "max".*"avg", "att"/);
  refuse({ labels: 'firm' }, /^labels is "firm".*"soft", "hard"/);
  refuse({ tau: 2 }, /^tau is 2.*from 0 to 1/);
  refuse({ background: 9 }, /background is class 9/);
  refuse({ weakly: { ...imageLabels(), 'train-3': [1, 9] } }, /labels of train-3 are 1, 9.*from 0 to/);
  const known = { ...c, unlabelled: scenes().ids('unlabelled') };
  assert.throws(() => pseudoseg.make(known, { weakly: { 'train-0': [1] } }), says(/has no image-level labels/));
  pseudoseg.make(known, { weakly: imageLabels() }).dispose();
  const { given, dispose } = await parts();
  const step = new HandStep(device, (ctx) => ({
    loss: pseudosegLoss(ctx, c, given, { weakly: { 'train-0': [1] } }).loss,
  }));
  try {
    await step.run(0);
    assert.unreachable('an image without image-level labels');
  } catch (error) {
    assert.match(errorText(error), /has no image-level labels/);
  }
  step.dispose();
  dispose();
});

test.run();
