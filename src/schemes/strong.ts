// Strong views as a choice: colour changes, RandAugment, or CTAugment; each with the means to move labels and
// confidence where it moves pixels.

import { colour } from '../augment/gpu/colour.ts';
import { proximity } from '../augment/gpu/proximity.ts';
import { applyOperations, moveMap } from '../augment/gpu/randaugment.ts';
import { COLOUR_FIELDS, COLOUR_ROW, drawColour, type ColourOptions } from '../augment/colour.ts';
import { CtAugment, CTAUGMENT_FIELDS, type CtAugmentOptions, type PolicyStep } from '../augment/ctaugment.ts';
import { drawCutout, pseudosegHalf } from '../augment/cutout.ts';
import { cutout } from '../augment/gpu/cutout.ts';
import { OP_ROW } from '../augment/operations.ts';
import {
  drawRandAugment,
  RANDAUGMENT_FIELDS,
  randAugmentDefaults,
  randAugmentSlots,
  type RandAugmentOptions,
} from '../augment/randaugment.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { checkFields, fields, isObject, option, refuse, type Fields, type Kind, type Option } from '../options.ts';
import { noGrad } from '../../runtime/autograd/tape.ts';
import { UsageError } from '../../runtime/errors.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { SourceBatch } from '../data/types.ts';
import { EVAL, type Network } from '../nn/module.ts';
import type { SchemeContext, StepOutputs } from './scheme.ts';
import type { Moment, StepContext } from './step.ts';
import type { LabelledView } from './views.ts';

export type StrongOptions = ColourOptions | { randaugment: RandAugmentOptions } | { ctaugment: CtAugmentOptions };

/** What the options may be. @param learned is there a scheme behind them that CTAugment can learn from? */
export function strongKind({ learned }: { learned: boolean }): Kind<StrongOptions> {
  const fits =
    'colour changes such as {"hue":0.1}, ' +
    (learned
      ? '{"randaugment":{}} or {"ctaugment":{}}'
      : 'or {"randaugment":{}}; CTAugment learns from labelled images as it goes, which only fixmatch does');
  return {
    fits,
    check(value, name) {
      if (!isObject(value) || ('ctaugment' in value && !learned)) refuse(value, name, fits);
      const own: Fields =
        'randaugment' in value
          ? { randaugment: fields(RANDAUGMENT_FIELDS) }
          : 'ctaugment' in value
            ? { ctaugment: fields(CTAUGMENT_FIELDS) }
            : COLOUR_FIELDS;
      checkFields(own, value, name, `${name}.`);
    },
  };
}

/** The option `strong` of a scheme. */
export const strongOption = (from: { learned: boolean }): Option<StrongOptions> =>
  option(
    strongKind(from),
    {},
    `strong view: colour changes, {"randaugment":{}}${from.learned ? ' or {"ctaugment":{}}' : ''}`,
  );

export interface StrongView {
  /** [n, h, w, 3] in [0, 1]. */
  image: Tensor;
  /**
   * Moves a map [n, h, w] of the weak views (labels, confidence, validity) as the image was moved; what came from
   * outside gets `fill`.
   */
  move(map: Tensor, fill: number): Tensor;
}

/** Which images of a batch are to be changed. */
export type Choice = (batches: ReadonlyMap<string, SourceBatch>) => readonly boolean[];

/** What else {@link strengthen} takes. */
export interface StrengthenExtra {
  /** The images to change; the others stay as they are (RandAugment and CTAugment round them to 8 bits). */
  only?: Choice;
  /** The state of CTAugment, from {@link ctAugmentOf}. */
  cta?: CtAugment | null;
}

/** The learned state of these options, where they have one. */
export function ctAugmentOf(options: StrongOptions): CtAugment | null {
  return 'ctaugment' in options ? new CtAugment(options.ctaugment) : null;
}

/** Empties the rows of images that are not chosen: rows of zeros change nothing. */
function keepOnly(table: Float32Array | Int32Array, chosen: readonly boolean[] | undefined): Float32Array | Int32Array {
  const row = table.length / (chosen?.length ?? 1);
  chosen?.forEach((on, k) => {
    if (!on) table.fill(0, k * row, (k + 1) * row);
  });
  return table;
}

