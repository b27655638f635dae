// PseudoSeg (Zou et al. 2021): the decoder's prediction of a weak view and the refined activation maps of a classifier
// are fused into one calibrated pseudo-label, which a strong view of the same image learns.

import { noGrad } from '../../runtime/autograd/tape.ts';
import { UsageError } from '../../runtime/errors.ts';
import { single } from '../../runtime/modules/precision.ts';
import {
  bceWithLogits,
  concat,
  detach,
  full,
  presentClasses,
  slice,
  softmax,
  weightedSum,
} from '../../runtime/ops/index.ts';
import { acceptedShare, fuse, gate, normaliseMaps, pseudoLabel, sharpen } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { COLOUR_FIELDS, PSEUDOSEG_COLOUR } from '../augment/colour.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { classActivationMaps } from '../cam/index.ts';
import { ceAccepted, softCeValid } from '../losses/index.ts';
import { AttentionBranch } from '../nn/attention.ts';
import { EVAL, TRAIN, type ForwardMode, type Network } from '../nn/module.ts';
import { resizeLike } from '../nn/resize.ts';
import { choice, flag, nullable, number, option, over, type Values } from '../options.ts';
import { defineScheme, RAMP, WEIGHT, type Parts, type Step } from './define.ts';
import { groupsOption, passStages, updates } from './groups.ts';
import { checkImageLabels, IMAGE_LABELS, imageLabels } from './imageLabels.ts';
import type { SchemeContext, StepOutputs } from './scheme.ts';
import { cutSquare, strengthen } from './strong.ts';
import { coarseValid } from './views.ts';

const options = {
  norm: option(
    choice('rms-batch', 'l2-pixel'),
    'rms-batch',
    'what both maps are divided by: as in the published code, or as the paper says (softer labels)',
  ),
  fusion: option(
    choice('avg', 'att'),
    'avg',
    'decoder and attention mixed, or the attention branch alone, softmax of its scores as they are',
  ),
  gamma: option(number({ from: 0, to: 1 }), 0.5, 'share of the decoder in the mixture'),
  temperature: option(number({ above: 0 }), 0.5, 'T of the sharpening q^(1/T) of soft labels'),
  labels: option(choice('soft', 'hard'), 'soft', 'learn the distribution, or its most likely class'),
  tau: option(number({ from: 0, to: 1 }), 0, 'pixels below this confidence do not count'),
  denominator: option(
    choice('valid', 'kept'),
    'valid',
    'with a threshold: pixels that the accepted losses are divided by',
  ),
  weight: WEIGHT,
  ramp: RAMP,
  background: option(
    nullable(number({ whole: true, from: 0 })),
    0,
    'class that the classifier does not learn; null where every class is one to be found',
  ),
  weakly: option(
    nullable(IMAGE_LABELS),
    null,
    "image-level labels of the unlabelled images, by id: they replace the classifier's guess",
  ),
  groups: groupsOption(
    { l: 'labelled', w: 'weak', s: 'strong' },
    { apart: [['w'], ['s'], ['l']], joint: [['l', 'w', 's']], still: [{ views: ['w'], update: false }, ['s'], ['l']] },
    'apart',
  ),
  strong: option(
    over(PSEUDOSEG_COLOUR, COLOUR_FIELDS),
    {},
    "colour changes of the strong view; jitter in TensorFlow's semantics",
  ),
  cutout: option(
    nullable(over<{ half: number | null }>({ half: null }, { half: number({ whole: true, from: 1 }) })),
    {},
    'square that does not count, {"half":PIXELS}; null: none',
  ),
  attentionDims: option(number({ whole: true, from: 1 }), 128, 'channels of keys and queries'),
  dropout: option(number({ from: 0, below: 1 }), 0.5, 'in front of the classifier'),
  detachClassifier: option(
    flag,
    false,
    "the classifier's loss leaves the encoder alone (published: it trains it, too)",
  ),
};
type Chosen = Values<typeof options>;

