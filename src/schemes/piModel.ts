// The Pi-model (Laine & Aila 2017): two noisy views of the same crop should get the same prediction.

import { concat, weightedSum } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { piModel as consistency } from '../losses/index.ts';
import { number, option } from '../options.ts';
import { defineScheme, labelledShare, RAMP } from './define.ts';
import { groupsOption, passGroups } from './groups.ts';
import { perturbationOptions, perturbed } from './teacher.ts';
import { labelsOf } from './views.ts';

/**
 * L = CE(z_a, y) + w(t) mean_C (softmax z_a - softmax z_b)^2 over the pixels of labelled and unlabelled images; the
 * gradient flows through both views. w(t) is the weight, times the labelled share of the images, times the ramp.
 */
export const piModel = defineScheme({
  name: 'pi-model',
  title: 'Pi-model',
  paper: 'Laine & Aila 2017, https://arxiv.org/abs/1610.02242',
  about: 'two noisy views of a crop should get the same prediction',
  options: {
    weight: option(number({ from: 0 }), 100, 'weight of the consistency; times the labelled share of the images'),
    ramp: { ...RAMP, usual: 0.3 },
    ...perturbationOptions(0.15, {}),
    groups: groupsOption(
      { l: 'labelled', u: 'unlabelled', k: 'labelled again', v: 'unlabelled again' },
      {
        pairs: [
          ['l', 'u'],
          ['k', 'v'],
        ],
        joint: [['l', 'u', 'k', 'v']],
        apart: [['l'], ['u'], ['k'], ['v']],
      },
      'pairs',
    ),
  },
  build(parts, o) {
    const { net } = parts.learner();
    return {
      evaluated: net,
      step(s) {
        const l = s.labelled();
        const u = s.unlabelled();
        const view = (image: Tensor, name: string): Tensor => perturbed(s, image, o, name);
        const z = passGroups(
          (x, mode) => net.forward(x, mode),
          {
            l: view(l.image, 'labelled a'),
            u: view(u.image, 'unlabelled a'),
            k: view(l.image, 'labelled b'),
            v: view(u.image, 'unlabelled b'),
          },
          o.groups,
          ['l', 'u', 'k', 'v'],
        );
        parts.count(labelsOf(z.v, u), u.valid);
        const labelled = s.supervised(z.l, l.label);
        const unlabelled = consistency(concat([z.l, z.u], 0), concat([z.k, z.v], 0), concat([l.valid, u.valid], 0));
        const weight = s.ramped(o.weight * labelledShare(s.c), o.ramp);
        return { loss: weightedSum([[labelled], [unlabelled, weight]]), terms: { labelled, unlabelled } };
      },
    };
  },
});
