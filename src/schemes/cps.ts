// Cross pseudo supervision (Chen et al. 2021): two networks with different initial weights are each other's labellers, without a threshold.

import { noGrad } from '../../runtime/autograd/tape.ts';
import { add, concat, countPseudoLabels, full, pseudoLabel, pseudoLabelCounts, split, weightedSum } from '../../runtime/ops/index.ts';
import { sigmoidRamp } from '../../runtime/optim/schedules.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { BOX_MASK_FIELDS, CPS_BOXES, type BoxMaskOptions } from '../augment/cutmix.ts';
import { mixBy } from '../augment/gpu/mix.ts';
import { checkFields, fields, flag, given, number, type Kind } from '../augment/settings.ts';
import { ceAll, ceValid, cps as cpsLoss } from '../losses/index.ts';
import { EVAL, TRAIN, type Network } from '../nn/module.ts';
import type { Scheme, SchemeContext, StepOutputs } from './scheme.ts';
import type { StepContext } from './step.ts';
import { cutMixMask, normalise, take, VIEW_FIELDS, weakView, type ViewOptions } from './views.ts';

export interface CpsOptions extends ViewOptions {
  /** Mix pairs of unlabelled images (default true). Without it the labelled images take part in the cross supervision; with it they do not. */
  cutmix?: boolean;
  /** lambda (default 1 with CutMix, 1.5 without: the published values for VOC). */
  weight?: number;
  /** Share of the steps over which lambda rises as exp(-5 (1 - t)^2) (default 0: at once). */
  ramp?: number;
  /**
   * Labelled images pass together with the others, so that batch normalisation sees them as one batch, in the passes that make the pseudo-labels too;
   * published is a pass for each (default false). Helps where batches are small and their images differ much.
   */
  joint?: boolean;
  /** Leave padding out of the cross supervision (default true; the published code counts it). */
  ignorePadding?: boolean;
  /** Boxes of CutMix (default: three that share a quarter to a half of the image). */
  boxes?: Partial<BoxMaskOptions>;
}

/** What the options may be. */
export const CPS_FIELDS: Readonly<Record<keyof CpsOptions, Kind>> = {
  ...VIEW_FIELDS,
  cutmix: flag, weight: number({ from: 0 }), ramp: number({ from: 0, to: 1 }), joint: flag, ignorePadding: flag, boxes: fields(BOX_MASK_FIELDS),
};

/**
 * L = CE(P1, y) + CE(P2, y) + lambda [CE(P1, Y2) + CE(P2, Y1)]. Every pass is in training mode and moves the statistics, the ones without
 * gradients too. Network 1 alone is evaluated.
 * @throws UsageError where an option does not fit
 */
export function cps(c: SchemeContext, options: CpsOptions = {}): Scheme {
  checkFields(CPS_FIELDS, options, 'the scheme cps');
  const nets = [c.network(0), c.network(1)] as const;
  const optimizers = nets.map((net) => c.optimizer(net.params, (name) => net.isHead(name)));
  const counts = pseudoLabelCounts(c.device, c.numClasses);
  const named = <T>(items: readonly T[]): Map<string, T> => new Map(items.map((item, i) => [`net${i + 1}`, item]));
  return {
    name: 'cps',
    needsUnlabelled: true,
    networks: named<Network>(nets),
    optimizers: named(optimizers),
    evaluated: nets[0],
    label: (x) => pseudoLabel(nets[1].forward(x, EVAL)),
    stages: [
      {
        name: 'cps',
        steps: c.steps,
        record(ctx) {
          const out = (options.cutmix ?? true) ? mixedLoss(ctx, c, nets, counts, options) : plainLoss(ctx, c, nets, counts, options);
          ctx.descend(out.loss, nets.map((net, i) => [net.params, optimizers[i]]));
          return { ...out, counts };
        },
      },
    ],
    dispose() {
      counts.dispose();
      for (const o of optimizers) o.dispose();
      for (const n of nets) n.dispose();
    },
  };
}

function total(ctx: StepContext, supervisedLoss: Tensor, cross: Tensor, o: CpsOptions, weight: number): StepOutputs {
  const ramp = ctx.scalar('weight', ({ progress }) => weight * (o.ramp ? sigmoidRamp(progress / o.ramp) : 1));
  return { loss: weightedSum([[supervisedLoss], [cross, ramp]]), terms: { labelled: supervisedLoss, cross } };
}

