// `fewmask eval`: a trained network against the masks of a split.

import type { Command } from 'commander';
import { DataError, UsageError } from '../../runtime/errors.ts';
import { countConfusion, oneClassLine, scores } from '../metrics/miou.ts';
import type { Sample } from '../data/types.ts';
import type { EvalPoint } from '../train/records.ts';
import { Evaluator } from '../train/evaluate.ts';
import { action } from './action.ts';
import {
  addModelOptions,
  buildNetwork,
  openData,
  openDevice,
  readModel,
  type GlobalFlags,
  type ModelFlags,
} from './common.ts';
import { addInferenceOptions, Inference, type InferenceFlags } from './inference.ts';
import { addDataOptions, dataSpec, numbers, parseBytes, parseSeenSize, type DataFlags } from './options.ts';
import type { Output } from './output.ts';
import { evalLines } from './scores.ts';
import { scoredOn } from './started.ts';

type Flags = GlobalFlags & DataFlags & ModelFlags & InferenceFlags & { split: string; batch: number; memory?: number };
const SPLITS = ['val', 'test', 'labelled', 'train'] as const;

export function evalCommand(program: Command): void {
  const data = addModelOptions(
    addDataOptions(
      program
        .command('eval')
        .summary('score a trained network')
        .description(
          'Scores a trained network on the masks of a split: mIoU (both treatments of absent classes), each ' +
            'class, pixel accuracy. Every image is seen at the size of the training (or --size), whole or as ' +
            '--window, --scales and --flip say. Without ' +
            'DATA it is the data set of the run.',
        ),
      parseSeenSize,
    ),
  );
  addInferenceOptions(data, 'none, every image is seen whole')
    .option(
      '--split <name>',
      `one of ${SPLITS.join(', ')} (train: the labelled images, and the unlabelled ones that have a mask)`,
      'val',
    )
    .option('--batch <n>', 'images per batch', numbers.count, 4)
    .option('--memory <size>', 'limit of GPU memory (4G)', parseBytes)
    .addHelpText(
      'after',
      '\nExamples:\n  fewmask eval --model runs/fixmatch-0 --split test            on the data of the run, ' +
        'with its lists and its size\n  fewmask eval photos/ --model runs/fixmatch-0 --val my-list.txt --json',
    )
    .action(action(runEval));
}

async function runEval(f: Flags, out: Output, path: string | undefined): Promise<number> {
  const split = f.split as (typeof SPLITS)[number];
  if (!SPLITS.includes(split))
    throw new UsageError(`there is no split "${f.split}"`, `choose one of ${SPLITS.join(', ')}`);
  const { model, file } = await readModel(f);
  // Of the training images all masks are wanted that there are.
  const spec = { ...scoredOn(file, model, dataSpec(path, f)), judge: split === 'train' };
  if (f.size === null) delete spec.size;
  const dataset = await openData(spec, out);
  const device = await openDevice(f, out);
  try {
    const network = buildNetwork(device, model);
    if (dataset.numClasses !== network.numClasses)
      throw new DataError(
        `${file} knows ${network.numClasses} classes, the data set has ${dataset.numClasses}`,
        'give the data set that it was trained on, or --classes',
      );
    const ids = dataset.ids(split);
    if (ids.length === 0)
      throw new DataError(
        `the data set has no ${split} images`,
        'choose another --split, or name them: a list, or a part such as ' +
          `--${split === 'train' || split === 'labelled' ? 'labels' : split} 100%`,
      );
    out.say(`${ids.length} ${split} images, ${file}`);
    let scored = 0;
    const load = async (id: string): Promise<Sample> => {
      const sample = await dataset.load(id, { labels: true });
      if (sample.labels) scored++;
      return sample;
    };
    const inference = new Inference(device, network, f, Infinity);
    const confusion =
      inference.augmented || f.window
        ? await looked(inference, ids, load, network.numClasses, out)
        : await new Evaluator(device, network, f.batch).confusion(ids, load);
    if (scored < ids.length) out.say(`${ids.length - scored} of them have no mask and do not count`);
    const point: EvalPoint = {
      step: Number(model.origin.step ?? 0),
      split: split === 'test' ? 'test' : 'val',
      ...scores(confusion, dataset.numClasses),
    };
    const line = oneClassLine(confusion, dataset.classNames);
    if (line && f.json) out.warn(`${split}: ${line}`);
    out.result(
      f.json
        ? JSON.stringify({
            ...point,
            split,
            images: scored,
            classNames: dataset.classNames,
            model: file,
            origin: model.origin,
          })
        : evalLines({ ...point, split: split as 'val' }, dataset.classNames).join('\n'),
    );
    return 0;
  } finally {
    await dataset.close();
    device.close();
  }
}

/** The confusion matrix of images that are predicted one by one. */
async function looked(
  inference: Inference,
  ids: readonly string[],
  load: (id: string) => Promise<Sample>,
  classes: number,
  out: Output,
): Promise<number[]> {
  const confusion = Array<number>(classes * classes).fill(0);
  for (const [i, id] of ids.entries()) {
    const sample = await load(id);
    if (!sample.labels) continue;
    const { labels } = await inference.predict(sample);
    countConfusion(sample.labels, labels, classes).forEach((n, at) => (confusion[at] += n));
    out.progress(`${i + 1}/${ids.length}  ${id}`, { last: i === ids.length - 1 });
  }
  return confusion;
}
