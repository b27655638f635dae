// FixMatch (Sohn et al. 2020) for segmentation: the confident predictions on a weak view are the labels of a strong view of the same image.

import { noGrad } from '../../runtime/autograd/tape.ts';
import { classGate, concat, countPseudoLabels, gate, pseudoLabel, pseudoLabelCounts, updateClassConfidence, weightedSum } from '../../runtime/ops/index.ts';
import type { Device } from '../../runtime/device/device.ts';
import { Ema } from '../../runtime/optim/ema.ts';
import { sigmoidRamp } from '../../runtime/optim/schedules.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { SINGLE_BOX_FIELDS, UNIMATCH_BOX, type SingleBoxOptions } from '../augment/cutmix.ts';
import type { CtAugment } from '../augment/ctaugment.ts';
import { mixBy } from '../augment/gpu/mix.ts';
import { checkFields, choice, fields, flag, given, nullable, number, type Kind } from '../augment/settings.ts';
import { ceAccepted, ceValid } from '../losses/index.ts';
import { EVAL, ParameterSet, TRAIN, type Network } from '../nn/module.ts';
import type { Parameter } from '../../runtime/modules/module.ts';
import type { Scheme, SchemeContext, StepOutputs } from './scheme.ts';
import type { StepContext } from './step.ts';
import { ctAugmentOf, probe, strengthen, strongKind, type StrongOptions } from './strong.ts';
import { cutMixMask, normalise, take, VIEW_FIELDS, weakView, type ViewOptions } from './views.ts';

export interface FixMatchOptions extends ViewOptions {
  /** Confidence threshold, compared with >= (default 0.95). */
  tau?: number;
  /**
   * A threshold for each class: the mean confidence of the pixels that are predicted as it, a moving average with this decay over the steps, and tau at
   * most. Null (default, the original): tau for all, which rare classes may never reach.
   */
  classwise?: number | null;
  /** Weight of the unlabelled loss (default 1). */
  weight?: number;
  /** Share of the steps over which the weight rises as exp(-5 (1 - t)^2) (default 0: at once). */
  ramp?: number;
  /** What the accepted losses are divided by: all pixels (the original), the valid ones (segmentation code; default), or the accepted ones. */
  denominator?: 'all' | 'valid' | 'kept';
  /**
   * Where the pseudo-labels come from. 'joint' (default, the original): the weak views pass with the others in one batch in training mode.
   * 'separate': a pass of their own in training mode, without gradients; less work. 'eval': such a pass with the running statistics.
   */
  pseudo?: 'joint' | 'separate' | 'eval';
  /** Do the statistics of batch norm move in a separate pass of the weak views (default true)? */
  updateOnWeak?: boolean;
  /**
   * The strong view: colour changes (default, UniMatch's list), `{ randaugment: … }`, or `{ ctaugment: … }`. The last two may move pixels; then
   * pseudo-label, confidence and validity move alike. CTAugment probes labelled images with the moving average in each step, and the host waits for it.
   */
  strong?: StrongOptions;
  /** CutMix of the strong views with those of a partner, by UniMatch's box; null turns it off. */
  cutmix?: Partial<SingleBoxOptions> | null;
  /**
   * The partner in CutMix. 'next' (default): the next image of the batch, whose views and labels are there already; a batch of one is not mixed. 'others', as UniMatch has it: as many
   * other unlabelled images, labelled by a pass with the running statistics, without gradients.
   */
  partner?: 'next' | 'others';
  /** Evaluate a moving average of the weights with this decay (the original: 0.999); null (default, segmentation code) evaluates the weights themselves. */
  ema?: number | null;
  /** Let the average's decay rise as 1 - 1 / (step + 1) at first (default false, as the original; short runs need it). */
  emaWarmup?: boolean;
  /** What the loss is multiplied by: 'sum' (default): L_x + weight L_u; 'half': (L_x + weight L_u) / 2, UniMatch's baseline. */
  scale?: 'sum' | 'half';
}