/** Counts the pseudo-labels that network 1, which is evaluated, learns from: network 2's. @param truth labels for judging only, 255 where unknown */
function count(counts: Tensor, label: Tensor, valid: Tensor | undefined, truth: Tensor): void {
  countPseudoLabels(counts, label, valid ?? full(label.device, label.shape, 1), truth);
}

/** Logits of labelled and of other images. Apart, as published, each batch has its own statistics, and both move the running ones. */
function passes(net: Network, xl: Tensor, xu: Tensor, { joint = false }: CpsOptions): { l: Tensor; u: Tensor } {
  if (!joint) return { l: net.forward(xl, TRAIN), u: net.forward(xu, TRAIN) };
  const [l, u] = split(net.forward(concat([xl, xu], 0), TRAIN), [xl.shape[0], xu.shape[0]], 0);
  return { l, u };
}

/** Logits of both halves of the pairs to be mixed; the labelled images are there for the statistics alone. */
function pairLogits(net: Network, xl: Tensor, x0: Tensor, x1: Tensor, { joint = false }: CpsOptions): [Tensor, Tensor] {
  if (!joint) return [net.forward(x0, TRAIN), net.forward(x1, TRAIN)];
  const n = xl.shape[0], m = x0.shape[0], z = net.forward(concat([xl, x0, x1], 0), TRAIN);
  return [take(z, n, m), take(z, n + m, m)];
}

function plainLoss(ctx: StepContext, c: SchemeContext, nets: readonly [Network, Network], counts: Tensor, o: CpsOptions): StepOutputs {
  const l = weakView(ctx, c, { name: 'labelled', kind: 'labelled', n: c.batch.labelled }, o);
  const u = weakView(ctx, c, { name: 'unlabelled', kind: 'unlabelled', n: c.batch.unlabelled }, o);
  const valid = (o.ignorePadding ?? true) ? concat([l.valid, u.valid], 0) : undefined;
  const xl = normalise(l.image), xu = normalise(u.image);
  const [a, b] = nets.map((net) => passes(net, xl, xu, o));
  const uValid = valid && u.valid;
  count(counts, pseudoLabel(b.u, { valid: uValid }).label, uValid, u.labels);
  const supervisedLoss = add(ceValid(a.l, l.labels), ceValid(b.l, l.labels));
  const [z1, z2] = [a, b].map((z) => concat([z.l, z.u], 0));
  return total(ctx, supervisedLoss, cpsLoss(z1, z2, { valid }), o, o.weight ?? 1.5);
}

function mixedLoss(ctx: StepContext, c: SchemeContext, nets: readonly [Network, Network], counts: Tensor, o: CpsOptions): StepOutputs {
  const { labelled: n, unlabelled: m } = c.batch;
  const l = weakView(ctx, c, { name: 'labelled', kind: 'labelled', n }, o);
  const u0 = weakView(ctx, c, { name: 'unlabelled', kind: 'unlabelled', n: m }, o);
  const u1 = weakView(ctx, c, { name: 'unlabelled 2', kind: 'unlabelled', n: m }, o);
  const mask = cutMixMask(ctx, c, 'cutmix', m, { ...CPS_BOXES, ...given(o.boxes) });
  const valid = (o.ignorePadding ?? true) ? mixBy(mask, u0.valid, u1.valid) : undefined;
  const x0 = normalise(u0.image), x1 = normalise(u1.image);
  const xl = normalise(l.image);
  // The logits are mixed before the argmax, as published; it is the same as mixing the labels.
  const labels = noGrad(() => nets.map((net) => pseudoLabel(mixBy(mask, ...pairLogits(net, xl, x0, x1, o)), { valid }).label));
  count(counts, labels[1], valid, mixBy(mask, u0.labels, u1.labels));
  const mixed = mixBy(mask, x0, x1);
  const ce = valid ? ceValid : ceAll;
  const [a, b] = nets.map((net, k) => {
    const z = passes(net, xl, mixed, o);
    return { supervised: ceValid(z.l, l.labels), cross: ce(z.u, labels[1 - k]) };
  });
  return total(ctx, add(a.supervised, b.supervised), add(a.cross, b.cross), o, o.weight ?? 1);
}
