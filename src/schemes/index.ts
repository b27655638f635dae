// The schemes by name, with what each does in a line, and the options that each takes.

import { UsageError } from '../../runtime/errors.ts';
import { cps } from './cps.ts';
import { fixmatch } from './fixmatch.ts';
import { pseudoseg } from './pseudoseg.ts';
import type { Scheme, SchemeContext } from './scheme.ts';
import { selfTraining } from './selfTraining.ts';
import { supervised } from './supervised.ts';

interface Entry {
  about: string;
  /** Options by name, each in a few words with its default; the whole is said where the scheme's options are declared. */
  options: Readonly<Record<string, string>>;
  make(c: SchemeContext, options: Record<string, unknown>): Scheme;
}

const RAMP = 'share of the steps over which the weight rises (0)';

export const SCHEMES: Readonly<Record<string, Entry>> = {
  supervised: { about: 'the labelled images alone: the yardstick', options: {}, make: supervised },
  'self-training': {
    about: 'a teacher labels the unlabelled images, a student learns from all',
    options: {
      scales: "sizes at which the teacher labels ([0.5,0.75,1,1.5,2])", flip: 'also mirrored (true)', threshold: 'labels below this probability are ignored (0)',
      teacher: '"best" on val, or "last" ("best")', teacherSteps: "steps of the teacher (the student's)", reliability: 'ST++: reliable images first (false)', reliable: 'share of them (0.5)',
      strong: 'strong view of unlabelled images: colour, {"randaugment":{}}', cutout: 'boxes filled with noise; null turns them off',
    },
    make: selfTraining,
  },
  fixmatch: {
    about: 'confident predictions on a weak view label a strong view',
    options: {
      tau: 'confidence threshold (0.95)', classwise: 'decay of thresholds of their own for the classes; null: tau for all (null)', weight: 'weight of the unlabelled loss (1)', ramp: RAMP, denominator: '"valid", "all" or "kept" ("valid")', pseudo: '"joint", "separate" or "eval" ("joint")',
      updateOnWeak: 'statistics move in the pass of the weak views (true)', strong: 'strong view: colour, {"randaugment":{}}, {"ctaugment":{}}', cutmix: 'box of CutMix; null turns it off',
      ema: 'evaluate a moving average with this decay (null)', emaWarmup: 'its decay rises at first (false)', scale: '"sum" or "half" ("sum")',
    },
    make: fixmatch,
  },
  pseudoseg: {
    about: 'decoder and attention on Grad-CAM, fused, label a strong view',
    options: {
      norm: '"rms-batch" or "l2-pixel" ("rms-batch")', fusion: '"avg" or "att" ("avg")', gamma: 'share of the decoder (0.5)', temperature: 'of the sharpening (0.5)', labels: '"soft" or "hard" ("soft")',
      tau: 'confidence threshold (0)', denominator: '"valid" or "kept" ("valid")', weight: 'weight of the unlabelled loss (1)', ramp: RAMP, background: 'class without things of its own; null where there is none (0)',
      weakly: 'image-level labels of the unlabelled images, by id', updateOnWeak: 'statistics move in the passes of the weak views (true)', strong: 'strong colour', cutout: 'square that does not count; null turns it off',
      attentionDims: 'channels of keys and queries (128)', dropout: 'in front of the classifier (0.5)',
    },
    make: pseudoseg,
  },
  cps: {
    about: 'two networks label mixed images for each other',
    options: { cutmix: 'mix pairs of unlabelled images (true)', weight: 'lambda (1; 1.5 without CutMix)', ramp: RAMP, ignorePadding: 'padding does not count (true)', boxes: 'boxes of CutMix ({"range":[0.25,0.5],"boxes":3})' },
    make: cps,
  },
};

/** Options that every scheme takes. */
const COMMON = ['weak'];

/** Builds a scheme. @throws UsageError when there is none of that name, or it has no such option */
export function createScheme(name: string, c: SchemeContext, options: Record<string, unknown>): Scheme {
  checkOptions(name, options);
  return SCHEMES[name].make(c, options);
}

/** @throws UsageError when there is no such scheme, or it has no such option */
export function checkOptions(name: string, options: Record<string, unknown>): void {
  if (!Object.hasOwn(SCHEMES, name)) throw new UsageError(`there is no scheme "${name}"`, `choose one of ${Object.keys(SCHEMES).join(', ')}`);
  const known = [...Object.keys(SCHEMES[name].options), ...COMMON];
  const unknown = Object.keys(options).find((k) => !known.includes(k));
  if (unknown !== undefined) throw new UsageError(`the scheme ${name} has no option "${unknown}"`, `its options are ${known.join(', ')}`);
}
