// FixMatch (Sohn et al. 2020) for segmentation: the confident predictions on a weak view are the labels of a strong
// view of the same image.

import { risingDecay } from '../../runtime/optim/ema.ts';
import { noGrad } from '../../runtime/autograd/tape.ts';
import { weightedSum } from '../../runtime/ops/index.ts';
import { pseudoLabel } from '../ops/index.ts';
import { SINGLE_BOX_FIELDS, UNIMATCH_BOX } from '../augment/cutmix.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { acceptedLoss } from '../losses/index.ts';
import { EVAL, type Network } from '../nn/module.ts';
import { choice, flag, nullable, number, option, over, type Values } from '../options.ts';
import { accepts, CLASSWISE, thresholdsOf } from './classThresholds.ts';
import { ACCEPTED_LOSS, defineScheme, RAMP, WEIGHT, type Step } from './define.ts';
import { groupsOption, passGroups } from './groups.ts';
import { ctAugmentOf, probe, strongOption } from './strong.ts';
import { labelsOf, type Partner } from './views.ts';

const options = {
  tau: option(number({ from: 0 }), 0.95, 'confidence threshold (>=); above 1 nothing is accepted'),
  loss: ACCEPTED_LOSS,
  classwise: CLASSWISE,
  labelledWeight: option(number({ from: 0 }), 1, "weight of the labelled loss (UniMatch's baseline: both weights 0.5)"),
  weight: WEIGHT,
  ramp: RAMP,
  denominator: option(
    choice('valid', 'all', 'kept'),
    'valid',
    'pixels that the accepted losses are divided by; the original: all',
  ),
  groups: groupsOption(
    { l: 'labelled', w: 'weak', s: 'strong' },
    {
      joint: [['l', 'w', 's']],
      separate: [['w'], ['l', 's']],
      still: [{ views: ['w'], update: false }, ['l', 's']],
      eval: [['l', 's']],
    },
    'joint',
    ['w'],
  ),
  strong: strongOption({ learned: true }),
  cutmix: option(nullable(over(UNIMATCH_BOX, SINGLE_BOX_FIELDS)), {}, 'box of CutMix between strong views; null: none'),
  partner: option(
    choice('next', 'others'),
    'next',
    'mixed in: the next image of the batch, or others, labelled by the running statistics',
  ),
  ema: option(
    nullable(number({ from: 0, below: 1 })),
    null,
    'evaluate a moving average of the weights with this decay (the original: 0.999)',
  ),
  emaWarmup: option(flag, false, 'the decay starts as 1 - 1 / (step + 1); needed for short runs'),
};

/** Decay of the average that judges CTAugment's probes where `ema` says nothing. */
const PROBE_DECAY = 0.999;

/** L = CE(z_l, y) + w(t) 1[max p(z_w) >= tau] CE(z_s, argmax z_w). */
export const fixmatch = defineScheme({
  name: 'fixmatch',
  title: 'FixMatch',
  paper: 'Sohn et al. 2020, https://arxiv.org/abs/2001.07685',
  about: 'confident predictions on a weak view label a strong view',
  options,
  renamed: { pseudo: 'groups', updateOnWeak: 'groups=still', scale: 'labelledWeight=0.5 and weight=0.5' },
  small: { tau: 0.9, ramp: 0.5, strong: { hue: 0.05 } },
  build(parts, o) {
    const cta = ctAugmentOf(o.strong);
    const { net } = parts.learner();
    const decay = o.ema ?? (cta ? PROBE_DECAY : null);
    const rising = (step: number): number => (o.emaWarmup ? risingDecay(step, decay!) : decay!);
    const average = decay === null ? null : parts.average('ema', net, ({ step }) => rising(step));
    const classes = thresholdsOf(parts, o.classwise);
    return {
      evaluated: o.ema !== null && average ? average : net,
      label(x) {
        const q = pseudoLabel(net.forward(x, EVAL));
        return { label: q.label, accepted: accepts(q, o.tau, classes) };
      },
      hostState: cta ? { save: () => cta.save(), load: (state) => cta.load(state) } : undefined,
      step(s) {
        const l = s.labelled();
        const u = s.unlabelled();
        const feedback = cta && average ? probe(s.ctx, s.c, cta, l, average) : undefined;
        const strong = s.strong(u, o.strong, 'strong', { cta });
        const mixed = s.cutmix(strong, o.cutmix, o.partner === 'others' ? () => others(s, net, o, cta) : undefined);
        const z = passGroups(
          (x, mode) => net.forward(standardize(x), mode),
          { l: l.image, w: u.image, s: mixed.image },
          o.groups,
          ['l', 's'],
        );

        const seen = labelsOf(z.w, u);
        classes?.update(seen, z.w);
        const q = mixed.carry(seen);
        const accepted = accepts(q, o.tau, classes);
        parts.count(q, accepted);
        const labelled = s.supervised(z.l, l.label);
        const unlabelled = acceptedLoss(o.loss, z.s, q.label, accepted, o.denominator);
        const loss = weightedSum([
          [labelled, o.labelledWeight],
          [unlabelled, s.ramped(o.weight, o.ramp)],
        ]);
        return { loss, terms: { labelled, unlabelled }, feedback };
      },
    };
  },
});

/** Other unlabelled images to mix in: their strong views with their pseudo-labels, made by the running statistics. */
function others(s: Step, net: Network, o: Values<typeof options>, cta: ReturnType<typeof ctAugmentOf>): Partner {
  const u = s.unlabelled('unlabelled 2');
  const strong = s.strong(u, o.strong, 'strong 2', { cta });
  const q = noGrad(() => labelsOf(net.forward(standardize(u.image), EVAL), u));
  return { image: strong.image, labels: strong.carry(q) };
}
