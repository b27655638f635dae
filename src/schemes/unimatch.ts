// UniMatch (Yang et al. 2023): FixMatch with two strong views and, beside them, a view whose features are perturbed:
// whole channels of the encoder's activations are dropped.

import { noGrad } from '../../runtime/autograd/tape.ts';
import { concat, dropout2d, weightedSum } from '../../runtime/ops/index.ts';
import { pseudoLabel } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { SINGLE_BOX_FIELDS, UNIMATCH_BOX } from '../augment/cutmix.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { acceptedLoss } from '../losses/index.ts';
import { EVAL, type ForwardMode } from '../nn/module.ts';
import { nullable, number, option, over } from '../options.ts';
import { accepts, CLASSWISE, thresholdsOf } from './classThresholds.ts';
import { ACCEPTED_LOSS, defineScheme, RAMP, type Step } from './define.ts';
import { groupsOption, passGroups } from './groups.ts';
import { strongOption } from './strong.ts';
import { labelsOf, take, type TargetView } from './views.ts';

const weight = (usual: number, of: string) => option(number({ from: 0 }), usual, `weight of ${of}`);

/**
 * L = (CE(z_l, y) + w(t) (CE(z_s, q) / 4 + CE(z_t, q) / 4 + CE(z_f, q) / 2)) / 2, q = argmax z_w where max p(z_w) >= tau;
 * s and t are strong views, mixed with other images, f is the weak view with dropped features.
 */
export const unimatch = defineScheme({
  name: 'unimatch',
  title: 'UniMatch',
  paper: 'Yang et al. 2023, https://arxiv.org/abs/2208.09910',
  about: 'a weak view labels two strong ones and one with dropped features',
  options: {
    tau: option(number({ from: 0 }), 0.95, 'confidence threshold (>=); above 1 nothing is accepted'),
    loss: ACCEPTED_LOSS,
    classwise: CLASSWISE,
    labelledWeight: weight(0.5, 'the labelled loss'),
    weight: weight(0.5, 'the unlabelled loss'),
    strongWeight: weight(0.25, 'each strong view in the unlabelled loss'),
    featureWeight: weight(0.5, 'the view with dropped features in the unlabelled loss'),
    ramp: RAMP,
    features: option(number({ from: 0, below: 1 }), 0.5, 'share of the channels that are dropped'),
    groups: groupsOption(
      { l: 'labelled', w: 'weak, and with dropped features', s: 'strong', t: 'strong, again' },
      {
        pairs: [
          ['l', 'w'],
          ['s', 't'],
        ],
        joint: [['l', 'w', 's', 't']],
        apart: [['l'], ['w'], ['s'], ['t']],
      },
      'pairs',
    ),
    strong: strongOption({ learned: false }),
    cutmix: option(nullable(over(UNIMATCH_BOX, SINGLE_BOX_FIELDS)), {}, 'boxes of CutMix in strong views; null: none'),
  },
  small: { tau: 0.9, ramp: 0.5, strong: { hue: 0.05 } },
  build(parts, o) {
    const { net } = parts.learner();
    const classes = thresholdsOf(parts, o.classwise);

    /** Scores of a group, and those of its weak views with dropped features. */
    function dropped(s: Step, count: number, keep: (z: Tensor) => void) {
      return (x: Tensor, mode: ForwardMode, members: readonly string[]): Tensor => {
        const at = members.indexOf('w');
        if (at < 0 || o.features === 0) return net.forward(x, mode);
        const features = net.encode(x, mode);
        // Labelled images are dropped from as well, and their scores left out: what is decoded together shares the
        // statistics of its batch.
        const stages = features.stages.map((f, i) =>
          concat([f, dropout2d(f, s.ctx.randomSeed(`features ${i}`), o.features)], 0),
        );
        const z = net.decode({ ...features, stages }, mode);
        const n = x.shape[0];
        const before = members.slice(0, at).reduce((sum, m) => sum + (m === 'l' ? s.c.batch.labelled : count), 0);
        keep(take(z, n + before, count));
        return take(z, 0, n);
      };
    }

    return {
      evaluated: net,
      label(x) {
        const q = pseudoLabel(net.forward(x, EVAL));
        return { label: q.label, accepted: accepts(q, o.tau, classes) };
      },
      step(s) {
        const l = s.labelled();
        const u = s.unlabelled();
        const other = s.unlabelled('unlabelled 2');
        const theirs = o.cutmix && noGrad(() => labelsOf(net.forward(standardize(other.image), EVAL), other));
        const [first, second] = ['strong 1', 'strong 2'].map((name) =>
          s.cutmix(
            s.strong(u, o.strong, name),
            o.cutmix,
            () => {
              const partner = s.strong(other, o.strong, `${name}, other`);
              return { image: partner.image, labels: partner.carry(theirs!) };
            },
            `${name}, box`,
          ),
        );
        const perturbed: Tensor[] = [];
        const pass = dropped(s, u.image.shape[0], (z) => perturbed.push(z));
        const z = passGroups(
          (x, mode, members) => pass(standardize(x), mode, members),
          { l: l.image, w: u.image, s: first.image, t: second.image },
          o.groups,
          o.features > 0 ? ['l', 'w', 's', 't'] : ['l', 's', 't'],
        );

        const q = labelsOf(z.w, u);
        classes?.update(q, z.w);
        const accepted = accepts(q, o.tau, classes);
        parts.count(q, accepted);
        const strong = (view: TargetView, scores: Tensor): Tensor => {
          const moved = view.carry(q);
          return acceptedLoss(o.loss, scores, moved.label, accepts(moved, o.tau, classes));
        };
        const labelled = s.supervised(z.l, l.label);
        const unlabelled = weightedSum([
          [strong(first, z.s), o.strongWeight],
          [strong(second, z.t), o.strongWeight],
          ...perturbed.map((scores) => [acceptedLoss(o.loss, scores, q.label, accepted), o.featureWeight] as const),
        ]);
        const loss = weightedSum([
          [labelled, o.labelledWeight],
          [unlabelled, s.ramped(o.weight, o.ramp)],
        ]);
        return { loss, terms: { labelled, unlabelled } };
      },
    };
  },
});
