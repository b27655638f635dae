// Losses, optimisers and metrics against PyTorch in float64 (conformance set torch-ops, NCHW: pictures are brought to NHWC and back).

import * as ops from '../../../runtime/ops/index.ts';
import { accumulate } from '../../../runtime/optim/accumulate.ts';
import { AdamW } from '../../../runtime/optim/adamw.ts';
import { clipCoefficient } from '../../../runtime/optim/clip.ts';
import { Ema } from '../../../runtime/optim/ema.ts';
import { hyperTensor } from '../../../runtime/optim/hyper.ts';
import { Adagrad, Rmsprop } from '../../../runtime/optim/rmsprop.ts';
import { Sgd } from '../../../runtime/optim/sgd.ts';
import type { Tensor } from '../../../runtime/tensor.ts';
import { cps, fixmatch, mseMeanC, mseSumC, ohem, pseudoseg } from '../../../src/losses/index.ts';
import { scores } from '../../../src/metrics/miou.ts';
import { type Family, type Run, type Tensors } from '../../support/torchCases.ts';

const REDUCTION: Record<string, 'meanC' | 'none-sum' | 'none'> = { mean: 'meanC', sum: 'none-sum', none: 'none' };

const runs: Record<string, Run> = {
  cross_entropy({ x, target, weight }, p) {
    const o = { classWeights: weight, labelSmoothing: p.label_smoothing };
    if (target.dtype === 'f32') {
      const soft = { ...o, targetGradient: true };
      return p.reduction === 'none' ? ops.softCrossEntropyMap(x, target, soft) : ops.softCrossEntropy(x, target, { ...soft, denominator: p.reduction === 'sum' ? 'none-sum' : 'all' });
    }
    const hard = { ...o, ignoreIndex: p.ignore_index ?? -100 };
    return p.reduction === 'none' ? ops.crossEntropyMap(x, target, hard) : ops.crossEntropy(x, target, { ...hard, denominator: p.reduction === 'sum' ? 'none-sum' : 'weight', empty: NaN });
  },
  nll_loss({ x, target, weight }, p) {
    const o = { classWeights: weight, ignoreIndex: p.ignore_index };
    return p.reduction === 'none' ? ops.nllMap(x, target, o) : ops.nll(x, target, { ...o, denominator: p.reduction === 'sum' ? 'none-sum' : 'weight' });
  },
  mse_loss: ({ a, b }, p) => ops.mse(a, b, { reduction: REDUCTION[p.reduction] }),
  l1_loss: ({ a, b }, p) => ops.l1(a, b, { reduction: REDUCTION[p.reduction] }),
  smooth_l1_loss: ({ a, b }, p) => ops.smoothL1(a, b, { reduction: REDUCTION[p.reduction], beta: p.beta }),
  binary_cross_entropy_with_logits: ({ x, target, pos_weight }, p) => ops.bceWithLogits(x, target, { reduction: REDUCTION[p.reduction], posWeight: pos_weight }),
  kl_div: ({ logp, q }) => ops.klDiv(logp, q, { reduction: 'sumC' }),
  dice_loss: ({ x, target }, p) => ops.dice(x, target, { smooth: p.smooth }),
  focal_loss: ({ x, target }, p) => ops.crossEntropy(x, target, { focalGamma: p.gamma }),
  ohem_cross_entropy: ({ x, target }, p) => ohem(x, target, { threshold: p.thresh, minKept: p.min_kept }),
  cps_loss: ({ logits1, logits2 }, p) => ops.weightedSum([[cps(logits1, logits2), p.weight]]),
  mean_teacher_loss: ({ student, teacher }, p) => ops.weightedSum([[mseMeanC(student, teacher), p.w_max * Math.exp(-5 * (1 - Math.min(p.step / p.rampup, 1)) ** 2)]]),
  async cutmix_mse_loss({ student, ta, tb, mask }, p, device) {
    // CutMix pastes logits: the mixture of probabilities with a mask of 0 and 1 is the same.
    const c = student.shape[3], m = await mask.read(), a = await ta.read(), b = await tb.read();
    return mseSumC(student, device.tensor(Float32Array.from(a, (v, i) => (m[Math.floor(i / c)] ? v : b[i])), student.shape), { tau: p.threshold }).loss;
  },
  async pseudoseg_loss({ logits_weak, cam_weak, logits_strong, valid }, p, device) {
    const { loss, q } = pseudoseg(logits_strong, logits_weak, cam_weak, { temperature: p.temperature, valid: device.tensor(Float32Array.from(await valid.read()), valid.shape) });
    return { loss, pseudo_label: q };
  },
  async fixmatch_loss({ weak, strong, ignore }, p, device) {
    const valid = device.tensor(Float32Array.from(await ignore.read(), (v) => (v === 255 ? 0 : 1)), ignore.shape);
    const { loss, accepted } = fixmatch(weak, strong, p.threshold, { valid, denominator: p.normalise === 'all' ? 'valid' : 'kept' });
    return { loss, mask: accepted, labels: ops.pseudoLabel(weak).label };
  },
  async ema_update({ teacher, student }, p, device) {
    const none = new Map<string, Tensor>();
    const ema = new Ema({ params: new Map([['w', teacher]]), buffers: none }, { params: new Map([['w', student]]), buffers: none }, { buffers: 'own' });
    ema.update(hyperTensor(device, { lr: 0, step: 1, emaDecay: Math.min(1 - 1 / (p.step + 1), p.alpha_max) }));
    return teacher;
  },
  async optimizer({ p0, ...g }, p, device) {
    const params = new Map([['w', p0]]);
    const o = { weightDecay: p.weight_decay, momentum: p.momentum, nesterov: p.nesterov, betas: p.betas, eps: p.eps, alpha: p.alpha };
    const optimizer = {
      sgd: () => new Sgd(params, o),
      adam: () => new AdamW(params, { ...o, decoupled: false }),
      adamw: () => new AdamW(params, o),
      rmsprop: () => new Rmsprop(params, o),
      adagrad: () => new Adagrad(params, o),
    }[p.kind as 'sgd']();
    const out: Tensors = {};
    for (const [i, lr] of (p.lr as number[]).entries()) {
      optimizer.step([g[`g${i}`]], hyperTensor(device, { lr, step: i + 1, betas: p.betas }));
      out[`p${i + 1}`] = device.tensor((await p0.read()) as Float32Array, p0.shape);
    }
    optimizer.dispose();
    return out;
  },
  clip_grad_norm(t, p, device) {
    const { norm, coefficient } = clipCoefficient(Object.values(t), p.max_norm, hyperTensor(device, { lr: 0, step: 1 }));
    const out: Tensors = { total_norm: norm };
    for (const [name, dw] of Object.entries(t)) accumulate((out[`clipped_${name}`] = device.empty(dw.shape)), dw, coefficient, true);
    return out;
  },
  async segmentation_metrics({ pred, target }, p, device) {
    const confusion = ops.confusionCounts(device, p.num_classes);
    ops.addConfusion(confusion, target, pred);
    const s = scores((await confusion.read()) as Uint32Array, p.num_classes);
    const value = (...v: number[]): Tensor => device.tensor(Float32Array.from(v), [v.length]);
    return { confusion, iou: value(...s.iou.map((v) => v ?? NaN)), miou: value(s.miou), pixel_acc: value(s.pixelAccuracy) };
  },
};

export const losses: Family = { runs, channelsLast: true };
