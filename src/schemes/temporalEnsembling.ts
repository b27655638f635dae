// Temporal Ensembling (Laine & Aila 2017): the network should agree with the average of its own earlier predictions of
// each image, which are kept on the host and moved into the crop.

import { concat, weightedSum } from '../../runtime/ops/index.ts';
import { gate, pseudoLabel } from '../ops/index.ts';
import type { FileTensor } from '../../runtime/io/safetensors.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { sigmoidRamp } from '../../runtime/optim/schedules.ts';
import { mseMeanC } from '../losses/index.ts';
import { nullable, number, option } from '../options.ts';
import { turned } from '../augment/weak.ts';
import { defineScheme, labelledShare, RAMP, type Step } from './define.ts';
import { groupsOption, passGroups } from './groups.ts';
import type { PredictOptions } from './scheme.ts';
import { perturbationOptions, perturbed } from './teacher.ts';
import { drawnViews, type LabelledView } from './views.ts';

/** Every image as it is, all classes. */
const PREDICTS: PredictOptions = { scales: [1], flip: false, probabilities: true, labelled: true };

/** The largest probability of an image that has an average is at least this. */
const LEAST = 1e-3;

/**
 * L = CE(z, y) + w(t) mean_C (softmax z - T)^2 over labelled and unlabelled images. T is the average of the image's
 * predictions after each epoch, Z <- a Z + (1 - a) p, T = Z / (1 - a^epochs). Nothing unlabelled counts in the first
 * epoch. w(t) is the weight, times the labelled share of the images, times the ramp.
 */
export const temporalEnsembling = defineScheme({
  name: 'temporal-ensembling',
  title: 'Temporal Ensembling',
  paper: 'Laine & Aila 2017, https://arxiv.org/abs/1610.02242',
  about: 'the network should agree with the average of its earlier predictions',
  options: {
    alpha: option(number({ from: 0, below: 1 }), 0.6, 'share of the average that stays in each epoch'),
    epoch: option(
      nullable(number({ whole: true, from: 1 })),
      null,
      'steps after which the images are predicted again; null: when each has been seen about once',
    ),
    weight: option(number({ from: 0 }), 30, 'weight of the consistency; times the labelled share of the images'),
    ramp: { ...RAMP, usual: 0.3 },
    ...perturbationOptions(0.15, {}),
    groups: groupsOption({ l: 'labelled', u: 'unlabelled' }, { joint: [['l', 'u']], apart: [['l'], ['u']] }, 'joint'),
  },
  build(parts, o) {
    const { net } = parts.learner();
    const { c } = parts;
    const ensemble = new Ensemble(c.numClasses, o.alpha);
    const images = c.unlabelled?.length ?? c.batch.unlabelled;
    const epoch = o.epoch ?? Math.max(1, Math.ceil(images / c.batch.unlabelled));
    return {
      evaluated: net,
      predicts: PREDICTS,
      hostTensors: ensemble.targets,
      every: {
        steps: epoch,
        async run(services, round) {
          // Before the first step there is nothing to predict with.
          if (round > 0)
            await services.predictUnlabelled(net, PREDICTS, (id, map, _, p) => ensemble.add(id, map, p!, round));
        },
      },
      step(s) {
        const l = s.labelled();
        const u = s.unlabelled();
        const z = passGroups(
          (x, mode) => net.forward(x, mode),
          { l: perturbed(s, l.image, o, 'labelled'), u: perturbed(s, u.image, o, 'unlabelled') },
          o.groups,
          ['l', 'u'],
        );
        const targets = {
          l: ensemble.input(s, 'labelled', c.batch.labelled),
          u: ensemble.input(s, 'unlabelled', c.batch.unlabelled),
        };
        // An image without an average, as in the first epoch, has targets of 0.
        const known = (t: Tensor, { valid }: Pick<LabelledView, 'valid'>) => {
          const { label, confidence } = pseudoLabel(t, { valid, probabilities: true });
          return { label, accepted: gate(confidence, LEAST, valid) };
        };
        const q = { l: known(targets.l, l), u: known(targets.u, u) };
        parts.count({ label: q.u.label, truth: u.truth }, q.u.accepted);
        const labelled = s.supervised(z.l, l.label);
        const unlabelled = mseMeanC(concat([z.l, z.u], 0), concat([targets.l, targets.u], 0), {
          valid: concat([q.l.accepted, q.u.accepted], 0),
          probabilities: true,
        });
        const share = o.weight * labelledShare(c);
        const weight = s.ctx.scalar('weight', ({ step, progress }) =>
          step < epoch ? 0 : share * (o.ramp ? sigmoidRamp(progress / o.ramp) : 1),
        );
        return { loss: weightedSum([[labelled], [unlabelled, weight]]), terms: { labelled, unlabelled } };
      },
    };
  },
});

