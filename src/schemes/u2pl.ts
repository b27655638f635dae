// U2PL (Wang et al. 2022) without its memory bank: pseudo-labels of an averaged teacher count where its entropy is low;
// how low, follows the training.

import { risingDecay } from '../../runtime/optim/ema.ts';
import { weightedSum } from '../../runtime/ops/index.ts';
import { gate, percentile, predictionEntropy, pseudoLabel } from '../ops/index.ts';
import { drawBoxes, FRENCH_BOXES } from '../augment/cutmix.ts';
import { boxMask } from '../augment/gpu/mix.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { u2pl as reliable, u2plPercent } from '../losses/index.ts';
import { EVAL } from '../nn/module.ts';
import { nullable, number, option } from '../options.ts';
import { defineScheme, WEIGHT, type Step } from './define.ts';
import { groupsOption, passGroups } from './groups.ts';
import type { Moment } from './step.ts';
import { perturbationOptions, perturbed, taught, teacherOptions } from './teacher.ts';
import { labelsOf, mixedView, type TargetView } from './views.ts';

const { ema, evaluate } = teacherOptions(0.99);

/**
 * L = CE(z_l, y) + w (#pixels / #kept) mean over the kept pixels of CE(z_m, q): q is the teacher's argmax on the weak
 * view, mixed as the image is, and the pixels with the highest entropy of the teacher on the mixed image are left out,
 * at first `drop` percent of them, at last none. Nothing unlabelled counts during the warm-up.
 */
export const u2pl = defineScheme({
  name: 'u2pl',
  title: 'U2PL',
  paper: 'Wang et al. 2022, https://arxiv.org/abs/2203.03884',
  about: "an averaged teacher's labels count where its entropy is low (without the contrast of the memory bank)",
  options: {
    weight: WEIGHT,
    warmup: option(number({ from: 0, below: 1 }), 0.0125, 'share of the steps that learn from labelled images alone'),
    drop: option(number({ from: 0, below: 100 }), 20, 'percent of the pixels left out at first, by their entropy'),
    cutmix: option(
      nullable(number({ from: 0, to: 1 })),
      0.5,
      'probability that a batch is mixed, by boxes of half the area; null: never',
    ),
    ...perturbationOptions(0, {}),
    ema,
    evaluate,
    groups: groupsOption({ l: 'labelled', m: 'mixed' }, { joint: [['l', 'm']], apart: [['l'], ['m']] }, 'joint'),
  },
  build(parts, o) {
    const { net } = parts.learner();
    const { steps } = parts.c;
    const warm = Math.round(o.warmup * steps);
    // The teacher is the student until the warm-up ends.
    const decay = ({ step }: Moment): number => (step < warm ? 0 : risingDecay(step, o.ema));
    const teacher = parts.average('teacher', net, decay, { buffers: 'own' });
    return {
      evaluated: o.evaluate === 'teacher' ? teacher : net,
      label: (x) => pseudoLabel(teacher.forward(x, EVAL)),
      step(s) {
        const l = s.labelled();
        const u = s.unlabelled();
        const labels = labelsOf(taught(teacher, { w: standardize(u.image) }, null).w, u);
        const mixed = mixedBatch(s, { image: u.image, carry: (q) => q }, o.cutmix);
        const q = mixed.carry(labels);
        const views = { l: standardize(l.image), m: perturbed(s, mixed.image, o, 'mixed') };
        // Both networks see the same batch, the teacher for its entropy and its running statistics.
        const t = taught(teacher, views, o.groups);
        const z = passGroups((x, mode) => net.forward(x, mode), views, o.groups, ['l', 'm']);
        const entropy = predictionEntropy(t.m);
        const percent = s.ctx.scalar('percent', ({ progress }) => u2plPercent(progress, 100 - o.drop));
        parts.count(q, gate(entropy, percentile(entropy, percent, q.valid), q.valid, { below: true }));
        const labelled = s.supervised(z.l, l.label);
        const unlabelled = reliable(z.m, q.label, entropy, percent, q.valid);
        const weight = s.ctx.scalar('weight', ({ step }) => (step < warm ? 0 : o.weight));
        return { loss: weightedSum([[labelled], [unlabelled, weight]]), terms: { labelled, unlabelled } };
      },
    };
  },
});

/** CutMix with the next image of the batch, for all images of a batch or for none. */
function mixedBatch(s: Step, view: TargetView, probability: number | null): TargetView {
  const n = view.image.shape[0];
  if (!probability || n < 2) return view;
  const boxes = s.ctx.input('cutmix', [n, 1, 4], 'i32', (at) => {
    const rng = s.ctx.rng('cutmix', at);
    return rng.bernoulli(probability) ? drawBoxes(rng, n, s.c.crop, FRENCH_BOXES) : new Int32Array(4 * n);
  });
  return mixedView(boxMask(boxes, s.c.crop), view);
}
