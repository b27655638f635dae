// Losses, optimisers and metrics against PyTorch in float64 (conformance set torch-ops, NCHW: pictures are brought to
// NHWC and back).

import * as ops from '../../support/ops.ts';
import { accumulate } from '../../../runtime/optim/accumulate.ts';
import { AdamW } from '../../../runtime/optim/adamw.ts';
import { clipCoefficient } from '../../../runtime/optim/clip.ts';
import { Ema } from '../../../runtime/optim/ema.ts';
import { hyperTensor } from '../../../runtime/optim/hyper.ts';
import { Adagrad, Rmsprop } from '../../../runtime/optim/rmsprop.ts';
import type { Optimizer } from '../../../runtime/optim/optimizer.ts';
import { Sgd } from '../../../runtime/optim/sgd.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import { mseMeanC, mseSumC, ohem } from '../../../src/losses/index.ts';
import { scores } from '../../../src/metrics/miou.ts';
import { cpsLoss, fixmatchLoss, pseudosegLoss } from '../../support/losses.ts';
import { oneOf } from '../../support/reading.ts';
import { type Family, type Run, type Tensors } from '../../support/torchCases.ts';
import { Unsupported } from '../../support/unsupported.ts';

/** PyTorch's reductions of the losses of two tensors. */
const reduction = ({ reduction: word = 'mean' }: Record<string, any>): 'mean' | 'sum' | 'none' =>
  oneOf('reduction', word, { mean: 'mean', sum: 'sum', none: 'none' } as const);

/** A loss map, reduced. */
const reduced = (map: Tensor, by: 'mean' | 'sum' | 'none'): Tensor =>
  by === 'none' ? map : by === 'sum' ? ops.sum(map) : ops.mean(map);

/** A tensor that PyTorch broadcasts against a picture [n, c, h, w], against the same picture in NHWC. */
function besidePicture(w: Tensor, x: Tensor): Tensor {
  if (x.rank !== 4 || w.rank === 4) return w;
  return ops.permute(ops.reshape(w, [...Array(4 - w.rank).fill(1), ...w.shape]), [0, 2, 3, 1]);
}

