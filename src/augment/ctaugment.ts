// CTAugment: RandAugment whose strengths are learned while training. Each operation's parameters are cut into bins; a
// bin's rate is how well a labelled image changed with it was still recognised, and strong views are drawn from the
// bins whose rate is near the best.

import { CheckpointError } from '../../runtime/errors.ts';
import type { Rng } from '../../runtime/random.ts';
import {
  blended,
  cutoutAround,
  enhance,
  identity,
  OP_ROW,
  posterize,
  rescale,
  RESAMPLING,
  rotate,
  shearX,
  shearY,
  solarize,
  translateX,
  translateY,
  type Row,
  type Size,
} from './operations.ts';
import { checkFields, choice, flag, given, nullable, number, numbers, type Kind } from '../options.ts';

export interface CtAugmentOptions {
  /** Operations for each image, drawn with replacement (default 2). */
  depth?: number;
  /** rho: how much of a rate is kept in an update (default 0.99). */
  decay?: number;
  /** Bins whose rate is below this share of the best are not drawn (default 0.8). */
  threshold?: number;
  /** Rotations, shears, translations and enlargements (default true). They move labels and validity alike. */
  geometric?: boolean;
  /** End strong views with a square of half the shorter side (default true). */
  cutout?: boolean;
  /**
   * Translations of up to 0.3 of the image (default), as the paper means; or of up to 0.3 pixels, as its code has it.
   */
  translate?: 'fraction' | 'pixels';
  /**
   * What fills squares and the outside, [r, g, b] in [0, 1]; null (default): ImageNet's mean, the grey that
   * standardised images call 0.
   */
  fill?: readonly number[] | null;
}

/** What the options may be. */
export const CTAUGMENT_FIELDS: Readonly<Record<keyof CtAugmentOptions, Kind>> = {
  depth: number({ whole: true, from: 1, to: 16 }),
  decay: number({ above: 0, below: 1 }),
  threshold: number({ from: 0, to: 1 }),
  geometric: flag,
  cutout: flag,
  translate: choice('fraction', 'pixels'),
  fill: nullable(numbers({ from: 0, to: 1 }, 3)),
};

interface Operation {
  /** Bins of each parameter. */
  bins: readonly number[];
  geometric?: boolean;
  row(levels: readonly number[], size: Size, rng: Rng, options: Required<CtAugmentOptions>): Row;
}

const side = (level: number, size: Size): number => 1 + Math.trunc(0.499 * level * Math.min(...size));
const factor = (level: number): number => 0.1 + 1.9 * level;
const centred = (level: number): number => 0.3 * (2 * level - 1);
const shift = (level: number, length: number, o: Required<CtAugmentOptions>): number =>
  centred(level) * (o.translate === 'fraction' ? length : 1);

/** The operations; levels lie in [0, 1]. */
const OPERATIONS = {
  autocontrast: { bins: [17], row: ([l]) => blended('autocontrast', l) },
  blur: { bins: [17], row: ([l]) => blended('blur', l) },
  brightness: { bins: [17], row: ([l]) => enhance('brightness', factor(l)) },
  color: { bins: [17], row: ([l]) => enhance('color', factor(l)) },
  contrast: { bins: [17], row: ([l]) => enhance('contrast', factor(l)) },
  cutout: {
    bins: [17],
    row: ([l], size, rng) => cutoutAround(rng.int(size[0]), rng.int(size[1]), side(l, size), size),
  },
  equalize: { bins: [17], row: ([l]) => blended('equalize', l) },
  invert: { bins: [17], row: ([l]) => blended('invert', l) },
  identity: { bins: [], row: () => identity() },
  posterize: { bins: [8], row: ([l]) => posterize(1 + Math.trunc(7.999 * l)) },
  rescale: {
    bins: [17, 6],
    geometric: true,
    row: ([l, m], size) => rescale(0.25 * l, RESAMPLING[Math.trunc(5.99 * m)], size),
  },
  rotate: { bins: [17], geometric: true, row: ([l], size) => rotate(Math.round(45 * (2 * l - 1)), size) },
  sharpness: { bins: [17], row: ([l]) => enhance('sharpness', factor(l)) },
  shearX: { bins: [17], geometric: true, row: ([l]) => shearX(centred(l)) },
  shearY: { bins: [17], geometric: true, row: ([l]) => shearY(centred(l)) },
  smooth: { bins: [17], row: ([l]) => blended('smooth', l) },
  solarize: { bins: [17], row: ([l]) => solarize(Math.trunc(255.999 * l)) },
  translateX: { bins: [17], geometric: true, row: ([l], size, _, o) => translateX(shift(l, size[1], o)) },
  translateY: { bins: [17], geometric: true, row: ([l], size, _, o) => translateY(shift(l, size[0], o)) },
} as const satisfies Record<string, Operation>;

export type CtOperation = keyof typeof OPERATIONS;

/** One operation with the levels of its parameters, each in [0, 1). */
export interface PolicyStep {
  op: CtOperation;
  levels: readonly number[];
}

