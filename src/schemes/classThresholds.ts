// Thresholds of their own for the classes: rare classes may never reach one that suits the frequent ones.

import { noGrad } from '../../runtime/autograd/tape.ts';
import type { Device } from '../../runtime/device/device.ts';
import type { Parameter } from '../../runtime/modules/module.ts';
import { add, amax, div, gt, maximum, mul, softmax, sum, where } from '../../runtime/ops/index.ts';
import { classGate, gate, updateClassConfidence } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { ParameterSet } from '../nn/module.ts';
import { choice, either, nullable, number, option } from '../options.ts';
import type { Parts } from './define.ts';
import type { PixelLabels } from './views.ts';

type Judged = Pick<PixelLabels, 'label' | 'confidence'> & { valid?: Tensor };

/** Thresholds that learn from the predictions of each step. */
export interface ClassThresholds {
  /** @param logits of the views whose labels are q, [n, h, w, classes] */
  update(q: PixelLabels, logits: Tensor): void;
  /** f32 [n, h, w]: 1 where the confidence reaches the class's threshold and the pixel is valid. */
  gate(q: Judged, tau: number): Tensor;
}

/** The option. */
export const CLASSWISE = option(
  nullable(either(number({ from: 0, below: 1 }), choice('freematch'))),
  null,
  'a threshold for each class: a number: the mean confidence of its pixels, a moving average with this decay, tau at ' +
    'most; "freematch": the mean confidence of all pixels times the share of the class, without tau; null: tau for all',
);

/** The thresholds that the option asks for, saved with the networks; null: tau for all classes. */
export function thresholdsOf(parts: Parts, classwise: number | 'freematch' | null): ClassThresholds | null {
  if (classwise === null) return null;
  const { device, numClasses } = parts.c;
  return parts.saved(
    'classes',
    classwise === 'freematch'
      ? new FreeMatchThresholds(device, numClasses)
      : new MeanConfidences(device, numClasses, classwise),
  );
}

/** The mean confidences of the classes. */
class MeanConfidences extends ParameterSet implements ClassThresholds {
  readonly #means: Parameter;
  readonly #decay: number;

  constructor(device: Device, classes: number, decay: number) {
    super(device, 0);
    this.#means = this.buffer('means', [classes], -1);
    this.#decay = decay;
  }

  update({ label, confidence }: Pick<PixelLabels, 'label' | 'confidence'>): void {
    updateClassConfidence(this.#means.value, label, confidence, this.#decay);
  }

  gate({ label, confidence, valid }: Judged, tau: number): Tensor {
    return classGate(label, confidence, this.#means.value, tau, valid);
  }
}

/** As published. */
const FREEMATCH_DECAY = 0.999;

/**
 * The self-adaptive thresholds of FreeMatch (Wang et al. 2023, https://arxiv.org/abs/2205.07246): tau_c = t p_c / max p,
 * with moving averages t of the confidence and p of the probabilities, both from 1 / classes on.
 */
class FreeMatchThresholds extends ParameterSet implements ClassThresholds {
  readonly #confidence: Parameter;
  readonly #probabilities: Parameter;

  constructor(device: Device, classes: number) {
    super(device, 0);
    this.#confidence = this.buffer('confidence', [1], 1 / classes);
    this.#probabilities = this.buffer('probabilities', [classes], 1 / classes);
  }

  update({ confidence, valid }: PixelLabels, logits: Tensor): void {
    noGrad(() => {
      const count = sum(valid);
      const some = gt(count, 0);
      const move = (average: Tensor, total: Tensor): void => {
        const mean = div(total, maximum(count, 1));
        const moved = add(mul(average, FREEMATCH_DECAY), mul(mean, 1 - FREEMATCH_DECAY));
        average.device.copy(where(some, moved, average), average);
      };
      const pixels = [...valid.shape, 1];
      move(this.#confidence.value, sum(mul(confidence, valid)).view([1]));
      move(this.#probabilities.value, sum(mul(softmax(logits), valid.view(pixels)), [0, 1, 2]));
    });
  }

  gate({ label, confidence, valid }: Judged): Tensor {
    const p = this.#probabilities.value;
    const thresholds = mul(div(p, amax(p)), this.#confidence.value);
    return classGate(label, confidence, thresholds, 1, valid);
  }
}

/** f32 [n, h, w]: 1 where the confidence reaches the threshold, tau or that of the class, and the pixel is valid. */
export function accepts(q: Judged, tau: number, classes: ClassThresholds | null): Tensor {
  return classes ? classes.gate(q, tau) : gate(q.confidence, tau, q.valid);
}
