// UniMatch V2 (Yang et al. 2025): a moving average of the network labels a weak view, from which two strong views
// learn; of each channel of the encoder's activations, one of the two may keep twice as much and the other nothing.

import { add, bernoulli, cast, concat, flip, full, mul, sub, weightedSum } from '../../runtime/ops/index.ts';
import { pseudoLabel } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { SINGLE_BOX_FIELDS, UNIMATCH_BOX } from '../augment/cutmix.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { acceptedLoss } from '../losses/index.ts';
import { EVAL, type ForwardMode, type Network } from '../nn/module.ts';
import { flag, nullable, number, option, over } from '../options.ts';
import { accepts, CLASSWISE, thresholdsOf } from './classThresholds.ts';
import { ACCEPTED_LOSS, defineScheme, RAMP, type Step } from './define.ts';
import { groupsOption, passGroups } from './groups.ts';
import { strongOption } from './strong.ts';
import { taught, teacherOf, teacherOptions } from './teacher.ts';
import { eachMap, labelsOf, type TargetView } from './views.ts';

/**
 * L = (CE(z_l, y) + w(t) (CE(z_s, q) + CE(z_t, q)) / 2) / 2, q the teacher's argmax on the weak view where its
 * confidence is at least tau; s and t are strong views with complementary channels.
 */
export const unimatchV2 = defineScheme({
  name: 'unimatch-v2',
  title: 'UniMatch V2',
  paper: 'Yang et al. 2025, https://arxiv.org/abs/2410.10777',
  about: 'an averaged teacher labels two strong views that see complementary channels',
  options: {
    tau: option(number({ from: 0 }), 0.95, 'confidence threshold (>=); above 1 nothing is accepted'),
    loss: ACCEPTED_LOSS,
    classwise: CLASSWISE,
    labelledWeight: option(number({ from: 0 }), 0.5, 'weight of the labelled loss'),
    weight: option(number({ from: 0 }), 0.5, 'weight of the mean loss of the strong views'),
    ramp: RAMP,
    complementary: option(flag, true, 'drop complementary channels of the strong views, in half of the images'),
    ...teacherOptions(0.996),
    groups: groupsOption(
      { l: 'labelled', s: 'strong', t: 'strong, again' },
      {
        // Dropped channels do not belong in the running statistics, which the teacher labels by.
        still: [['l'], { views: ['s', 't'], update: false }],
        pairs: [['l'], ['s', 't']],
        joint: [['l', 's', 't']],
        apart: [['l'], ['s'], ['t']],
      },
      'still',
    ),
    strong: strongOption({ learned: false }),
    cutmix: option(nullable(over(UNIMATCH_BOX, SINGLE_BOX_FIELDS)), {}, 'boxes of CutMix in strong views; null: none'),
  },
  small: { tau: 0.9, ramp: 0.5, ema: 0.99, strong: { hue: 0.05 } },
  build(parts, o) {
    const { net } = parts.learner();
    const teacher = teacherOf(parts, net, o);
    const classes = thresholdsOf(parts, o.classwise);
    return {
      evaluated: o.evaluate === 'teacher' ? teacher : net,
      label(x) {
        const q = pseudoLabel(teacher.forward(x, EVAL));
        return { label: q.label, accepted: accepts(q, o.tau, classes) };
      },
      step(s) {
        const l = s.labelled();
        const u = s.unlabelled();
        const t = taught(
          teacher,
          { w: standardize(u.image) },
          o.teacher === 'train' ? [{ views: ['w'], update: true }] : null,
        );
        const q = labelsOf(t.w, u);
        classes?.update(q, t.w);
        parts.count(q, accepts(q, o.tau, classes));
        const [first, second] = ['strong 1', 'strong 2'].map((name) => {
          const strong = s.strong(u, o.strong, name);
          // Mixed with the batch in reverse: image k with image n - 1 - k.
          const partner = (): { image: Tensor; labels: typeof q } => ({
            image: flip(strong.image, [0]),
            labels: eachMap(strong.carry(q), (map) => flip(map, [0])),
          });
          return u.image.shape[0] < 2 ? strong : s.cutmix(strong, o.cutmix, partner, `${name}, box`);
        });
        const masks = o.complementary ? new ChannelMasks(s, u.image.shape[0]) : null;
        const z = passGroups(
          (x, mode, members) => {
            const images = standardize(x);
            if (!masks || !members.some((m) => m === 's' || m === 't')) return net.forward(images, mode);
            return masks.forward(net, images, mode, members);
          },
          { l: l.image, s: first.image, t: second.image },
          o.groups,
          ['l', 's', 't'],
        );
        const strong = (view: TargetView, scores: Tensor): Tensor => {
          const moved = view.carry(q);
          return acceptedLoss(o.loss, scores, moved.label, accepts(moved, o.tau, classes));
        };
        const labelled = s.supervised(z.l, l.label);
        const unlabelled = weightedSum([
          [strong(first, z.s), 0.5],
          [strong(second, z.t), 0.5],
        ]);
        const loss = weightedSum([
          [labelled, o.labelledWeight],
          [unlabelled, s.ramped(o.weight, o.ramp)],
        ]);
        return { loss, terms: { labelled, unlabelled } };
      },
    };
  },
});

/** Masks of channels for one step: those of the second strong view are 2 minus those of the first. */
class ChannelMasks {
  private readonly s: Step;
  private readonly count: number;
  /** f32 [n, 1, 1, 1]: 1 for the images whose channels are dropped; the others stay whole. */
  private readonly chosen: Tensor;
  /** What the masks of a stage of the encoder add to 1 and take from it: drawn once, however the views pass. */
  private readonly changes = new Map<number, Tensor>();

  constructor(s: Step, count: number) {
    this.s = s;
    this.count = count;
    this.chosen = s.ctx.input('dropped images', [count, 1, 1, 1], 'f32', (at) => {
      const order = s.ctx.rng('dropped images', at).shuffle(Array.from({ length: count }, (_, i) => i));
      const chosen = new Float32Array(count).fill(1);
      for (const i of order.slice(0, Math.floor(count / 2))) chosen[i] = 0;
      return chosen;
    });
  }

  private change(stage: number, channels: number): Tensor {
    const known = this.changes.get(stage);
    if (known) return known;
    const twice = mul(bernoulli(this.s.ctx.randomSeed(`channels ${stage}`), [this.count, 1, 1, channels], 0.5), 2);
    const change = mul(this.chosen, sub(twice, 1));
    this.changes.set(stage, change);
    return change;
  }

  /** Logits of a group of views. */
  forward(net: Network, x: Tensor, mode: ForwardMode, members: readonly string[]): Tensor {
    const features = net.encode(x, mode);
    const stages = features.stages.map((stage, i) => {
      const c = stage.shape[3];
      const masks = members.map((m) => {
        if (m === 'l') return full(stage.device, [this.s.c.batch.labelled, 1, 1, c], 1);
        return m === 's' ? add(1, this.change(i, c)) : sub(1, this.change(i, c));
      });
      return mul(stage, cast(masks.length === 1 ? masks[0] : concat(masks, 0), stage.dtype));
    });
    return net.decode({ ...features, stages }, mode);
  }
}
