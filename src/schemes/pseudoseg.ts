// PseudoSeg (Zou et al. 2021): the decoder's prediction of a weak view and the refined activation maps of a classifier are fused into one calibrated
// pseudo-label, which a strong view of the same image learns.

import { noGrad } from '../../runtime/autograd/tape.ts';
import { DataError, UsageError } from '../../runtime/errors.ts';
import { single } from '../../runtime/modules/precision.ts';
import {
  acceptedShare, bceWithLogits, concat, countPseudoLabels, detach, full, gate, normaliseMaps, presentClasses, pseudoLabel, pseudoLabelCounts, resizeBilinear, sharpen, slice, softmax,
  weightedSum,
} from '../../runtime/ops/index.ts';
import { sigmoidRamp } from '../../runtime/optim/schedules.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { COLOUR_FIELDS, PSEUDOSEG_COLOUR, type ColourOptions } from '../augment/colour.ts';
import { drawCutout, pseudosegHalf } from '../augment/cutout.ts';
import { cutout } from '../augment/gpu/cutout.ts';
import { byName, checkFields, choice, fields, flag, given, nullable, number, numbers, type Kind } from '../augment/settings.ts';
import { classActivationMaps } from '../cam/index.ts';
import { calibratedFusion, ceAccepted, ceValid, softCeValid } from '../losses/index.ts';
import { AttentionBranch } from '../nn/attention.ts';
import { EVAL, TRAIN, type ForwardMode, type Network, type ParameterSet } from '../nn/module.ts';
import type { Scheme, SchemeContext, StepOutputs } from './scheme.ts';
import type { StepContext } from './step.ts';
import { strengthen } from './strong.ts';
import { normalise, take, VIEW_FIELDS, weakView, type ViewOptions } from './views.ts';

export interface PseudoSegOptions extends ViewOptions {
  /** What both logit maps are divided by before they are fused: 'rms-batch' (default, the published code), 'l2-pixel' (the paper's wording; softer labels). */
  norm?: 'rms-batch' | 'l2-pixel';
  /** 'avg' (default): gamma softmax(decoder) + (1 - gamma) softmax(attention); 'att': the attention branch alone, softmax of its scores as they are. */
  fusion?: 'avg' | 'att';
  /** Share of the decoder in the fusion (default 0.5). */
  gamma?: number;
  /** T of the sharpening q^(1/T) of soft labels (default 0.5). */
  temperature?: number;
  /** Learn the distribution q (default), or its most likely class. */
  labels?: 'soft' | 'hard';
  /** Pixels whose q is below this confidence do not count (default 0: all do), compared with >=. */
  tau?: number;
  /** With a threshold: what the accepted losses are divided by, the valid pixels (default) or the accepted ones. */
  denominator?: 'valid' | 'kept';
  /** Weight of the unlabelled loss (default 1). */
  weight?: number;
  /** Share of the steps over which the weight rises as exp(-5 (1 - t)^2) (default 0: at once, as published). */
  ramp?: number;
  /** The class without things of its own, which the classifier does not learn (default 0); null where every class is one to be found. */
  background?: number | null;
  /**
   * Classes that occur in each unlabelled image, by its id: image-level labels. They take the place of the classifier's guess, and the classifier learns
   * from the unlabelled batch instead of the labelled one. Default: there are none.
   */
  weakly?: Readonly<Record<string, readonly number[]>>;
  /** Do the statistics of batch norm move in the passes of the weak views (default true, as published)? A joint pass moves them in any case. */
  updateOnWeak?: boolean;
  /**
   * Weak, strong and labelled images pass through encoder and decoder together, so that batch normalisation sees them as one batch; published is a pass for
   * each (default false). Helps where batches are small and their images differ much.
   */
  joint?: boolean;
  /** Strong colour; default: jitter in TensorFlow's semantics, always, without greyscale and blur. */
  strong?: ColourOptions;
  /** A square of mean colour whose pixels do not count; `half` its side in pixels, by default 50/513 of the crop's shorter side. null turns it off. */
  cutout?: { half?: number } | null;
  /** Channels of keys and queries (default 128). */
  attentionDims?: number;
  /** Dropout in front of the classifier (default 0.5). */
  dropout?: number;
  /** Does the classifier learn from the encoder's activations as constants? By default, as published, its loss trains the encoder, too (false). */
  detachClassifier?: boolean;
}

