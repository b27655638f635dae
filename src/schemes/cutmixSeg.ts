// CutMix-Seg (French et al. 2020): the network should predict for a mixed image what its moving average predicts for
// the two images, mixed in the same way.

import { weightedSum } from '../../runtime/ops/index.ts';
import { gate } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { BOX_MASK_FIELDS, FRENCH_BOXES } from '../augment/cutmix.ts';
import { mixBy } from '../augment/gpu/mix.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { mseSumC } from '../losses/index.ts';
import { number, option, over } from '../options.ts';
import { defineScheme, RAMP, WEIGHT } from './define.ts';
import { groupsOption, passGroups } from './groups.ts';
import { perturbationOptions, perturbed, taught, teacherOf, teacherOptions } from './teacher.ts';
import { labelsOf } from './views.ts';

/**
 * L = CE(z_l, y) + w(t) r sum_C (softmax z_m - q)^2, the mean over pixels; q is the softmax of the teacher's mixed
 * logits, and r the share of the pixels in which max q >= tau, one number for the batch.
 */
export const cutmixSeg = defineScheme({
  name: 'cutmix-seg',
  title: 'CutMix-Seg',
  paper: 'French et al. 2020, https://arxiv.org/abs/1906.01916',
  about: "the network should predict for a mixed image its teacher's mixed predictions",
  options: {
    tau: option(number({ from: 0, to: 1 }), 0.97, 'confidence of the pixels whose share weighs the consistency'),
    weight: WEIGHT,
    ramp: RAMP,
    cutmix: option(over(FRENCH_BOXES, BOX_MASK_FIELDS), {}, 'box of CutMix'),
    ...teacherOptions(0.99),
    ...perturbationOptions(0, { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1, blur: 0 }),
    groups: groupsOption({ l: 'labelled', m: 'mixed' }, { apart: [['l'], ['m']], joint: [['l', 'm']] }, 'apart'),
  },
  small: { ramp: 0.5 },
  build(parts, o) {
    const { net } = parts.learner();
    const teacher = teacherOf(parts, net, o);
    return {
      evaluated: o.evaluate === 'teacher' ? teacher : net,
      step(s) {
        const l = s.labelled();
        const u = s.unlabelled();
        const v = s.unlabelled('unlabelled 2');
        const mask = s.mask(u.image.shape[0], o.cutmix);
        const mixed = (a: Tensor, b: Tensor): Tensor => mixBy(mask, a, b);
        const t = taught(
          teacher,
          { u: standardize(u.image), v: standardize(v.image) },
          o.teacher === 'train'
            ? [
                { views: ['u'], update: true },
                { views: ['v'], update: true },
              ]
            : null,
        );
        const z = passGroups(
          (x, mode) => net.forward(x, mode),
          { l: standardize(l.image), m: perturbed(s, mixed(u.image, v.image), o, 'mixed') },
          o.groups,
          ['l', 'm'],
        );
        const labelled = s.supervised(z.l, l.label);
        const valid = mixed(u.valid, v.valid);
        const q = mixed(t.u, t.v);
        const labels = labelsOf(q, { valid, truth: mixed(u.truth, v.truth) });
        parts.count(labels, gate(labels.confidence, o.tau, valid));
        const { loss: unlabelled } = mseSumC(z.m, q, { tau: o.tau, valid });
        return {
          loss: weightedSum([[labelled], [unlabelled, s.ramped(o.weight, o.ramp)]]),
          terms: { labelled, unlabelled },
        };
      },
    };
  },
});
