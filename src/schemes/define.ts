// How a scheme is declared: one record, from which come its check, its defaults, its help, what is saved and optimised,
// and the interface to the trainer.

import { UsageError } from '../../runtime/errors.ts';
import { countPseudoLabels, pseudoLabelCounts } from '../ops/index.ts';
import { Ema, type EmaOptions } from '../../runtime/optim/ema.ts';
import type { Optimizer } from '../../runtime/optim/optimizer.ts';
import { sigmoidRamp } from '../../runtime/optim/schedules.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { BoxMaskOptions, SingleBoxOptions } from '../augment/cutmix.ts';
import { ceValid } from '../losses/index.ts';
import type { Network, ParameterSet } from '../nn/module.ts';
import {
  checkFields,
  choice,
  fill,
  helpOf,
  kindsOf,
  number,
  option,
  type Given,
  type Options,
  type Values,
} from '../options.ts';
import type { Scheme, SchemeContext, Stage, StepOutputs } from './scheme.ts';
import type { Moment, StepContext, StreamSpec } from './step.ts';
import { strengthen, type StrengthenExtra, type StrongOptions } from './strong.ts';
import { cutMixMask, eachMap, mixedView, VIEW_OPTIONS, weakView } from './views.ts';
import type { LabelledView, Partner, PixelLabels, TargetView, UnlabelledView } from './views.ts';

/** Options that several schemes have. */
export const WEIGHT = option(number({ from: 0 }), 1, 'weight of the unlabelled loss');
export const RAMP = option(
  number({ from: 0, to: 1 }),
  0,
  'share of the steps over which the weight rises as exp(-5 (1 - t)^2)',
);

export const ACCEPTED_LOSS = option(choice('ce', 'dice'), 'ce', 'loss of accepted pixels: cross-entropy, or Dice loss');

/** Share of the images that have labels; that of the batch where the images are not known. */
export function labelledShare({ labelled, unlabelled, batch }: SchemeContext): number {
  const l = labelled?.length ?? batch.labelled;
  return l / (l + (unlabelled?.length ?? batch.unlabelled));
}

/** A network, or what is trained beside one, with its optimiser. */
export interface Learner<N extends ParameterSet = Network> {
  readonly net: N;
  readonly optimizer: Optimizer;
}

/** What a step is recorded with: the views of its batch, and weights that change from step to step. */
export class Step {
  readonly ctx: StepContext;
  readonly c: SchemeContext;
  /** Geometry of weak views. */
  readonly weak: Values<typeof VIEW_OPTIONS>['weak'];

  constructor(ctx: StepContext, c: SchemeContext, { weak }: Values<typeof VIEW_OPTIONS>) {
    this.ctx = ctx;
    this.c = c;
    this.weak = weak;
  }

  /** Weak views of a stream that the trainer loads. */
  view(stream: StreamSpec): LabelledView & UnlabelledView {
    return weakView(this.ctx, this.c, stream, this.weak);
  }

  /** Weak views of the labelled batch. */
  labelled(): LabelledView {
    return this.view({ name: 'labelled', kind: 'labelled', n: this.c.batch.labelled });
  }

  /** Weak views of an unlabelled batch. @param name another name gives another batch */
  unlabelled(name = 'unlabelled'): UnlabelledView {
    return this.view({ name, kind: 'unlabelled', n: this.c.batch.unlabelled });
  }

  /** A strong view of weak ones: its labels move where its pixels do. @param name of its draws */
  strong(
    { image }: { image: Tensor },
    options: StrongOptions,
    name = 'strong',
    extra: StrengthenExtra = {},
  ): TargetView {
    const changed = strengthen(this.ctx, name, image, options, extra);
    return { image: changed.image, carry: (q) => eachMap(q, changed.move) };
  }

  /**
   * CutMix with the next image of the batch, or with a partner.
   * @param options boxes; null mixes nothing
   * @param partner asked for where there is something to mix
   * @param name of the draws
   */
  cutmix(
    target: TargetView,
    options: BoxMaskOptions | SingleBoxOptions | null,
    partner?: () => Partner,
    name = 'cutmix',
  ): TargetView {
    const n = target.image.shape[0];
    // A single image is its own neighbour.
    if (options === null || (n < 2 && !partner)) return target;
    return mixedView(this.mask(n, options, name), target, partner?.());
  }

  /** Masks of CutMix [n, h, w]. @param name of the draws */
  mask(n: number, options: BoxMaskOptions | SingleBoxOptions, name = 'cutmix'): Tensor {
    return cutMixMask(this.ctx, this.c, name, n, options);
  }

