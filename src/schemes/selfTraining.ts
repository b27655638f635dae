// Self-training in three steps (ST, Yang et al. 2022): a supervised teacher, its hard labels for all unlabelled images, a student trained from
// scratch on both. ST++ first labels the images on which the teacher's earlier states agree with its last one, then lets that student label the rest.

import { UsageError } from '../../runtime/errors.ts';
import { Ema } from '../../runtime/optim/ema.ts';
import type { Optimizer } from '../../runtime/optim/optimizer.ts';
import { drawSingleBoxes, SINGLE_BOX_FIELDS, UNIMATCH_BOX, type SingleBoxOptions } from '../augment/cutmix.ts';
import { cutout } from '../augment/gpu/cutout.ts';
import { checkFields, choice, fields, flag, given, nullable, number, numbers, type Kind } from '../augment/settings.ts';
import type { SourceBatch } from '../data/types.ts';
import { ceValid } from '../losses/index.ts';
import { countConfusion, scores } from '../metrics/miou.ts';
import { TRAIN, type Network } from '../nn/module.ts';
import type { LabelMap, PredictOptions, Scheme, SchemeContext, Stage, StageServices, StepOutputs } from './scheme.ts';
import type { StepContext } from './step.ts';
import { strengthen, strongKind, type StrongOptions } from './strong.ts';
import { supervisedStep } from './supervised.ts';
import { normalise, VIEW_FIELDS, weakView, type ViewOptions } from './views.ts';

export interface SelfTrainingOptions extends ViewOptions {
  /** Test-time augmentation of the labeller: scales (default 0.5, 0.75, 1, 1.5, 2), each also mirrored (default true). */
  scales?: readonly number[];
  flip?: boolean;
  /** Labels whose averaged probability is below this are ignored (default 0: none, as published). */
  threshold?: number;
  /** Which weights label: the best on the validation images (default, as published; the last ones where there are none), or the last. */
  teacher?: 'best' | 'last';
  /** Steps of the teacher (default: as many as a student's). */
  teacherSteps?: number;
  /** ST++: reliable images first (default false). */
  reliability?: boolean;
  /** Share of the unlabelled images that counts as reliable (default 0.5). */
  reliable?: number;
  /** Colour changes of unlabelled images (default ST++'s list), or `{ randaugment: … }`. Labelled images are augmented weakly alone. */
  strong?: StrongOptions;
  /** CutOut of unlabelled images, filled with noise and ignored in the loss (default p 0.5, 2 to 40 % of the image); null turns it off. */
  cutout?: Partial<SingleBoxOptions> | null;
}

/** What the options may be. */
export const SELF_TRAINING_FIELDS: Readonly<Record<keyof SelfTrainingOptions, Kind>> = {
  ...VIEW_FIELDS,
  scales: numbers({ above: 0, to: 4 }), flip: flag, threshold: number({ from: 0, to: 1 }), teacher: choice('best', 'last'), teacherSteps: number({ whole: true, from: 1 }),
  reliability: flag, reliable: number({ above: 0, below: 1 }), strong: strongKind({ learned: false }), cutout: nullable(fields(SINGLE_BOX_FIELDS)),
};

/** Draws of initial weights: the teacher has the supervised baseline's. */
const TEACHER = 0, STUDENT = 1, FINAL_STUDENT = 2;
const SCALES = [0.5, 0.75, 1, 1.5, 2] as const;
/** Without test-time augmentation. */
const PLAIN: PredictOptions = { scales: [1], flip: false };

/** mIoU of two label maps of one image; classes that neither has are left out. */
export function imageMiou(a: ArrayLike<number>, b: ArrayLike<number>, classes: number): number {
  return scores(countConfusion(a, b, classes), classes).miou;
}

/** The most reliable share of images, ties in the order given. */
export function mostReliable(scored: readonly { id: string; score: number }[], share: number): string[] {
  const ranked = scored.map((s, i) => ({ ...s, i })).sort((a, b) => b.score - a.score || a.i - b.i);
  return ranked.slice(0, Math.max(1, Math.floor(ranked.length * share))).map((s) => s.id);
}

/** A network with its optimiser. */
interface Learner {
  net: Network;
  optimizer: Optimizer;
}

/**
 * L = CE-valid over a mixed batch of labelled + unlabelled images; no threshold, no weight. Batch norm: train, statistics move. Evaluated: the teacher, then
 * the student of the stage.
 * @throws UsageError where an option does not fit
 */