/** What the options may be. A tau above 1 accepts nothing. */
export const FIXMATCH_FIELDS: Readonly<Record<keyof FixMatchOptions, Kind>> = {
  ...VIEW_FIELDS,
  tau: number({ from: 0 }), classwise: nullable(number({ from: 0, below: 1 })), weight: number({ from: 0 }), ramp: number({ from: 0, to: 1 }), denominator: choice('valid', 'all', 'kept'), pseudo: choice('joint', 'separate', 'eval'),
  updateOnWeak: flag, strong: strongKind({ learned: true }), cutmix: nullable(fields(SINGLE_BOX_FIELDS)), partner: choice('next', 'others'), ema: nullable(number({ from: 0, below: 1 })), emaWarmup: flag, scale: choice('sum', 'half'),
};

/** Decay of the average that judges CTAugment's probes where `ema` says nothing. */
const PROBE_DECAY = 0.999;

/** L = CE-valid(labelled) + weight * CE of the strong views against the accepted pseudo-labels of the weak ones. @throws UsageError where an option does not fit */
export function fixmatch(c: SchemeContext, options: FixMatchOptions = {}): Scheme {
  checkFields(FIXMATCH_FIELDS, options, 'the scheme fixmatch');
  const cta = ctAugmentOf(options.strong ?? {});
  const net = c.network(0);
  const optimizer = c.optimizer(net.params, (name) => net.isHead(name));
  const decay = options.ema ?? (cta ? PROBE_DECAY : null);
  const average = decay === null ? null : c.network(0);
  const ema = average ? new Ema(average, net, { buffers: 'copy' }) : null;
  const counts = pseudoLabelCounts(c.device, c.numClasses);
  c.device.keep(counts);
  const networks = new Map<string, ParameterSet>([['net', net]]);
  if (average) networks.set('ema', average);
  const classes = (options.classwise ?? null) === null ? null : new ClassConfidence(c.device, c.numClasses);
  if (classes) networks.set('classes', classes);
  return {
    name: 'fixmatch',
    needsUnlabelled: true,
    networks,
    optimizers: new Map([['net', optimizer]]),
    evaluated: options.ema && average ? average : net,
    label(x) {
      const { label, confidence } = pseudoLabel(net.forward(x, EVAL));
      return { label, accepted: open(label, confidence, classes, options) };
    },
    hostState: cta ? { save: () => cta.save(), load: (state) => cta.load(state) } : undefined,
    stages: [
      {
        name: 'fixmatch',
        steps: c.steps,
        record(ctx) {
          const { loss, terms, feedback } = fixmatchLoss(ctx, c, { net, average, counts, cta, classes }, options);
          const hyper = ctx.hyper({ emaDecay: ({ step }) => (options.emaWarmup ? Math.min(1 - 1 / (step + 1), decay ?? 0) : (decay ?? 0)) });
          ctx.descend(loss, [[net.params, optimizer]], hyper);
          ema?.update(hyper);
          return { loss, terms, counts, feedback };
        },
      },
    ],
    dispose() {
      counts.dispose();
      optimizer.dispose();
      for (const n of networks.values()) n.dispose();
    },
  };
}

interface Parts {
  net: Network;
  average: Network | null;
  counts: Tensor;
  cta: CtAugment | null;
  classes: ClassConfidence | null;
}

/** The mean confidences of the classes, saved with the networks. */
class ClassConfidence extends ParameterSet {
  readonly #means: Parameter;

  constructor(device: Device, classes: number) {
    super(device, 0);
    this.#means = this.buffer('means', [classes], -1);
  }

  get means(): Tensor {
    return this.#means.value;
  }
}

function open(label: Tensor, confidence: Tensor, classes: ClassConfidence | null, o: FixMatchOptions, valid?: Tensor): Tensor {
  const tau = o.tau ?? 0.95;
  return classes ? classGate(label, confidence, classes.means, tau, valid) : gate(confidence, tau, valid);
}