  /**
   * The loss of labelled pixels, as the run chooses it (usually the cross-entropy over the valid ones).
   * @param logits [..., C]
   * @param labels [...] i32
   */
  supervised(logits: Tensor, labels: Tensor): Tensor {
    return (this.c.labelledLoss ?? ceValid)(logits, labels);
  }

  /** A weight that rises over a share of the steps (0: at once). */
  ramped(weight: number, ramp: number): Tensor {
    return this.ctx.scalar('weight', ({ progress }) => weight * (ramp ? sigmoidRamp(progress / ramp) : 1));
  }
}

/** What a scheme is made of: whatever it asks for here is saved, optimised and disposed of. */
export class Parts {
  readonly c: SchemeContext;
  readonly networks = new Map<string, ParameterSet>();
  readonly learners = new Map<string, Learner<ParameterSet>>();
  readonly averages: { ema: Ema; decay(at: Moment): number }[] = [];
  /** Counts of pseudo-labels; the trainer reads and clears them. */
  readonly counts: Tensor | undefined;
  readonly #owned: { dispose(): void }[] = [];

  constructor(c: SchemeContext, { counting }: { counting: boolean }) {
    this.c = c;
    this.counts = counting ? c.device.keep(pseudoLabelCounts(c.device, c.numClasses)) : undefined;
    if (this.counts) this.#owned.push(this.counts);
  }

  /** A network that is trained. The same `draw` gives the same first weights in every scheme. */
  learner(name = 'net', draw = 0): Learner {
    return this.trained(name, this.c.network(draw));
  }

  /** Parameters that are trained. */
  trained<N extends ParameterSet>(name: string, net: N): Learner<N> {
    const optimizer = this.c.optimizer(this.saved(name, net).params, (parameter) => net.isHead(parameter));
    this.#owned.push(optimizer);
    this.learners.set(name, { net, optimizer });
    return { net, optimizer };
  }

  /** Parameters and buffers that are saved with a checkpoint. */
  saved<N extends ParameterSet>(name: string, net: N): N {
    this.networks.set(name, net);
    this.#owned.push(net);
    return net;
  }

  /**
   * A moving average of a network's weights, saved as `name` and updated after each step. It begins as `of` does where
   * that has draw 0.
   * @param buffers what becomes of the running statistics (default: copied)
   */
  average(
    name: string,
    of: Network,
    decay: (at: Moment) => number,
    { buffers = 'copy' }: Partial<Pick<EmaOptions, 'buffers'>> = {},
  ): Network {
    const net = this.saved(name, this.c.network(0));
    this.averages.push({ ema: new Ema(net, of, { buffers }), decay });
    return net;
  }

  /** Counts the pseudo-labels of a step, for the log. */
  count({ label, truth }: Pick<PixelLabels, 'label' | 'truth'>, accepted: Tensor): void {
    if (!this.counts) throw new UsageError('a step counts pseudo-labels, but its scheme needs no unlabelled images');
    countPseudoLabels(this.counts, label, accepted, truth);
  }