const runs: Record<string, Run> = {
  cross_entropy({ x, target, weight }, p) {
    const by = reduction(p);
    const o = { classWeights: weight, labelSmoothing: p.label_smoothing };
    if (target.dtype === 'f32') {
      const soft = { ...o, targetGradient: true };
      return by === 'none'
        ? ops.softCrossEntropyMap(x, target, soft)
        : ops.softCrossEntropy(x, target, { ...soft, denominator: by === 'sum' ? 'none-sum' : 'all' });
    }
    const hard = { ...o, ignoreIndex: p.ignore_index ?? -100 };
    return by === 'none'
      ? ops.crossEntropyMap(x, target, hard)
      : ops.crossEntropy(x, target, { ...hard, denominator: by === 'sum' ? 'none-sum' : 'weight', empty: NaN });
  },
  nll_loss({ x, target, weight }, p) {
    const by = reduction(p);
    const o = { classWeights: weight, ignoreIndex: p.ignore_index ?? -100 };
    return by === 'none'
      ? ops.nllMap(x, target, o)
      : ops.nll(x, target, { ...o, denominator: by === 'sum' ? 'none-sum' : 'weight', empty: NaN });
  },
  mse_loss: ({ a, b }, p) => ops.mse(a, b, { reduction: reduction(p) }),
  l1_loss: ({ a, b }, p) => ops.l1(a, b, { reduction: reduction(p) }),
  smooth_l1_loss({ a, b }, p) {
    const by = reduction(p);
    const { beta = 1 } = p;
    return beta === 0 ? ops.l1(a, b, { reduction: by }) : ops.smoothL1(a, b, { reduction: by, beta });
  },
  binary_cross_entropy_with_logits({ x, target, weight, pos_weight: positive }, p) {
    const by = reduction(p);
    const perClass =
      !positive || positive.rank === 1 || (x.rank === 4 && positive.rank === 3 && positive.shape[0] === positive.size);
    if (positive && (!perClass || (x.rank === 4 && positive.rank === 1)))
      throw new Unsupported(`pos_weight [${positive.shape}] for x of rank ${x.rank}`);
    const posWeight = positive && ops.reshape(positive, [positive.size]);
    if (!weight) return ops.bceWithLogits(x, target, { reduction: by, posWeight });
    return reduced(
      ops.mul(ops.bceWithLogits(x, target, { reduction: 'none', posWeight }), besidePicture(weight, x)),
      by,
    );
  },
  kl_div({ logp, q }, { reduction: word = 'mean', log_target: logTarget = false }) {
    const by = oneOf('reduction', word, { mean: 'mean', sum: 'sum', none: 'none', batchmean: logp.shape[0] } as const);
    return ops.klDiv(logp, q, { reduction: by, logTarget });
  },
  dice_loss: ({ x, target }, p) => ops.dice(x, target, { smooth: p.smooth }),
  focal_loss: ({ x, target }, p) => ops.crossEntropy(x, target, { focalGamma: p.gamma }),
  ohem_cross_entropy: ({ x, target }, p) => ohem(x, target, { threshold: p.thresh, minKept: p.min_kept }),
  cps_loss: ({ logits1, logits2 }, p) => ops.weightedSum([[cpsLoss(logits1, logits2), p.weight]]),
  mean_teacher_loss: ({ student, teacher }, p) =>
    ops.weightedSum([[mseMeanC(student, teacher), p.w_max * Math.exp(-5 * (1 - Math.min(p.step / p.rampup, 1)) ** 2)]]),
  async cutmix_mse_loss({ student, ta, tb, mask }, p, device) {
    // CutMix pastes logits: the mixture of probabilities with a mask of 0 and 1 is the same.
    const c = student.shape[3];
    const m = await mask.read();
    const a = await ta.read();
    const b = await tb.read();
    return mseSumC(
      student,
      device.tensor(
        Float32Array.from(a, (v, i) => (m[Math.floor(i / c)] ? v : b[i])),
        student.shape,
      ),
      { tau: p.threshold },
    ).loss;
  },
  async pseudoseg_loss({ logits_weak, cam_weak, logits_strong, valid }, p, device) {
    const { loss, q } = pseudosegLoss(logits_strong, logits_weak, cam_weak, {
      temperature: p.temperature,
      valid: device.tensor(Float32Array.from(await valid.read()), valid.shape),
    });
    return { loss, pseudo_label: q };
  },
  async fixmatch_loss({ weak, strong, ignore }, p, device) {
    const valid = device.tensor(
      Float32Array.from(await ignore.read(), (v) => (v === 255 ? 0 : 1)),
      ignore.shape,
    );
    const { loss, accepted } = fixmatchLoss(weak, strong, p.threshold, {
      valid,
      denominator: oneOf('normalise', p.normalise, { all: 'valid', masked: 'kept' } as const),
    });
    return { loss, mask: accepted, labels: ops.pseudoLabel(weak).label };
  },
  async ema_update({ teacher, student }, p, device) {
    const none = new Map<string, Tensor>();
    const ema = new Ema(
      { params: new Map([['w', teacher]]), buffers: none },
      { params: new Map([['w', student]]), buffers: none },
      { buffers: 'own' },
    );
    ema.update(hyperTensor(device, { lr: 0, step: 1, emaDecay: Math.min(1 - 1 / (p.step + 1), p.alpha_max) }));
    return teacher;
  },
  async optimizer(t, p, device) {
    const { p0 } = t;
    const params = new Map([['w', p0]]);
    const decay = (usual: number): number => p.weight_decay ?? usual;
    // Each kind reads its own parameters, with PyTorch's defaults.
    const make: Record<string, () => Optimizer> = {
      sgd: () =>
        new Sgd(params, {
          weightDecay: decay(0),
          momentum: p.momentum ?? 0,
          dampening: p.dampening ?? 0,
          nesterov: p.nesterov ?? false,
        }),
      adam: () => new AdamW(params, { weightDecay: decay(0), betas: p.betas, eps: p.eps ?? 1e-8, decoupled: false }),
      adamw: () => new AdamW(params, { weightDecay: decay(0.01), betas: p.betas, eps: p.eps ?? 1e-8 }),
      rmsprop: () => new Rmsprop(params, { weightDecay: decay(0), alpha: p.alpha ?? 0.99, eps: p.eps ?? 1e-8 }),
      adagrad: () => new Adagrad(params, { weightDecay: decay(0), eps: p.eps ?? 1e-10 }),
    };
    const optimizer = oneOf('kind', p.kind, make)();
    const betas = p.kind.startsWith('adam') ? p.betas : undefined;
    const out: Tensors = {};
    for (const [i, lr] of (p.lr as number[]).entries()) {
      optimizer.step([t[`g${i}`]], hyperTensor(device, { lr, step: i + 1, betas }));
      out[`p${i + 1}`] = device.tensor((await p0.read()) as Float32Array, p0.shape);
    }
    optimizer.dispose();
    return out;
  },
  clip_grad_norm(t, p, device) {
    const { norm, coefficient } = clipCoefficient(
      Object.values(t),
      p.max_norm,
      hyperTensor(device, { lr: 0, step: 1 }),
    );
    const out: Tensors = { total_norm: norm };
    for (const [name, dw] of Object.entries(t))
      accumulate((out[`clipped_${name}`] = device.empty(dw.shape)), dw, coefficient, true);
    return out;
  },
  async segmentation_metrics({ pred, target }, p, device) {
    const confusion = ops.confusionCounts(device, p.num_classes);
    ops.addConfusion(confusion, target, pred);
    const s = scores(await confusion.read(), p.num_classes);
    const value = (...v: number[]): Tensor => device.tensor(Float32Array.from(v), [v.length]);
    return {
      confusion,
      iou: value(...s.iou.map((v) => v ?? NaN)),
      miou: value(s.miou),
      pixel_acc: value(s.pixelAccuracy),
    };
  },
};

export const losses: Family = { runs, channelsLast: true };
