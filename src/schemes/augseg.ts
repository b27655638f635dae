// AugSeg (Zhao et al. 2023): simple strong augmentation. Images on which the teacher is unsure get a piece of a
// labelled image before they are mixed with each other.

import { noGrad } from '../../runtime/autograd/tape.ts';
import { cast, div, full, gt, indexSelect, mul, sub, sum, weightedSum } from '../../runtime/ops/index.ts';
import { predictionEntropy, pseudoLabel } from '../ops/index.ts';
import type { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { boxMask, mixBy } from '../augment/gpu/mix.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { acceptedLoss } from '../losses/index.ts';
import { EVAL } from '../nn/module.ts';
import { choice, nullable, number, option } from '../options.ts';
import { accepts, CLASSWISE, thresholdsOf } from './classThresholds.ts';
import { ACCEPTED_LOSS, defineScheme, RAMP, WEIGHT, type Step } from './define.ts';
import { groupsOption, passGroups } from './groups.ts';
import { strongOption } from './strong.ts';
import { taught, teacherOf, teacherOptions } from './teacher.ts';
import { labelsOf, type LabelledView, type PixelLabels } from './views.ts';

/**
 * L = CE(z_l, y) + w(t) 1[max p >= tau] CE(z_s, q) over all pixels; q and p are the teacher's on the weak view, moved
 * and mixed as the strong view is.
 */
export const augseg = defineScheme({
  name: 'augseg',
  title: 'AugSeg',
  paper: 'Zhao et al. 2023, https://arxiv.org/abs/2212.04976',
  about: 'an averaged teacher labels strong views; unsure images get a piece of a labelled one',
  options: {
    tau: option(number({ from: 0 }), 0.95, 'confidence threshold (>=); above 1 nothing is accepted'),
    loss: ACCEPTED_LOSS,
    classwise: CLASSWISE,
    weight: WEIGHT,
    ramp: RAMP,
    denominator: option(choice('valid', 'all', 'kept'), 'all', 'pixels that the accepted losses are divided by'),
    ...teacherOptions(0.999),
    groups: groupsOption({ l: 'labelled', s: 'strong' }, { joint: [['l', 's']], apart: [['l'], ['s']] }, 'joint'),
    strong: { ...strongOption({ learned: false }), usual: { randaugment: {} } },
    cutmix: option(
      nullable(choice('adaptive', 'plain')),
      'adaptive',
      'mix unsure images with labelled ones first, or only with each other; null: not at all',
    ),
  },
  small: { tau: 0.9, ramp: 0.5, ema: 0.99 },
  build(parts, o) {
    const { net } = parts.learner();
    const teacher = teacherOf(parts, net, o);
    const classes = thresholdsOf(parts, o.classwise);
    return {
      evaluated: o.evaluate === 'teacher' ? teacher : net,
      label(x) {
        const q = pseudoLabel(teacher.forward(x, EVAL));
        return { label: q.label, accepted: accepts(q, o.tau, classes) };
      },
      step(s) {
        const l = s.labelled();
        const u = s.unlabelled();
        const groups = o.teacher === 'train' ? [{ views: ['w'], update: true }] : null;
        const { w } = taught(teacher, { w: standardize(u.image) }, groups);
        const seen = labelsOf(w, u);
        classes?.update(seen, w);
        const strong = s.strong(u, o.strong);
        const own = { image: strong.image, labels: strong.carry(seen) };
        const { image, labels: q } =
          o.cutmix === null ? own : mixed(s, own, o.cutmix === 'adaptive' && sureness(w, u), l);
        const z = passGroups((x, mode) => net.forward(standardize(x), mode), { l: l.image, s: image }, o.groups, [
          'l',
          's',
        ]);
        const accepted = accepts(q, o.tau, classes);
        parts.count(q, accepted);
        const labelled = s.supervised(z.l, l.label);
        const unlabelled = acceptedLoss(o.loss, z.s, q.label, accepted, o.denominator);
        return {
          loss: weightedSum([[labelled], [unlabelled, s.ramped(o.weight, o.ramp)]]),
          terms: { labelled, unlabelled },
        };
      },
    };
  },
});

/** How sure a prediction is of each image: the mean over valid pixels of (1 - H / ln C) max p. @returns f32 [n, 1, 1] */
export function sureness(logits: Tensor, { valid }: { valid: Tensor }): Tensor {
  const { confidence } = pseudoLabel(logits);
  const certain = sub(1, div(predictionEntropy(logits), Math.log(logits.shape[3])));
  const n = logits.shape[0];
  return div(sum(mul(mul(certain, confidence), valid), [1, 2]), sum(valid, [1, 2])).view([n, 1, 1]);
}

/** One random variable of Beta(a, b), a and b whole: the a-th smallest of a + b - 1 uniform ones. */
export function beta(rng: Rng, a: number, b: number): number {
  const draws = Array.from({ length: a + b - 1 }, () => rng.uniform()).sort((x, y) => x - y);
  return draws[a - 1];
}

/**
 * A box for each of n images, of sides sqrt(1 - lambda) of the image's, cut where it reaches beyond; centres in the last
 * seven eighths of each side, as published.
 */
export function drawCentredBoxes(rng: Rng, n: number, size: readonly [number, number], lambda: number): Int32Array {
  const half = size.map((side) => Math.floor(Math.floor(side * Math.sqrt(1 - lambda)) / 2));
  const boxes = new Int32Array(4 * n);
  for (let k = 0; k < n; k++) {
    const at = size.map((side) => Math.floor(side / 8) + rng.int(side - Math.floor(side / 8)));
    size.forEach((side, d) => {
      boxes[4 * k + d] = Math.max(0, at[d] - half[d]);
      boxes[4 * k + 2 + d] = Math.min(side, at[d] + half[d]);
    });
  }
  return boxes;
}

interface Labelled {
  image: Tensor;
  labels: PixelLabels;
}

/**
 * Label-adaptive CutMix: a box of a labelled image goes into a copy of an image with probability 1 - sureness; then each
 * image gets a box of another one's copy.
 * @param sure f32 [n, 1, 1]; false: no labelled boxes
 */
function mixed(s: Step, own: Labelled, sure: Tensor | false, l: LabelledView): Labelled {
  const { ctx, c } = s;
  const { device } = c;
  const n = own.image.shape[0];
  const inOrder = (name: string, count: number): Tensor =>
    ctx.input(name, [n], 'i32', (at) =>
      Int32Array.from(ctx.rng('order', at).shuffle(Array.from({ length: n }, (_, i) => i)), (i) => i % count),
    );
  const box = (name: string, a: number, b: number): Tensor => {
    const boxes = ctx.input(name, [n, 1, 4], 'i32', (at) => {
      const rng = ctx.rng(name, at);
      return drawCentredBoxes(rng, n, c.crop, beta(rng, a, b));
    });
    return boxMask(boxes, c.crop);
  };
  const each = (f: (a: Tensor, b: Tensor) => Tensor, a: Labelled, b: Labelled): Labelled => ({
    image: f(a.image, b.image),
    labels: {
      label: f(a.labels.label, b.labels.label),
      confidence: f(a.labels.confidence, b.labels.confidence),
      valid: f(a.labels.valid, b.labels.valid),
      truth: f(a.labels.truth, b.labels.truth),
    },
  });
  return noGrad(() => {
    let copies = own;
    if (sure) {
      const chance = ctx.input('chance', [n, 1, 1], 'f32', (at) => {
        const rng = ctx.rng('chance', at);
        return Float32Array.from({ length: n }, () => rng.uniform());
      });
      const mask = mul(box('labelled box', 8, 2), cast(gt(chance, sure), 'f32'));
      const from = inOrder('labelled order', l.image.shape[0]);
      // What is pasted is not a pseudo-label: it is learned with full confidence and not judged.
      const unknown = full(device, l.label.shape, 255, 'i32');
      const given = { label: l.label, confidence: l.valid, valid: l.valid, truth: unknown };
      copies = each((a, b) => mixBy(mask, a, indexSelect(b, 0, from)), own, { image: l.image, labels: given });
    }
    const mask = box('box', 4, 4);
    const order = inOrder('order', n);
    return each((a, b) => mixBy(mask, a, indexSelect(b, 0, order)), own, copies);
  });
}