  dispose(): void {
    for (const part of this.#owned.splice(0).reverse()) part.dispose();
  }
}

/** What a scheme makes of its parts. */
export interface Built extends Partial<
  Pick<Scheme, 'label' | 'ensemble' | 'pseudoLabels' | 'hostTensors' | 'hostState'>
> {
  /** The network whose predictions count. */
  evaluated: Network;
  /** The one step of the scheme: its loss, whose gradient moves all learners … */
  step?(s: Step): StepOutputs;
  /** Runs before every so many steps; see {@link Stage.every}. */
  every?: Stage['every'];
  /** How `every` has images predicted. */
  predicts?: Stage['predicts'];
  /** … or several stages. */
  stages?: readonly Stage[];
}

/** A scheme, as it is declared. */
export interface SchemeDefinition<O extends Options> {
  /** As it is written in commands and files. */
  name: string;
  /** As it is printed. */
  title: string;
  /** Authors, year and address of the paper. */
  paper: string;
  /** The idea in a line. */
  about: string;
  /** Its own options; those of weak views are added. */
  options: O;
  /** Options of earlier versions, and what takes their place. */
  renamed?: Readonly<Record<string, string>>;
  /** The scheme needs unlabelled images (default true). */
  needsUnlabelled?: boolean;
  /** Options that suit a first small run, as the page offers them. */
  small?: Given<O>;
  /**
   * Settings of a run that takes so many steps over all stages, where a scheme has several (default: the steps as they
   * are).
   */
  within?(steps: number): { steps: number; options: Given<O> };
  /** Checks what a kind cannot. @throws UsageError */
  check?(c: SchemeContext, o: Values<O>): void;
  build(parts: Parts, o: Values<O> & Values<typeof VIEW_OPTIONS>): Built;
}

/** A scheme that can be built by its name. */
export interface SchemeRecord extends Pick<
  SchemeDefinition<Options>,
  'name' | 'title' | 'paper' | 'about' | 'options'
> {
  readonly needsUnlabelled: boolean;
  readonly small: Readonly<Record<string, unknown>>;
  within(steps: number): { steps: number; options: Record<string, unknown> };
  /** A line of help for each option. */
  readonly help: Readonly<Record<string, string>>;
  /** Has it this option? */
  knows(option: string): boolean;
  /** Had an earlier version this option? */
  renames(option: string): boolean;
  /** @throws UsageError naming the option that is unknown, or whose value does not fit */
  check(options: Record<string, unknown>): void;
  /** @throws UsageError where an option does not fit */
  make(c: SchemeContext, options?: Record<string, unknown>): Scheme;
}

/** A scheme's record with the types of its options. */
export interface TypedScheme<O extends Options> extends SchemeRecord {
  readonly options: O;
  make(c: SchemeContext, options?: Given<O & typeof VIEW_OPTIONS>): Scheme;
  /** The values of options, defaults included. */
  fill(options?: Given<O & typeof VIEW_OPTIONS>): Values<O> & Values<typeof VIEW_OPTIONS>;
}

/**
 * Declares a scheme. {@link registerScheme} makes it known by its name.
 * @example export const mine = defineScheme({
 *   name: 'mine', title: 'Mine', paper: 'none', about: '…', options: { weight: WEIGHT }, build: …
 * });
 */
export function defineScheme<O extends Options>(definition: SchemeDefinition<O>): TypedScheme<O> {
  const { name, title, paper, about, options, renamed = {}, needsUnlabelled = true } = definition;
  const all = { ...VIEW_OPTIONS, ...options };
  const kinds = kindsOf(all);
  const check = (values: object): void => checkFields(kinds, values, `the scheme ${name}`, '', renamed);
  const filled = (values: object = {}) =>
    fill(all, values as Given<typeof all>) as Values<O> & Values<typeof VIEW_OPTIONS>;
  return {
    name,
    title,
    paper,
    about,
    options,
    needsUnlabelled,
    check,
    fill: filled,
    small: definition.small ?? {},
    within: (steps) => definition.within?.(steps) ?? { steps, options: {} },
    help: helpOf(options),
    knows: (key) => Object.hasOwn(all, key),
    renames: (key) => Object.hasOwn(renamed, key),
    make(c, values = {}) {
      check(values);
      const o = filled(values);
      definition.check?.(c, o);
      const parts = new Parts(c, { counting: needsUnlabelled });
      try {
        return assemble(name, needsUnlabelled, parts, definition.build(parts, o), o);
      } catch (error) {
        parts.dispose();
        throw error;
      }
    },
  };
}

/** The interface to the trainer. */
function assemble(
  name: string,
  needsUnlabelled: boolean,
  parts: Parts,
  built: Built,
  views: Values<typeof VIEW_OPTIONS>,
): Scheme {
  const { step, stages, every, predicts, ...rest } = built;
  const { c, learners } = parts;
  const record = (ctx: StepContext): StepOutputs => {
    const out = step!(new Step(ctx, c, views));
    const [first, ...others] = parts.averages;
    const hyper = ctx.hyper({ emaDecay: first?.decay });
    ctx.descend(
      out.loss,
      [...learners.values()].map(({ net, optimizer }) => [net.params, optimizer]),
      hyper,
    );
    first?.ema.update(hyper);
    others.forEach(({ ema, decay }, i) => ema.update(ctx.hyper({ name: `hyper ${i + 2}`, emaDecay: decay })));
    return { ...out, counts: parts.counts };
  };
  if (!step && !stages) throw new UsageError(`the scheme ${name} has neither a step nor stages`);
  return {
    ...rest,
    name,
    needsUnlabelled,
    networks: parts.networks,
    optimizers: new Map([...learners].map(([key, { optimizer }]) => [key, optimizer])),
    stages: stages ?? [{ name, steps: c.steps, every, predicts, record }],
    dispose: () => parts.dispose(),
  };
}
