// Mean Teacher (Tarvainen & Valpola 2017): a moving average of the network predicts another noisy view of the same
// crop, and the network should agree with it.

import { concat, weightedSum } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { mseMeanC } from '../losses/index.ts';
import { number, option } from '../options.ts';
import { defineScheme, RAMP } from './define.ts';
import { groupsOption, passGroups } from './groups.ts';
import { perturbationOptions, perturbed, taught, teacherOf, teacherOptions } from './teacher.ts';
import { labelsOf } from './views.ts';

/** L = CE(z, y) + w(t) mean_C (softmax z - softmax z')^2 over labelled and unlabelled images; z' is the teacher's. */
export const meanTeacher = defineScheme({
  name: 'mean-teacher',
  title: 'Mean Teacher',
  paper: 'Tarvainen & Valpola 2017, https://arxiv.org/abs/1703.01780',
  about: 'the network should agree with its moving average on another noisy view',
  options: {
    weight: option(number({ from: 0 }), 100, 'weight of the consistency'),
    ramp: { ...RAMP, usual: 0.3 },
    ...teacherOptions(0.99),
    ...perturbationOptions(0.1, {}),
    groups: groupsOption({ l: 'labelled', u: 'unlabelled' }, { joint: [['l', 'u']], apart: [['l'], ['u']] }, 'joint'),
  },
  small: { weight: 10 },
  build(parts, o) {
    const { net } = parts.learner();
    const teacher = teacherOf(parts, net, o);
    return {
      evaluated: o.evaluate === 'teacher' ? teacher : net,
      step(s) {
        const l = s.labelled();
        const u = s.unlabelled();
        const view = (image: Tensor, name: string): Tensor => perturbed(s, image, o, name);
        const seen = { l: view(l.image, 'labelled'), u: view(u.image, 'unlabelled') };
        const shown = { l: view(l.image, 'labelled, teacher'), u: view(u.image, 'unlabelled, teacher') };
        const z = passGroups((x, mode) => net.forward(x, mode), seen, o.groups, ['l', 'u']);
        const t = taught(teacher, shown, o.teacher === 'train' ? o.groups : null);
        parts.count(labelsOf(t.u, u), u.valid);
        const labelled = s.supervised(z.l, l.label);
        const unlabelled = mseMeanC(concat([z.l, z.u], 0), concat([t.l, t.u], 0), {
          valid: concat([l.valid, u.valid], 0),
        });
        return {
          loss: weightedSum([[labelled], [unlabelled, s.ramped(o.weight, o.ramp)]]),
          terms: { labelled, unlabelled },
        };
      },
    };
  },
});
