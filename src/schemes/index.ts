// The schemes by name, with what each does in a line, and the options that each takes.

import { UsageError } from '../../runtime/errors.ts';
import { checkFields, type Fields } from '../augment/settings.ts';
import { cps, CPS_FIELDS } from './cps.ts';
import { fixmatch, FIXMATCH_FIELDS } from './fixmatch.ts';
import { pseudoseg, PSEUDOSEG_FIELDS } from './pseudoseg.ts';
import type { Scheme, SchemeContext } from './scheme.ts';
import { selfTraining, SELF_TRAINING_FIELDS } from './selfTraining.ts';
import { supervised, SUPERVISED_FIELDS } from './supervised.ts';

interface Entry {
  about: string;
  /** Options by name, each in a few words with its default; the whole is said where the scheme's options are declared. */
  options: Readonly<Record<string, string>>;
  /** What the options may be. */
  fields: Fields;
  make(c: SchemeContext, options: Record<string, unknown>): Scheme;
}

const RAMP = 'share of the steps over which the weight rises (0)';

export const SCHEMES: Readonly<Record<string, Entry>> = {
  supervised: { about: 'the labelled images alone: the yardstick', options: {}, fields: SUPERVISED_FIELDS, make: supervised },
  'self-training': {
    about: 'a teacher labels the unlabelled images, a student learns from all',
    options: {
      scales: "sizes at which the teacher labels ([0.5,0.75,1,1.5,2])", flip: 'also mirrored (true)', threshold: 'labels below this probability are ignored (0)',
      teacher: '"best" on val, or "last" ("best")', teacherSteps: "steps of the teacher (the student's)", reliability: 'ST++: reliable images first (false)', reliable: 'share of them (0.5)',
      strong: 'strong view of unlabelled images: colour changes ({}), {"randaugment":{}}', cutout: 'box filled with noise ({"probability":0.5,"area":[0.02,0.4]}); null: none',
    },
    fields: SELF_TRAINING_FIELDS,
    make: selfTraining,
  },
  fixmatch: {
    about: 'confident predictions on a weak view label a strong view',
    options: {
      tau: 'confidence threshold (0.95)', classwise: 'decay of thresholds of their own for the classes; null: tau for all (null)', weight: 'weight of the unlabelled loss (1)', ramp: RAMP, denominator: '"valid", "all" or "kept" ("valid")', pseudo: '"joint", "separate" or "eval" ("joint")',
      updateOnWeak: 'statistics move in the pass of the weak views (true)', strong: 'strong view: colour changes ({}), {"randaugment":{}}, {"ctaugment":{}}', cutmix: 'box of CutMix ({"probability":0.5,"area":[0.02,0.4]}); null: none',
      partner: 'mixed in: "next", the next image of the batch, or "others", labelled by the running statistics ("next")',
      ema: 'evaluate a moving average with this decay (null)', emaWarmup: 'its decay rises at first (false)', scale: '"sum" or "half" ("sum")',
    },
    fields: FIXMATCH_FIELDS,
    make: fixmatch,
  },
  pseudoseg: {
    about: 'decoder and attention on Grad-CAM, fused, label a strong view',
    options: {
      norm: '"rms-batch" or "l2-pixel" ("rms-batch")', fusion: '"avg" or "att" ("avg")', gamma: 'share of the decoder (0.5)', temperature: 'of the sharpening (0.5)', labels: '"soft" or "hard" ("soft")',
      tau: 'confidence threshold (0)', denominator: '"valid" or "kept" ("valid")', weight: 'weight of the unlabelled loss (1)', ramp: RAMP, background: 'class without things of its own; null where there is none (0)',
      weakly: 'image-level labels of the unlabelled images, by id', updateOnWeak: 'statistics move in the passes of the weak views (true)', joint: 'labelled images pass with the others (false)',
      strong: 'colour changes ({})', cutout: 'square that does not count; null: none',
      attentionDims: 'channels of keys and queries (128)', dropout: 'in front of the classifier (0.5)', detachClassifier: 'its loss leaves the encoder alone (false)',
    },
    fields: PSEUDOSEG_FIELDS,
    make: pseudoseg,
  },
  cps: {
    about: 'two networks label mixed images for each other',
    options: { cutmix: 'mix pairs of unlabelled images (true)', weight: 'lambda (1; 1.5 without CutMix)', ramp: RAMP, joint: 'labelled images pass with the others (false)', ignorePadding: 'padding does not count (true)', boxes: 'boxes of CutMix ({"range":[0.25,0.5],"boxes":3})' },
    fields: CPS_FIELDS,
    make: cps,
  },
};

function entryOf(name: string): Entry {
  if (!Object.hasOwn(SCHEMES, name)) throw new UsageError(`there is no scheme "${name}"`, `choose one of ${Object.keys(SCHEMES).join(', ')}`);
  return SCHEMES[name];
}

/** Builds a scheme. @throws UsageError when there is none of that name, or an option does not fit */
export function createScheme(name: string, c: SchemeContext, options: Record<string, unknown>): Scheme {
  return entryOf(name).make(c, options);
}

/** Checks options before a device is there. @throws UsageError when there is no such scheme, or an option does not fit */
export function checkOptions(name: string, options: Record<string, unknown>): void {
  const { fields } = entryOf(name);
  for (const key of Object.keys(options).filter((k) => !Object.hasOwn(fields, k))) {
    const others = Object.keys(SCHEMES).filter((s) => Object.hasOwn(SCHEMES[s].fields, key));
    if (others.length > 0) throw new UsageError(`the scheme ${name} has no option "${key}"`, `${others.join(', ')} ${others.length > 1 ? 'have' : 'has'} it: --set ${others[0]}.${key}=VALUE`);
  }
  checkFields(fields, options, `the scheme ${name}`);
}