/** What the options may be. */
export const PSEUDOSEG_FIELDS: Readonly<Record<keyof PseudoSegOptions, Kind>> = {
  ...VIEW_FIELDS,
  norm: choice('rms-batch', 'l2-pixel'), fusion: choice('avg', 'att'), gamma: number({ from: 0, to: 1 }), temperature: number({ above: 0 }), labels: choice('soft', 'hard'), tau: number({ from: 0, to: 1 }),
  denominator: choice('valid', 'kept'), weight: number({ from: 0 }), ramp: number({ from: 0, to: 1 }), background: nullable(number({ whole: true, from: 0 })), weakly: byName(numbers({ whole: true, from: 0 })),
  updateOnWeak: flag, joint: flag, strong: fields(COLOUR_FIELDS), cutout: nullable(fields({ half: number({ whole: true, from: 1 }) })), attentionDims: number({ whole: true, from: 1 }), dropout: number({ from: 0, below: 1 }),
  detachClassifier: flag,
};

/** What a step is made of. */
interface Parts {
  net: Network;
  branch: AttentionBranch;
  counts: Tensor;
}

const foregroundOf = (c: SchemeContext, o: PseudoSegOptions): number[] => Array.from({ length: c.numClasses }, (_, i) => i).filter((i) => i !== (o.background === undefined ? 0 : o.background));

/**
 * L = CE-valid(labelled) + CE-valid(attention, labelled) + BCE(classifier) + weight * CE(strong view, fused label).
 *
 * Passes, as in the published code: weak views through encoder and decoder in training mode, and again through the encoder with the running statistics for
 * the classifier and its maps, all without gradients; strong views and labelled images in training mode. Every pass in training mode is a batch of its own
 * and moves the statistics, unless `joint` says otherwise. The published code sends what the classifier learns from
 * through the encoder twice, for the decoder and for the classifier; here it passes once, and the encoder's statistics move twice.
 * The published code also changes colours before it pads and crops, here it happens on the crop: its contrast sees the crop's mean.
 * The branch's batch norm uses the statistics of its batch in both passes. The maps of the labelled pass are made without dropout.
 * @throws UsageError where an option does not fit
 */
export function pseudoseg(c: SchemeContext, options: PseudoSegOptions = {}): Scheme {
  check(c, options);
  const net = c.network(0);
  const branch = new AttentionBranch(c.device, {
    encoderChannels: net.encoderChannels, numClasses: c.numClasses, foreground: foregroundOf(c, options).length, dims: options.attentionDims, dropout: options.dropout, seed: c.seed,
  });
  const parts: Parts = { net, branch, counts: pseudoLabelCounts(c.device, c.numClasses) };
  const trained: [string, ParameterSet][] = [['net', net], ['attention', branch]];
  const optimizers = trained.map(([, set]) => c.optimizer(set.params, (name) => set.isHead(name)));
  return {
    name: 'pseudoseg',
    needsUnlabelled: true,
    networks: new Map(trained),
    optimizers: new Map(trained.map(([name], i) => [name, optimizers[i]])),
    evaluated: net,
    label: (x) => fusedLabel(x, c, parts, options),
    stages: [
      {
        name: 'pseudoseg',
        steps: c.steps,
        record(ctx) {
          const { loss, terms, counts } = pseudosegLoss(ctx, c, parts, options);
          ctx.descend(loss, trained.map(([, set], i) => [set.params, optimizers[i]]));
          return { loss, terms, counts };
        },
      },
    ],
    dispose() {
      parts.counts.dispose();
      for (const o of optimizers) o.dispose();
      for (const [, set] of trained) set.dispose();
    },
  };
}

function check(c: SchemeContext, o: PseudoSegOptions): void {
  checkFields(PSEUDOSEG_FIELDS, o, 'the scheme pseudoseg');
  const { background = 0, weakly } = o;
  if (background !== null && background >= c.numClasses) throw new UsageError(`the background is class ${background}`, `give 0 to ${c.numClasses - 1}, or null`);
  if (foregroundOf(c, o).length === 0) throw new UsageError('there is no class beside the background', 'PseudoSeg needs at least two classes');
  if (!weakly) return;
  const beyond = Object.entries(weakly).find(([, classes]) => classes.some((k) => k >= c.numClasses));
  if (beyond) throw new DataError(`the image-level labels of ${beyond[0]} are ${beyond[1].join(', ')}`, `give classes from 0 to ${c.numClasses - 1}`);
  const missing = c.unlabelled?.find((id) => !Object.hasOwn(weakly, id));
  if (missing !== undefined) throw withoutLevels(missing);
}

const resize = (x: Tensor, like: readonly number[]): Tensor => (x.shape[1] === like[1] && x.shape[2] === like[2] ? x : resizeBilinear(x, [like[1], like[2]], { alignCorners: true }));

/** A mask [n, H, W] on the grid of `like` [n, h, w, c]: 1 where nothing invalid takes part. */
function coarseValid(valid: Tensor, like: Tensor): Tensor {
  const [n, h, w] = like.shape;
  return gate(resize(valid.view([...valid.shape, 1]), like.shape).view([n, h, w]), 0.999);
}