/** The averaged predictions of all images, in bytes: 255 is a probability of 1. */
class Ensemble {
  /** T by image, u8 [h, w, classes]. */
  readonly targets = new Map<string, FileTensor>();
  private readonly classes: number;
  private readonly alpha: number;

  constructor(classes: number, alpha: number) {
    this.classes = classes;
    this.alpha = alpha;
  }

  /** Takes a prediction in. @param p [h, w, classes] @param round number of the epoch, from 1 */
  add(id: string, { height, width }: { height: number; width: number }, p: Float32Array, round: number): void {
    const { alpha, classes } = this;
    const before = this.targets.get(id)?.data as Uint8Array | undefined;
    // Z of the epoch before is T (1 - a^(round - 1)).
    const old = before ? (alpha * (1 - alpha ** (round - 1))) / (1 - alpha ** round) : 0;
    const now = 1 - old;
    const data = new Uint8Array(p.length);
    for (let i = 0; i < p.length; i++) data[i] = Math.round(255 * now * p[i] + (before ? old * before[i] : 0));
    this.targets.set(id, { shape: [height, width, classes], data });
  }

  /** The targets of a stream, moved into the crops of its weak views, f32 [n, h, w, classes]. */
  input(s: Step, stream: string, n: number): Tensor {
    const [height, width] = s.c.crop;
    const { classes } = this;
    const views = drawnViews(s.ctx, s.c, { name: stream }, s.weak);
    const size = height * width * classes;
    return s.ctx.input(`${stream}.targets`, [n, height, width, classes], 'f32', (at, batches) => {
      const table = views(at, batches);
      const out = new Float32Array(n * size);
      batches.get(stream)!.ids.forEach((id, k) => {
        const target = this.targets.get(id);
        if (target) warp(target, table.subarray(8 * k, 8 * k + 8), s.c.crop, out.subarray(k * size, (k + 1) * size));
      });
      return out;
    });
  }
}

/**
 * Samples an image's targets as its weak view is sampled: bilinear, by a row of `drawWeak`; clamped at the border.
 * @param out f32 [h, w, classes] of the crop
 */
function warp(target: FileTensor, row: Float32Array, [h, w]: readonly [number, number], out: Float32Array): void {
  const [height, width, classes] = target.shape;
  const data = target.data as Uint8Array;
  const [y0, x0, sy, sx, flip, , , angle] = row;
  const between = (v: number, side: number): [low: number, high: number, share: number] => {
    const at = Math.min(Math.max(v, 0), side - 1);
    const low = Math.floor(at);
    return [low, Math.min(low + 1, side - 1), at - low];
  };
  for (let i = 0; i < h; i++) {
    for (let j = 0; j < w; j++) {
      const column = flip ? w - 1 - j : j;
      const [y, x] = angle ? turned(i, column, angle, [h, w]) : [i, column];
      const [top, bottom, fy] = between(y0 + (y + 0.5) * sy - 0.5, height);
      const [left, right, fx] = between(x0 + (x + 0.5) * sx - 0.5, width);
      const a = (top * width + left) * classes;
      const b = (top * width + right) * classes;
      const d = (bottom * width + left) * classes;
      const e = (bottom * width + right) * classes;
      const to = (i * w + j) * classes;
      for (let k = 0; k < classes; k++) {
        const upper = data[a + k] + (data[b + k] - data[a + k]) * fx;
        const lower = data[d + k] + (data[e + k] - data[d + k]) * fx;
        out[to + k] = (upper + (lower - upper) * fy) / 255;
      }
    }
  }
}
