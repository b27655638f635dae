// Self-training in three steps (ST, Yang et al. 2022): a supervised teacher, its hard labels for all unlabelled images,
// a student trained from scratch on both. ST++ first labels the images on which the teacher's earlier states agree with
// its last one, then lets that student label the rest.

import { UsageError } from '../../runtime/errors.ts';
import { Ema } from '../../runtime/optim/ema.ts';
import { drawSingleBoxes, SINGLE_BOX_FIELDS, UNIMATCH_BOX } from '../augment/cutmix.ts';
import { cutout } from '../augment/gpu/cutout.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import type { SourceBatch } from '../data/types.ts';
import { TRAIN, type Network } from '../nn/module.ts';
import { choice, flag, nullable, number, numbers, option, over, type Values } from '../options.ts';
import { defineScheme, Step, type Learner } from './define.ts';
import { mostReliable, PLAIN, reliabilities, snapshotStep } from './reliability.ts';
import type { LabelMap, PredictOptions, Stage, StageServices, StepOutputs } from './scheme.ts';
import { strengthen, strongOption } from './strong.ts';
import { supervisedStep } from './supervised.ts';

const options = {
  scales: option(numbers({ above: 0, to: 4 }), [0.5, 0.75, 1, 1.5, 2], 'sizes at which the teacher labels'),
  flip: option(flag, true, 'the teacher also labels the mirrored image'),
  threshold: option(
    number({ from: 0, to: 1 }),
    0,
    'ignore labels with an averaged probability below this (published: no threshold)',
  ),
  teacher: option(choice('best', 'last'), 'best', 'which weights label: the best on val, or the last'),
  teacherSteps: option(nullable(number({ whole: true, from: 1 })), null, "steps of the teacher; null: the student's"),
  reliable: option(
    nullable(number({ above: 0, below: 1 })),
    null,
    'ST++: share of the images that is reliable and learned from first; null: ST',
  ),
  strong: strongOption({ learned: false }),
  cutout: option(
    nullable(over(UNIMATCH_BOX, SINGLE_BOX_FIELDS)),
    {},
    'box of noise that the loss ignores, in unlabelled images; null: none',
  ),
};
type Chosen = Values<typeof options>;

/** Draws of initial weights: the teacher has the supervised baseline's. */
const TEACHER = 0;
const STUDENT = 1;
const FINAL_STUDENT = 2;
/**
 * L = CE-valid over a mixed batch of labelled + unlabelled images; no threshold, no weight. Batch norm: train,
 * statistics move. Evaluated: the teacher, then the student of the stage.
 */