/** Drops the background's column of [n, classes]. */
function foreground(present: Tensor, c: SchemeContext, o: PseudoSegOptions): Tensor {
  const b = o.background === undefined ? 0 : o.background;
  if (b === null) return present;
  const n = present.shape[0];
  const sides = [slice(present, [0, 0], [n, b]), slice(present, [0, b + 1], [n, c.numClasses - 1 - b])].filter((t) => t.size > 0);
  return concat(sides, 1);
}

const withoutLevels = (id: string): DataError => new DataError(`the unlabelled image ${id} has no image-level labels`, 'give them for every image, or leave out "weakly"');

/** The image-level labels of the unlabelled batch, [m, foreground]. */
function imageLabels(ctx: StepContext, c: SchemeContext, o: PseudoSegOptions, known: NonNullable<PseudoSegOptions['weakly']>): Tensor {
  const classes = foregroundOf(c, o);
  return ctx.input('image labels', [c.batch.unlabelled, classes.length], 'f32', (_, batches) =>
    Float32Array.from(
      batches.get('unlabelled')!.ids.flatMap((id) => {
        if (!Object.hasOwn(known, id)) throw withoutLevels(id);
        return classes.map((k) => (known[id].includes(k) ? 1 : 0));
      }),
    ),
  );
}

/** Scores of the attention branch, from activation maps of the classes that are present. */
function attend(branch: AttentionBranch, stages: readonly Tensor[], present: Tensor, valid: Tensor, mode: ForwardMode): Tensor {
  // Grad-CAM of global average pooling and a linear layer, up to a factor that the scaling removes.
  const maps = normaliseMaps(classActivationMaps(single(stages.at(-1)!), branch.classifierWeights), { by: 'max', present });
  return branch.attend(stages, maps, coarseValid(valid, maps), mode);
}

/**
 * The label of the strong view: decoder and attention branch fused, or the attention branch alone, whose scores are then not divided by a norm. Only soft
 * labels are sharpened: the threshold of hard ones looks at the plain probability.
 */
function fuse(zp: Tensor, m: Tensor, o: PseudoSegOptions): Tensor {
  const temperature = o.labels === 'hard' ? 1 : (o.temperature ?? 0.5);
  if (o.fusion === 'att') return noGrad(() => sharpen(softmax(m), temperature));
  return calibratedFusion(zp, m, { norm: o.norm, temperature, gamma: o.gamma });
}

/** The fused labels of whole images in evaluation mode; the branch's batch norm uses the statistics of its batch, as when it trains. */
function fusedLabel(x: Tensor, c: SchemeContext, { net, branch }: Parts, o: PseudoSegOptions): { label: Tensor; accepted?: Tensor } {
  const features = net.encode(x, EVAL);
  const zp = net.decodeCoarse(features, EVAL);
  const m = resize(attend(branch, features.stages, gate(branch.classify(features.stages, {}), 0), full(c.device, x.shape.slice(0, 3), 1), { ...TRAIN, update: false }), zp.shape);
  const { label, confidence } = pseudoLabel(resize(fuse(zp, m, o), x.shape), { probabilities: true });
  return { label, accepted: o.tau ? gate(confidence, o.tau) : undefined };
}

/** The loss of a step and its terms. Targets are constants: no gradient flows through the pseudo-label, the maps or the hypercolumn. */
export function pseudosegLoss(ctx: StepContext, c: SchemeContext, { net, branch, counts }: Parts, o: PseudoSegOptions): StepOutputs & { terms: Record<string, Tensor>; targets: { decoder: Tensor; attention: Tensor; fused: Tensor } } {
  const l = weakView(ctx, c, { name: 'labelled', kind: 'labelled', n: c.batch.labelled }, o);
  const u = weakView(ctx, c, { name: 'unlabelled', kind: 'unlabelled', n: c.batch.unlabelled }, o);
  const weakMode: ForwardMode = { ...TRAIN, update: o.updateOnWeak ?? true };
  const known = o.weakly ? imageLabels(ctx, c, o, o.weakly) : null;
  const seed = ctx.randomSeed('dropout');

  // What the strong view shows.
  const view = cutOut(ctx, c, strengthen(ctx, 'strong', u.image, { ...PSEUDOSEG_COLOUR, ...given(o.strong) }).image, u.valid, o);
  const xl = normalise(l.image), xu = normalise(u.image), xs = normalise(view.image);

  // The weak view: the attention branch's prediction, from the running statistics of the steps before, and the decoder's.
  const seen = noGrad(() => {
    const { stages } = net.encode(xu, EVAL);
    const present = known ?? gate(branch.classify(stages, {}), 0); // sigmoid(z) >= 0.5
    return attend(branch, stages, present, u.valid, weakMode);
  });
  const { weak, strong, labelled, stages, classified } = o.joint ? together(net, xl, xu, xs, known !== null) : apart(net, xl, xu, xs, weakMode, known !== null);
  const m = noGrad(() => resize(seen, weak.shape));
  const q = fuse(weak, m, o);

  // The strong view learns it.
  const unlabelled = unlabelledLoss(strong, q, coarseValid(view.valid, strong), o);
  judge(counts, resize(q, view.image.shape), view.valid, u.labels, o.tau ?? 0);

  // Labelled images: decoder, attention branch and classifier.
  const supervised = ceValid(net.enlarge(labelled, { height: c.crop[0], width: c.crop[1] }), l.labels);
  const present = foreground(presentClasses(l.labels, c.numClasses), c, o);
  const attention = ceValid(resize(attend(branch, stages, present, l.valid, TRAIN), l.image.shape), l.labels);
  const scores = branch.classify(o.detachClassifier ? classified.map((s) => detach(s)) : classified, { dropout: seed });
  const classifier = bceWithLogits(scores, known ?? present);

  const weight = o.weight ?? 1;
  const ramp = ctx.scalar('weight', ({ progress }) => weight * (o.ramp ? sigmoidRamp(progress / o.ramp) : 1));
  const loss = weightedSum([[supervised], [attention], [classifier], [unlabelled, ramp]]);
  return { loss, terms: { labelled: supervised, attention, classifier, unlabelled }, counts, targets: { decoder: weak, attention: m, fused: q } };
}

