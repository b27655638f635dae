// Cross pseudo supervision (Chen et al. 2021): two networks with different first weights label images for each other,
// without a threshold.

import { noGrad } from '../../runtime/autograd/tape.ts';
import { add, concat, full, weightedSum } from '../../runtime/ops/index.ts';
import { pseudoLabel } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { BOX_MASK_FIELDS, CPS_BOXES } from '../augment/cutmix.ts';
import { mixBy } from '../augment/gpu/mix.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { cps as crossLoss } from '../losses/index.ts';
import { EVAL, type ForwardMode, type Network } from '../nn/module.ts';
import { flag, nullable, number, option, over, type Values } from '../options.ts';
import { defineScheme, RAMP, type Built, type Parts, type Step } from './define.ts';
import { groupsOption, passGroups, type Group } from './groups.ts';

/** Options of CPS, and of n-CPS. */
export const cpsOptions = {
  cutmix: option(
    nullable(over(CPS_BOXES, BOX_MASK_FIELDS)),
    {},
    'boxes by which pairs of unlabelled images are mixed; null: none',
  ),
  weight: option(
    nullable(number({ from: 0 })),
    null,
    'lambda; null: as published for VOC, 1 with CutMix and 1.5 without',
  ),
  ramp: RAMP,
  groups: groupsOption(
    {
      l: 'labelled',
      u: 'unlabelled',
      v: "the other of CutMix's pair",
      m: 'mixed; those of u and v pass first, to label',
    },
    {
      apart: [['l'], ['u'], ['v'], ['m']],
      joint: [
        ['l', 'u', 'v'],
        ['l', 'm'],
      ],
    },
    'apart',
    ['u', 'v', 'm'],
  ),
  ignorePadding: option(flag, true, 'padding does not count in the cross terms (the published code counts it)'),
};

/** What keeps two networks from sharing their mistakes at first. */
export const cpsSmall = { weight: 0.1, ramp: 0.5 };

/**
 * L = CE(P1, y) + CE(P2, y) + lambda [CE(P1, Y2) + CE(P2, Y1)], Y = argmax of the other network: on labelled and
 * unlabelled images, or with CutMix on mixed pairs of unlabelled ones. Every pass is in training mode and moves the
 * statistics, those that label too. Network 1 alone is evaluated.
 */
export const cps = defineScheme({
  name: 'cps',
  title: 'CPS',
  paper: 'Chen et al. 2021, https://arxiv.org/abs/2106.01226',
  about: 'two networks label mixed images for each other',
  options: cpsOptions,
  renamed: { joint: 'groups=joint', boxes: 'cutmix={"range":[0.25,0.5],"boxes":3}' },
  small: cpsSmall,
  build(parts, o) {
    const { nets: _, ...built } = buildCps(parts, o, 2);
    return built;
  },
});

/** Networks that label images for each other; the first one's labels are those of the second. @param count networks */
export function buildCps(
  parts: Parts,
  { cutmix, weight, ramp, groups, ignorePadding }: Values<typeof cpsOptions>,
  count: number,
): Built & { nets: readonly Network[] } {
  const nets = Array.from({ length: count }, (_, i) => parts.learner(`net${i + 1}`, i).net);
  const denominator = ignorePadding ? 'valid' : 'all';
  const pass =
    (net: Network) =>
    (x: Tensor, mode: ForwardMode): Tensor =>
      net.forward(x, mode);
  const labels = ({ views }: Group): boolean => views.includes('u') || views.includes('v');
  const labelling = groups.filter(labels);
  const learning = groups.filter((g) => !labels(g));
  return {
    nets,
    evaluated: nets[0],
    label: (x) => pseudoLabel(nets[1].forward(x, EVAL)),
    step(s) {
      const l = s.labelled();
      const u = s.unlabelled();
      const other = cutmix && s.unlabelled('unlabelled 2');
      const mask = cutmix && s.mask(u.image.shape[0], cutmix);
      const mixed = (a: Tensor, b: Tensor): Tensor => mixBy(mask!, a, b);
      const xl = standardize(l.image);
      const xu = standardize(u.image);
      const xv = other && standardize(other.image);
      const valid = other ? mixed(u.valid, other.valid) : u.valid;
      const truth = other ? mixed(u.truth, other.truth) : u.truth;
      /** The labels that network 1, which is evaluated, learns from are counted. */
      const counted = (label: Tensor): void =>
        parts.count({ label, truth }, ignorePadding ? valid : full(label.device, label.shape, 1));
      const known = ignorePadding ? { valid } : {};
      let labelled: Tensor;
      let cross: Tensor;
      if (xv) {
        // Logits are mixed before the argmax, as published; it is the same as mixing the labels. Labelled images may
        // pass for the statistics alone.
        const y = noGrad(() =>
          nets
            .map((net) => passGroups(pass(net), { u: xu, v: xv }, labelling, [], { l: xl }))
            .map((z) => pseudoLabel(mixed(z.u, z.v), known).label),
        );
        const m = mixed(xu, xv);
        const z = nets.map((net) => passGroups(pass(net), { l: xl, m }, learning, ['l', 'm']));
        counted(y[1]);
        labelled = supervised(s, z, l.label);
        cross = crossLoss(
          z.map(({ m }) => m),
          y,
          { denominator },
        );
      } else {
        const z = nets.map((net) => passGroups(pass(net), { l: xl, u: xu }, groups, ['l', 'u']));
        const both = z.map((p) => concat([p.l, p.u], 0));
        counted(pseudoLabel(z[1].u, known).label);
        labelled = supervised(s, z, l.label);
        const among = ignorePadding ? { valid: concat([l.valid, valid], 0) } : {};
        const y = both.map((p) => pseudoLabel(p, among).label);
        cross = crossLoss(both, y, { denominator });
      }
      const loss = weightedSum([[labelled], [cross, s.ramped(weight ?? (cutmix ? 1 : 1.5), ramp)]]);
      return { loss, terms: { labelled, cross } };
    },
  };
}

/** The labelled losses of all networks. */
const supervised = (s: Step, z: readonly { l: Tensor }[], label: Tensor): Tensor =>
  z.map(({ l }) => s.supervised(l, label)).reduce((a, b) => add(a, b));