export function selfTraining(c: SchemeContext, options: SelfTrainingOptions = {}): Scheme {
  checkFields(SELF_TRAINING_FIELDS, options, 'the scheme self-training');
  const o = { scales: SCALES as readonly number[], flip: true, threshold: 0, teacher: 'best' as const, teacherSteps: c.steps, reliability: false, reliable: 0.5, ...given(options) };
  const learner = (draw: number): Learner => {
    const net = c.network(draw);
    return { net, optimizer: c.optimizer(net.params, (name) => net.isHead(name)) };
  };
  const teacher = learner(TEACHER);
  const students = o.reliability ? [learner(STUDENT), learner(FINAL_STUDENT)] : [learner(STUDENT)];
  const snapshots = o.reliability ? [c.network(TEACHER), c.network(TEACHER)] : [];
  const pseudoLabels = new Map<string, LabelMap>();
  let reliable: string[] = [], others: string[] = [];

  const augmented: PredictOptions = { scales: o.scales, flip: o.flip };
  /** Labels images by the network of an earlier stage. */
  const label = async (services: StageServices, net: Network, stage: number, ids?: ReadonlySet<string>): Promise<void> => {
    if (o.teacher === 'best') await services.loadBest?.(net, stage);
    await services.predictUnlabelled(net, { ...augmented, ids }, (id, map, confidence) => {
      // Without a threshold too: a confidence that is NaN is none.
      confidence.forEach((p, i) => (map.labels[i] = p >= o.threshold ? map.labels[i] : 255));
      pseudoLabels.set(id, map);
    });
  };
  const keepBest = o.teacher === 'best';
  const teaching: Stage = {
    name: 'teacher',
    steps: o.teacherSteps,
    evaluated: teacher.net,
    keepBest,
    record: (ctx) => supervisedStep(ctx, c, teacher.net, teacher.optimizer, options),
    afterStep(step) {
      snapshots.forEach((net, i) => {
        if (step + 1 === snapshotStep(i, o.teacherSteps)) new Ema(net, teacher.net, { buffers: 'copy' }).copy();
      });
    },
  };
  const learning = (name: string, { net, optimizer }: Learner, prepare: Stage['prepare']): Stage => ({
    name, steps: c.steps, evaluated: net, keepBest, predicts: augmented, prepare, record: (ctx) => studentStep(ctx, c, net, optimizer, pseudoLabels, options),
  });
  const stages: Stage[] = o.reliability
    ? [
        teaching,
        {
          name: 'reliability',
          steps: 0,
          predicts: PLAIN,
          prepare: async (services) => {
            const scored = await reliabilities(services, teacher.net, snapshots, c.numClasses);
            reliable = mostReliable(scored, o.reliable);
            const chosen = new Set(reliable);
            others = scored.map(({ id }) => id).filter((id) => !chosen.has(id));
          },
          record: () => {
            throw new UsageError('the stage of reliability has no steps');
          },
        },
        learning('student on reliable', students[0], async (services) => {
          pseudoLabels.clear();
          await label(services, teacher.net, 0, new Set(reliable));
        }),
        learning('student', students[1], async (services) => {
          await label(services, students[0].net, 2, new Set(others));
        }),
      ]
    : [
        teaching,
        learning('student', students[0], async (services) => {
          pseudoLabels.clear();
          await label(services, teacher.net, 0);
        }),
      ];
  const named = new Map<string, Network>([['teacher', teacher.net], ...snapshots.map((net, i) => [`teacher at ${i + 1}/3`, net] as const), ...students.map(({ net }, i) => [`student${i + 1}`, net] as const)]);
  const optimizers = new Map<string, Optimizer>([['teacher', teacher.optimizer], ...students.map(({ optimizer }, i) => [`student${i + 1}`, optimizer] as const)]);
  return {
    name: 'self-training',
    needsUnlabelled: true,
    networks: named,
    optimizers,
    evaluated: students.at(-1)!.net,
    stages,
    pseudoLabels,
    hostState: o.reliability
      ? {
          save: () => ({ reliable, others }),
          load(state) {
            ({ reliable, others } = state as { reliable: string[]; others: string[] });
          },
        }
      : undefined,
    dispose() {
      for (const optimizer of optimizers.values()) optimizer.dispose();
      for (const net of named.values()) net.dispose();
    },
  };
}

/** Steps after which the teacher's earlier states are kept: one and two thirds. */
function snapshotStep(i: number, steps: number): number {
  return Math.max(1, Math.floor(((i + 1) * steps) / 3));
}

/** Reliability of each unlabelled image: the mean over the earlier states of the mIoU of their prediction with the last one's. No test-time augmentation. */
async function reliabilities(services: StageServices, last: Network, earlier: readonly Network[], classes: number): Promise<{ id: string; score: number }[]> {
  const final = new Map<string, { map: LabelMap; score: number }>();
  await services.predictUnlabelled(last, PLAIN, (id, map) => final.set(id, { map, score: 0 }));
  for (const net of earlier) {
    await services.predictUnlabelled(net, PLAIN, (id, { labels }) => {
      const known = final.get(id)!;
      known.score += imageMiou(labels, known.map.labels, classes) / earlier.length;
    });
  }
  return [...final].map(([id, { score }]) => ({ id, score }));
}

/** One step on a mixed batch. Strong changes go to the images that carry pseudo-labels; what CutOut covers is ignored. */
function studentStep(ctx: StepContext, c: SchemeContext, net: Network, optimizer: Optimizer, pseudoLabels: ReadonlyMap<string, LabelMap>, o: SelfTrainingOptions): StepOutputs {
  const n = c.batch.labelled + c.batch.unlabelled;
  const only = (batches: ReadonlyMap<string, SourceBatch>): boolean[] => batches.get('mixed')!.ids.map((id) => pseudoLabels.has(id));
  const weak = weakView(ctx, c, { name: 'mixed', kind: 'mixed', n }, o);
  const view = strengthen(ctx, 'strong', weak.image, o.strong ?? {}, { only });
  let image = view.image, labels = view.move(weak.labels, 255);
  if (o.cutout !== null) {
    const boxes = ctx.input('cutout', [n, 1, 4], 'i32', (at, batches) => {
      const drawn = drawSingleBoxes(ctx.rng('cutout', at), n, c.crop, { ...UNIMATCH_BOX, ...given(o.cutout) }, false);
      only(batches).forEach((on, k) => {
        if (!on) drawn.fill(0, 4 * k, 4 * k + 4);
      });
      return drawn;
    });
    ({ image, labels } = cutout(image, boxes, { noise: ctx.randomSeed('noise'), labels }));
  }
  const loss = ceValid(net.forward(normalise(image), TRAIN), labels);
  ctx.descend(loss, [[net.params, optimizer]]);
  return { loss };
}