function fixmatchLoss(ctx: StepContext, c: SchemeContext, { net, average, counts, cta, classes }: Parts, o: FixMatchOptions): StepOutputs {
  const { labelled: n, unlabelled: m } = c.batch;
  const l = weakView(ctx, c, { name: 'labelled', kind: 'labelled', n }, o);
  const u = weakView(ctx, c, { name: 'unlabelled', kind: 'unlabelled', n: m }, o);
  const feedback = cta && average ? probe(ctx, c, cta, l, average) : undefined;
  const view = strengthen(ctx, 'strong', u.image, o.strong ?? {}, { cta });
  const mask = o.cutmix === null || (m < 2 && o.partner !== 'others') ? null : cutMixMask(ctx, c, 'cutmix', m, { ...UNIMATCH_BOX, ...given(o.cutmix) });
  const partner = mask && o.partner === 'others' ? others(ctx, c, net, cta, o) : null;
  /** A map of the weak views as it lies on the strong ones; `theirs` is the partner's, which lies there already. */
  const moved = (t: Tensor, theirs: Tensor | undefined, fill: number): Tensor => mixed(view.move(t, fill), theirs);
  const mixed = (t: Tensor, theirs: Tensor | undefined): Tensor => (mask ? (theirs ? mixBy(mask, t, theirs) : mixBy(mask, t, t, 1)) : t);
  const strong = mixed(view.image, partner?.image);

  let zl: Tensor, zw: Tensor, zs: Tensor;
  if ((o.pseudo ?? 'joint') === 'joint') {
    const z = net.forward(normalise(concat([l.image, u.image, strong], 0)), TRAIN);
    zl = take(z, 0, n);
    zw = take(z, n, m);
    zs = take(z, n + m, m);
  } else {
    const mode = o.pseudo === 'eval' ? EVAL : { ...TRAIN, update: o.updateOnWeak ?? true };
    zw = noGrad(() => net.forward(normalise(u.image), mode));
    const z = net.forward(normalise(concat([l.image, strong], 0)), TRAIN);
    zl = take(z, 0, n);
    zs = take(z, n, m);
  }

  // Invalid pixels carry label 255 and confidence 0 through moving and mixing, so the labels alone say what is valid.
  const pseudo = pseudoLabel(zw, { valid: u.valid });
  if (classes) updateClassConfidence(classes.means, pseudo.label, pseudo.confidence, o.classwise ?? 0);
  const label = moved(pseudo.label, partner?.label, 255);
  const accepted = open(label, moved(pseudo.confidence, partner?.confidence, 0), classes, o, moved(u.valid, partner?.valid, 0));
  countPseudoLabels(counts, label, accepted, moved(u.labels, partner?.labels, 255));
  const supervisedLoss = ceValid(zl, l.labels);
  const unlabelledLoss = ceAccepted(zs, label, accepted, o.denominator);
  const part = o.scale === 'half' ? 0.5 : 1;
  const ramp = ctx.scalar('weight', ({ progress }) => part * (o.weight ?? 1) * (o.ramp ? sigmoidRamp(progress / o.ramp) : 1));
  const loss = weightedSum([[supervisedLoss, part], [unlabelledLoss, ramp]]);
  return { loss, terms: { labelled: supervisedLoss, unlabelled: unlabelledLoss }, feedback };
}

/** Other unlabelled images to mix in: their strong views, and on them their pseudo-labels, confidences, validity, and labels for judging. */
function others(ctx: StepContext, c: SchemeContext, net: Network, cta: CtAugment | null, o: FixMatchOptions): Record<'image' | 'label' | 'confidence' | 'valid' | 'labels', Tensor> {
  const u = weakView(ctx, c, { name: 'unlabelled 2', kind: 'unlabelled', n: c.batch.unlabelled }, o);
  const view = strengthen(ctx, 'strong 2', u.image, o.strong ?? {}, { cta });
  const { label, confidence } = noGrad(() => pseudoLabel(net.forward(normalise(u.image), EVAL), { valid: u.valid }));
  return { image: view.image, label: view.move(label, 255), confidence: view.move(confidence, 0), valid: view.move(u.valid, 0), labels: view.move(u.labels, 255) };
}