/** Probability of each bin from its rates: p = rate + 1 - rho, over the largest, 0 below the threshold, normalised. */
export function binProbabilities(rates: readonly number[], decay: number, threshold: number): number[] {
  const raised = rates.map((r) => r + (1 - decay));
  const most = Math.max(...raised);
  const kept = raised.map((p) => (p / most < threshold ? 0 : p / most));
  const sum = kept.reduce((a, b) => a + b, 0);
  return kept.map((p) => p / sum);
}

/** The bin of a level. */
const binOf = (level: number, bins: number): number => Math.trunc(level * bins * 0.999);

/** The learned rates. They live on the host and belong into checkpoints (`save`, `load`). */
export class CtAugment {
  readonly options: Required<CtAugmentOptions>;
  /** Rates of each operation, parameter and bin; all 1 at first. */
  readonly rates: ReadonlyMap<CtOperation, number[][]>;

  /** @throws UsageError where an option is out of its range */
  constructor(options: CtAugmentOptions = {}) {
    checkFields(CTAUGMENT_FIELDS, options, 'ctaugment', 'ctaugment.');
    const o = {
      depth: 2,
      decay: 0.99,
      threshold: 0.8,
      geometric: true,
      cutout: true,
      translate: 'fraction' as const,
      fill: null,
      ...given(options),
    };
    this.options = o;
    const chosen = (Object.entries(OPERATIONS) as [CtOperation, Operation][]).filter(
      ([, op]) => o.geometric || !op.geometric,
    );
    this.rates = new Map(chosen.map(([name, op]) => [name, op.bins.map((n) => Array<number>(n).fill(1))]));
  }

  /** Operations of a strong view: each parameter's bin by its probability, the level uniform within the bin. */
  policy(rng: Rng): PolicyStep[] {
    const names = [...this.rates.keys()];
    return Array.from({ length: this.options.depth }, () => {
      const op = rng.choice(names);
      return {
        op,
        levels: this.rates.get(op)!.map((rates) => {
          const probabilities = binProbabilities(rates, this.options.decay, this.options.threshold);
          const at = rng.uniform();
          let bin = 0;
          for (let sum = probabilities[0]; bin < rates.length - 1 && at >= sum; sum += probabilities[bin]) bin++;
          // Rounding in the sum must not end in a bin that is cut off.
          while (probabilities[bin] === 0) bin--;
          return (bin + rng.uniform()) / rates.length;
        }),
      };
    });
  }

  /** Operations that probe: everything uniform. */
  probe(rng: Rng): PolicyStep[] {
    const names = [...this.rates.keys()];
    return Array.from({ length: this.options.depth }, () => {
      const op = rng.choice(names);
      return { op, levels: this.rates.get(op)!.map(() => rng.uniform()) };
    });
  }

  /**
   * Learns from one probed image: rate <- rho rate + (1 - rho) proximity for every bin that was used.
   * @param proximity probability of the truth, 0 to 1
   */
  update(policy: readonly PolicyStep[], proximity: number): void {
    const { decay } = this.options;
    for (const { op, levels } of policy) {
      levels.forEach((level, k) => {
        const rates = this.rates.get(op)![k];
        const bin = binOf(level, rates.length);
        rates[bin] = rates[bin] * decay + proximity * (1 - decay);
      });
    }
  }

  /** Rows of the table for each image. @param strong with the final square */
  slots(strong: boolean): number {
    return this.options.depth + (strong && this.options.cutout ? 1 : 0);
  }

  /** The policies of n images as a table for `applyOperations`, i32 [n, slots, 16]. `rng` draws where squares lie. */
  table(policies: readonly (readonly PolicyStep[])[], size: Size, rng: Rng, strong: boolean): Int32Array {
    const slots = this.slots(strong);
    const out = new Int32Array(policies.length * slots * OP_ROW);
    policies.forEach((policy, k) => {
      policy.forEach(({ op, levels }, s) =>
        out.set((OPERATIONS[op] as Operation).row(levels, size, rng, this.options), (k * slots + s) * OP_ROW),
      );
      if (strong && this.options.cutout)
        out.set(
          cutoutAround(rng.int(size[0]), rng.int(size[1]), side(1, size), size),
          (k * slots + slots - 1) * OP_ROW,
        );
    });
    return out;
  }

  /** The rates as plain JSON. */
  save(): Record<string, number[][]> {
    return Object.fromEntries([...this.rates].map(([op, rates]) => [op, rates.map((r) => r.slice())]));
  }

  /** Puts saved rates back. @throws CheckpointError when they are of other operations */
  load(state: unknown): void {
    const given = state as Record<string, number[][]> | null;
    for (const [op, rates] of this.rates) {
      const own = given?.[op];
      if (!own || own.length !== rates.length || own.some((r, k) => r.length !== rates[k].length))
        throw new CheckpointError(
          `the checkpoint has no rates for CTAugment's ${op}`,
          'it was made with other options',
        );
      own.forEach((r, k) => rates[k].splice(0, r.length, ...r));
    }
  }
}
