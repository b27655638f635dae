// A scheme of your own: entropy minimisation (Grandvalet & Bengio 2004). Unlabelled pixels should be predicted with
// certainty, whatever they are:
//
//   L = CE(z_l, y) + w(t) mean over valid pixels of H(softmax(z_u)),   H(p) = -sum_c p_c log p_c
//
// The record below is all there is to do: options, defaults, help, checkpoints, comparisons and reports follow from it.

import { defineScheme, groupsOption, losses, options, passGroups, RAMP, registerScheme, standardize } from 'fewmask';
import { div, logSoftmax, mul, neg, softmax, sum, weightedSum } from 'fewmask/engine';

export const entropy = defineScheme({
  name: 'entropy',
  title: 'Entropy minimisation',
  paper: 'Grandvalet & Bengio 2004',
  about: 'unlabelled pixels are to be predicted with certainty',
  options: {
    weight: options.option(options.number({ from: 0 }), 0.1, 'weight of the entropy'),
    ramp: RAMP,
    groups: groupsOption({ l: 'labelled', u: 'unlabelled' }, { joint: [['l', 'u']], apart: [['l'], ['u']] }, 'joint'),
  },
  build(parts, o) {
    const { net } = parts.learner();
    return {
      evaluated: net,
      step(s) {
        const l = s.labelled();
        const u = s.unlabelled();
        const z = passGroups((x, mode) => net.forward(standardize(x), mode), { l: l.image, u: u.image }, o.groups, [
          'l',
          'u',
        ]);
        const h = neg(sum(mul(softmax(z.u), logSoftmax(z.u)), -1));
        const labelled = losses.ceValid(z.l, l.label);
        const unlabelled = div(sum(mul(h, u.valid)), sum(u.valid));
        return {
          loss: weightedSum([[labelled], [unlabelled, s.ramped(o.weight, o.ramp)]]),
          terms: { labelled, unlabelled },
        };
      },
    };
  },
});

registerScheme(entropy);