/** The decoder's scores of the three batches, and the encoder's activations where another branch uses them. */
interface Passes {
  weak: Tensor;
  strong: Tensor;
  labelled: Tensor;
  /** Of the labelled images, for the attention branch. */
  stages: readonly Tensor[];
  /** For the classifier: of the labelled images, or of the weak views where their classes are known. */
  classified: readonly Tensor[];
}

/** Three passes, each with the statistics of its batch; the weak one without gradients but for those that the classifier sends into the encoder. */
function apart(net: Network, xl: Tensor, xu: Tensor, xs: Tensor, weakMode: ForwardMode, known: boolean): Passes {
  const w = known ? net.encode(xu, { ...weakMode, passes: 2 }) : noGrad(() => net.encode(xu, weakMode));
  const weak = noGrad(() => net.decodeCoarse(w, weakMode));
  const strong = net.decodeCoarse(net.encode(xs, TRAIN), TRAIN);
  const l = net.encode(xl, { ...TRAIN, passes: known ? 1 : 2 });
  return { weak, strong, labelled: net.decodeCoarse(l, TRAIN), stages: l.stages, classified: known ? w.stages : l.stages };
}

/** One pass with common statistics. */
function together(net: Network, xl: Tensor, xu: Tensor, xs: Tensor, known: boolean): Passes {
  const features = net.encode(concat([xl, xu, xs], 0), TRAIN), scores = net.decodeCoarse(features, TRAIN);
  const n = xl.shape[0], m = xu.shape[0];
  const stages = features.stages.map((s) => take(s, 0, n));
  return {
    weak: noGrad(() => take(scores, n, m)), strong: take(scores, n + m, m), labelled: take(scores, 0, n),
    stages, classified: known ? features.stages.map((s) => take(s, n, m)) : stages,
  };
}

function cutOut(ctx: StepContext, c: SchemeContext, image: Tensor, valid: Tensor, o: PseudoSegOptions): { image: Tensor; valid: Tensor } {
  if (o.cutout === null) return { image, valid };
  const n = image.shape[0], half = o.cutout?.half ?? pseudosegHalf(c.crop);
  const boxes = ctx.input('cutout', [n, 1, 4], 'i32', (at) => drawCutout(ctx.rng('cutout', at), n, c.crop, half));
  return cutout(image, boxes, { valid });
}

function unlabelledLoss(zs: Tensor, q: Tensor, valid: Tensor, o: PseudoSegOptions): Tensor {
  const { tau = 0, denominator = 'valid' } = o;
  const { label, confidence } = pseudoLabel(q, { probabilities: true, valid });
  // A hard label is taken by its confidence without a threshold too: one that is NaN is never accepted. A soft target shows its NaN itself.
  const accepted = tau > 0 || o.labels === 'hard' ? gate(confidence, tau, valid) : valid;
  if (o.labels === 'hard') return ceAccepted(zs, label, accepted, denominator);
  const kept = softCeValid(zs, q, accepted);
  // sum / #kept * #kept / #valid
  return tau > 0 && denominator === 'valid' ? weightedSum([[kept, acceptedShare(accepted, valid)]]) : kept;
}

/** Counts the pseudo-labels at the size of the image. @param truth labels for judging only, 255 where unknown */
function judge(counts: Tensor, q: Tensor, valid: Tensor, truth: Tensor, tau: number): void {
  const { label, confidence } = pseudoLabel(q, { probabilities: true, valid });
  countPseudoLabels(counts, label, gate(confidence, tau, valid), truth);
}