/**
 * A strong view of weakly augmented images, from draws that become inputs of the plan.
 * @param name of the draws, and of the plan's input that holds them
 * @param image [n, h, w, 3] in [0, 1]
 * @returns the view, of the same shape, and how its maps move
 * @throws UsageError for CTAugment without its state
 */
export function strengthen(
  ctx: StepContext,
  name: string,
  image: Tensor,
  options: StrongOptions,
  extra: StrengthenExtra = {},
): StrongView {
  const [n, height, width] = image.shape;
  const size = [height, width] as const;
  if ('randaugment' in options || 'ctaugment' in options) {
    const { cta } = extra;
    if ('ctaugment' in options && !cta)
      throw new UsageError('CTAugment without its state', 'give what ctAugmentOf made');
    const random = 'randaugment' in options ? options.randaugment : {};
    const slots = cta ? cta.slots(true) : randAugmentSlots(random);
    const table = ctx.input(name, [n, slots, OP_ROW], 'i32', (at, batches) => {
      const rng = ctx.rng(name, at);
      const rows = cta
        ? cta.table(
            Array.from({ length: n }, () => cta.policy(rng)),
            size,
            rng,
            true,
          )
        : drawRandAugment(rng, n, size, random);
      return keepOnly(rows, extra.only?.(batches));
    });
    const { geometric, cutout } = randAugmentDefaults(random);
    const still = !cta && !geometric && cutout === null;
    const { fill } = cta ? cta.options : random;
    return {
      image: applyOperations(image, table, { fill }),
      move: (map, fill) => (still ? map : moveMap(map, table, fill)),
    };
  }
  const table = ctx.input(name, [n, COLOUR_ROW], 'f32', (at, batches) =>
    keepOnly(drawColour(ctx.rng(name, at), n, options), extra.only?.(batches)),
  );
  return {
    image: colour(image, table, { semantics: options.semantics, blur: (options.blur ?? 0.5) > 0 }),
    move: (map) => map,
  };
}

/**
 * CutOut of PseudoSeg: a square of mean colour in each image, whose pixels are no longer valid.
 * @param half half its side in pixels; null: 50/513 of the shorter side, as published
 */
export function cutSquare(
  ctx: StepContext,
  image: Tensor,
  valid: Tensor,
  half: number | null,
): { image: Tensor; valid: Tensor } {
  const [n, height, width] = image.shape;
  const size = [height, width] as const;
  const boxes = ctx.input('cutout', [n, 1, 4], 'i32', (at) =>
    drawCutout(ctx.rng('cutout', at), n, size, half ?? pseudosegHalf(size)),
  );
  return cutout(image, boxes, { valid });
}

/**
 * Probes labelled images for CTAugment: each is changed by random operations and shown to the averaged network (batch
 * norm: eval).
 * @returns what the trainer reads after the step, and how the rates learn from it
 */
export function probe(
  ctx: StepContext,
  c: SchemeContext,
  cta: CtAugment,
  labelled: LabelledView,
  average: Network,
): StepOutputs['feedback'] {
  const n = labelled.image.shape[0];
  const policies = (at: Moment): PolicyStep[][] => {
    const rng = ctx.rng('probe', at);
    return Array.from({ length: n }, () => cta.probe(rng));
  };
  const table = ctx.input('probe', [n, cta.slots(false), OP_ROW], 'i32', (at) =>
    cta.table(policies(at), c.crop, ctx.rng('probe squares', at), false),
  );
  const values = noGrad(() =>
    proximity(
      average.forward(standardize(applyOperations(labelled.image, table, { fill: cta.options.fill })), EVAL),
      moveMap(labelled.label, table, 255),
    ),
  );
  return {
    values,
    apply(found, at) {
      // One image after the other, as published. Probes are drawn without the rates, so that they can be drawn again
      // here.
      policies(at).forEach((policy, k) => {
        if (found[k] >= 0) cta.update(policy, found[k]);
      });
    },
  };
}