export const selfTraining = defineScheme({
  name: 'self-training',
  title: 'Self-training',
  paper: 'Yang et al. 2022, https://arxiv.org/abs/2106.05095',
  about: 'a teacher labels the unlabelled images, a student learns from all',
  options,
  renamed: { reliability: 'reliable=0.5' },
  // Teacher and student share the steps, and labelling at one scale does not take longer than they do.
  within(all) {
    const steps = Math.ceil(all / 2);
    return { steps, options: { teacherSteps: Math.max(1, all - steps), scales: [1] } };
  },
  build(parts, o) {
    const { c } = parts;
    const teacherSteps = o.teacherSteps ?? c.steps;
    const keepBest = o.teacher === 'best';
    const teacher = parts.learner('teacher', TEACHER);
    const snapshots =
      o.reliable === null ? [] : [1, 2].map((i) => parts.saved(`teacher at ${i}/3`, c.network(TEACHER)));
    const students = (o.reliable === null ? [STUDENT] : [STUDENT, FINAL_STUDENT]).map((draw, i) =>
      parts.learner(`student${i + 1}`, draw),
    );
    const pseudoLabels = new Map<string, LabelMap>();
    const split = { reliable: [] as string[], others: [] as string[] };

    const augmented: PredictOptions = { scales: o.scales, flip: o.flip };
    /** Labels images by the network of an earlier stage. */
    const label = async (
      services: StageServices,
      net: Network,
      stage: number,
      ids?: readonly string[],
    ): Promise<void> => {
      if (keepBest) await services.loadBest?.(net, stage);
      await services.predictUnlabelled(net, { ...augmented, ids: ids && new Set(ids) }, (id, map, confidence) => {
        // Without a threshold too: a confidence that is NaN is none.
        confidence.forEach((p, i) => (map.labels[i] = p >= o.threshold ? map.labels[i] : 255));
        pseudoLabels.set(id, map);
      });
    };
    const descending =
      ({ net, optimizer }: Learner, step: (s: Step) => StepOutputs): Stage['record'] =>
      (ctx) => {
        const out = step(new Step(ctx, c, o));
        ctx.descend(out.loss, [[net.params, optimizer]]);
        return out;
      };
    const teaching: Stage = {
      name: 'teacher',
      steps: teacherSteps,
      evaluated: teacher.net,
      keepBest,
      record: descending(teacher, (s) => supervisedStep(s, teacher.net)),
      afterStep(step) {
        snapshots.forEach((net, i) => {
          if (step + 1 === snapshotStep(i, teacherSteps)) new Ema(net, teacher.net, { buffers: 'copy' }).copy();
        });
      },
    };
    const learning = (name: string, student: Learner, prepare: Stage['prepare']): Stage => ({
      name,
      steps: c.steps,
      evaluated: student.net,
      keepBest,
      predicts: augmented,
      prepare,
      record: descending(student, (s) => studentStep(s, student.net, pseudoLabels, o)),
    });
    const judging: Stage = {
      name: 'reliability',
      steps: 0,
      predicts: PLAIN,
      async prepare(services) {
        const scored = await reliabilities(services, teacher.net, snapshots, c.numClasses);
        split.reliable = mostReliable(scored, o.reliable ?? 0);
        const chosen = new Set(split.reliable);
        split.others = scored.map(({ id }) => id).filter((id) => !chosen.has(id));
      },
      record: () => {
        throw new UsageError('the stage of reliability has no steps');
      },
    };
    const plain = (): Stage[] => [
      teaching,
      learning('student', students[0], (services) => label(services, teacher.net, 0)),
    ];
    const inTwo = (): Stage[] => [
      teaching,
      judging,
      learning('student on reliable', students[0], async (services) => {
        pseudoLabels.clear();
        await label(services, teacher.net, 0, split.reliable);
      }),
      learning('student', students[1], (services) => label(services, students[0].net, 2, split.others)),
    ];
    return {
      evaluated: students.at(-1)!.net,
      stages: o.reliable === null ? plain() : inTwo(),
      pseudoLabels,
      hostState:
        o.reliable === null ? undefined : { save: () => split, load: (state) => void Object.assign(split, state) },
    };
  },
});

/**
 * One step on a mixed batch. Strong changes go to the images that carry pseudo-labels; what CutOut covers is ignored.
 */
function studentStep(s: Step, net: Network, pseudoLabels: ReadonlyMap<string, LabelMap>, o: Chosen): StepOutputs {
  const { ctx, c } = s;
  const n = c.batch.labelled + c.batch.unlabelled;
  const only = (batches: ReadonlyMap<string, SourceBatch>): boolean[] =>
    batches.get('mixed')!.ids.map((id) => pseudoLabels.has(id));
  const weak = s.view({ name: 'mixed', kind: 'mixed', n });
  const strong = strengthen(ctx, 'strong', weak.image, o.strong, { only });
  let { image } = strong;
  let labels = strong.move(weak.label, 255);
  const box = o.cutout;
  if (box !== null) {
    const boxes = ctx.input('cutout', [n, 1, 4], 'i32', (at, batches) => {
      const drawn = drawSingleBoxes(ctx.rng('cutout', at), n, c.crop, box, false);
      only(batches).forEach((on, k) => {
        if (!on) drawn.fill(0, 4 * k, 4 * k + 4);
      });
      return drawn;
    });
    ({ image, labels } = cutout(image, boxes, { noise: ctx.randomSeed('noise'), labels }));
  }
  return { loss: s.supervised(net.forward(standardize(image), TRAIN), labels) };
}