/**
 * L = CE(z_l, y) + CE(m_l, y) + BCE(classifier) + w(t) CE(z_s, q), q = sharpen(gamma softmax(z_w / r) + (1 - gamma)
 * softmax(m_w / r)). The published code sends what the classifier learns from through the encoder twice; here it passes
 * once, and the encoder's statistics move twice. It also changes colours before it pads and crops, here it happens on
 * the crop: its contrast sees the crop's mean. The branch's batch norm uses the statistics of its batch in both passes.
 * The maps of the labelled pass are made without dropout.
 */
export const pseudoseg = defineScheme({
  name: 'pseudoseg',
  title: 'PseudoSeg',
  paper: 'Zou et al. 2021, https://arxiv.org/abs/2010.09713',
  about: 'decoder and attention on Grad-CAM, fused, label a strong view',
  options,
  renamed: { joint: 'groups=joint', updateOnWeak: 'groups=still' },
  check,
  build(parts, o) {
    const { c } = parts;
    const { net } = parts.learner();
    const branch = parts.trained(
      'attention',
      new AttentionBranch(c.device, {
        encoderChannels: net.encoderChannels,
        numClasses: c.numClasses,
        foreground: foregroundOf(c, o).length,
        dims: o.attentionDims,
        dropout: o.dropout,
        seed: c.seed,
      }),
    ).net;
    return {
      evaluated: net,
      label: (x) => fusedLabel(x, { net, branch }, o),
      step: (s) => pseudosegStep(s, { net, branch, parts }, o),
    };
  },
});

const foregroundOf = (c: SchemeContext, { background }: Chosen): number[] =>
  Array.from({ length: c.numClasses }, (_, i) => i).filter((i) => i !== background);

function check(c: SchemeContext, o: Chosen): void {
  const { background, weakly } = o;
  const last = c.numClasses - 1;
  if (background !== null && background > last)
    throw new UsageError(`the background is class ${background}`, `give 0 to ${last}, or null`);
  if (foregroundOf(c, o).length === 0)
    throw new UsageError('there is no class beside the background', 'PseudoSeg needs at least two classes');
  if (weakly) checkImageLabels(c, weakly);
}

/** One step. Targets are constants: no gradient flows through the pseudo-label, the maps or the hypercolumn. */
export function pseudosegStep(
  s: Step,
  { net, branch, parts }: Learned,
  o: Chosen,
): StepOutputs & { targets: { decoder: Tensor; attention: Tensor; fused: Tensor } } {
  const { ctx, c } = s;
  const l = s.labelled();
  const u = s.unlabelled();
  const known = o.weakly && imageLabels(s, o.weakly, foregroundOf(c, o));
  const seed = ctx.randomSeed('dropout');
  const changed = strengthen(ctx, 'strong', u.image, o.strong).image;
  const view = o.cutout ? cutSquare(ctx, changed, u.valid, o.cutout.half) : { image: changed, valid: u.valid };
  const x = { l: standardize(l.image), w: standardize(u.image), s: standardize(view.image) };

  // The weak view: the attention branch's prediction, from the running statistics of the steps before, and the
  // decoder's.
  const seen = noGrad(() => {
    const { stages } = net.encode(x.w, EVAL);
    const present = known ?? gate(branch.classify(stages, {}), 0); // sigmoid(z) >= 0.5
    return attend(branch, stages, present, u.valid, { ...TRAIN, update: updates(o.groups, 'w') });
  });
  const source = known ? 'w' : 'l';
  const { logits: z, stages } = passStages(net, x, o.groups, {
    learned: ['l', 's'],
    wanted: ['l', source],
    twice: source,
  });
  const m = noGrad(() => resizeLike(seen, z.w.shape));
  const q = fused(z.w, m, o);

  // The strong view learns it.
  const unlabelled = unlabelledLoss(z.s, q, coarseValid(view.valid, z.s), o);
  const shown = pseudoLabel(resizeLike(q, view.image.shape), { probabilities: true, valid: view.valid });
  parts.count({ label: shown.label, truth: u.truth }, gate(shown.confidence, o.tau, view.valid));

  // Labelled images: decoder, attention branch and classifier.
  const labelled = s.supervised(net.enlarge(z.l, { height: c.crop[0], width: c.crop[1] }), l.label);
  const present = withoutBackground(presentClasses(l.label, c.numClasses), o);
  const attention = s.supervised(resizeLike(attend(branch, stages.l, present, l.valid, TRAIN), l.image.shape), l.label);
  const classified = o.detachClassifier ? stages[source].map((t) => detach(t)) : stages[source];
  const classifier = bceWithLogits(branch.classify(classified, { dropout: seed }), known ?? present);

  const loss = weightedSum([[labelled], [attention], [classifier], [unlabelled, s.ramped(o.weight, o.ramp)]]);
  return {
    loss,
    terms: { labelled, attention, classifier, unlabelled },
    targets: { decoder: z.w, attention: m, fused: q },
  };
}

