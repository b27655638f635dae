// Thresholds of their own for the classes: rare classes may never reach one that suits the frequent ones.

import type { Device } from '../../runtime/device/device.ts';
import type { Parameter } from '../../runtime/modules/module.ts';
import { classGate, gate, updateClassConfidence } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { ParameterSet } from '../nn/module.ts';
import { nullable, number, option } from '../options.ts';
import type { PixelLabels } from './views.ts';

/** The option. */
export const CLASSWISE = option(
  nullable(number({ from: 0, below: 1 })),
  null,
  'a threshold for each class: the mean confidence of its pixels, a moving average with this decay, tau at most; null: tau for all',
);

/** The mean confidences of the classes, saved with the networks. */
export class ClassThresholds extends ParameterSet {
  readonly #means: Parameter;
  readonly #decay: number;

  constructor(device: Device, classes: number, decay: number) {
    super(device, 0);
    this.#means = this.buffer('means', [classes], -1);
    this.#decay = decay;
  }

  /** Learns from the labels of a step. */
  update({ label, confidence }: Pick<PixelLabels, 'label' | 'confidence'>): void {
    updateClassConfidence(this.#means.value, label, confidence, this.#decay);
  }

  gate(
    { label, confidence, valid }: Pick<PixelLabels, 'label' | 'confidence'> & { valid?: Tensor },
    tau: number,
  ): Tensor {
    return classGate(label, confidence, this.#means.value, tau, valid);
  }
}

/** f32 [n, h, w]: 1 where the confidence reaches the threshold, tau or that of the class, and the pixel is valid. */
export function accepts(
  q: Pick<PixelLabels, 'label' | 'confidence'> & { valid?: Tensor },
  tau: number,
  classes: ClassThresholds | null,
): Tensor {
  return classes ? classes.gate(q, tau) : gate(q.confidence, tau, q.valid);
}