interface Learned {
  net: Network;
  branch: AttentionBranch;
  parts: Pick<Parts, 'count'>;
}

/** Scores of the attention branch, from activation maps of the classes that are present. */
function attend(
  branch: AttentionBranch,
  stages: readonly Tensor[],
  present: Tensor,
  valid: Tensor,
  mode: ForwardMode,
): Tensor {
  // Grad-CAM of global average pooling and a linear layer, up to a factor that the scaling removes.
  const maps = normaliseMaps(classActivationMaps(single(stages.at(-1)!), branch.classifierWeights), {
    by: 'max',
    present,
  });
  return branch.attend(stages, maps, coarseValid(valid, maps), mode);
}

/**
 * The label of the strong view. Only soft labels are sharpened: the threshold of hard ones looks at the plain
 * probability.
 */
function fused(zp: Tensor, m: Tensor, { fusion, labels, norm, gamma, temperature: T }: Chosen): Tensor {
  const temperature = labels === 'hard' ? 1 : T;
  return fusion === 'att' ? noGrad(() => sharpen(softmax(m), temperature)) : fuse(zp, m, { norm, temperature, gamma });
}

function unlabelledLoss(zs: Tensor, q: Tensor, valid: Tensor, { tau, denominator, labels }: Chosen): Tensor {
  const { label, confidence } = pseudoLabel(q, { probabilities: true, valid });
  // A hard label is taken by its confidence without a threshold too: one that is NaN is never accepted. A soft target
  // shows its NaN itself.
  const accepted = tau > 0 || labels === 'hard' ? gate(confidence, tau, valid) : valid;
  if (labels === 'hard') return ceAccepted(zs, label, accepted, denominator);
  const kept = softCeValid(zs, q, accepted);
  // sum / #kept * #kept / #valid
  return tau > 0 && denominator === 'valid' ? weightedSum([[kept, acceptedShare(accepted, valid)]]) : kept;
}

/**
 * The fused labels of whole images in evaluation mode; the branch's batch norm uses the statistics of its batch, as
 * when it trains.
 */
function fusedLabel(
  x: Tensor,
  { net, branch }: Omit<Learned, 'parts'>,
  o: Chosen,
): { label: Tensor; accepted?: Tensor } {
  const features = net.encode(x, EVAL);
  const zp = net.decodeCoarse(features, EVAL);
  const present = gate(branch.classify(features.stages, {}), 0);
  const valid = full(x.device, x.shape.slice(0, 3), 1);
  const m = resizeLike(attend(branch, features.stages, present, valid, { ...TRAIN, update: false }), zp.shape);
  const { label, confidence } = pseudoLabel(resizeLike(fused(zp, m, o), x.shape), { probabilities: true });
  return { label, accepted: o.tau ? gate(confidence, o.tau) : undefined };
}

/** Drops the background's column of [n, classes]. */
function withoutBackground(present: Tensor, { background: b }: Chosen): Tensor {
  if (b === null) return present;
  const [n, classes] = present.shape;
  return concat(
    [slice(present, [0, 0], [n, b]), slice(present, [0, b + 1], [n, classes - 1 - b])].filter((t) => t.size > 0),
    1,
  );
}
