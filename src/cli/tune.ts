// `fewmask tune`: which variants of the kernels are fast on this adapter, for the network that will be trained.

import type { Command } from 'commander';
import { grad } from '../../runtime/autograd/grad.ts';
import { Plan, type PlanOutputs } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { mixedPrecision } from '../../runtime/modules/precision.ts';
import { TRAIN } from '../../runtime/modules/module.ts';
import { tuningFile } from '../../runtime/device/node/choices.ts';
import { tune } from '../../runtime/node.ts';
import { crossEntropy } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import { createNetwork } from '../nn/networks.ts';
import type { RunConfig } from '../train/config.ts';
import { action } from './action.ts';
import { BASELINE } from '../schemes/index.ts';
import { openDevice, type GlobalFlags } from './common.ts';
import { numbers } from './options.ts';
import { addNetworkOptions, fileConfig, trainConfig, type TrainFlags } from './trainOptions.ts';
import type { Output } from './output.ts';

type Flags = GlobalFlags & TrainFlags & { classes: number };

/** Steps that are timed before and after. */
const STEPS = 5;

export function tuneCommand(program: Command): void {
  addNetworkOptions(
    program
      .command('tune')
      .summary('find the fastest variants of the kernels')
      .description(
        'Times the variants of the kernels of a training step on this adapter and keeps the fastest in the ' +
          'cache folder, where every later run finds them. They differ in the last digits of what they ' +
          'compute: a run that is to be resumed bit for bit is tuned before it starts.',
      ),
  )
    .option('--classes <n>', 'classes, the background among them', numbers.count, 2)
    .addHelpText(
      'after',
      '\nExamples:\n  fewmask tune --width 16 --crop 128x128 --batch 8 --classes 11\n  fewmask tune ' +
        '--config runs/cps-0/config.json --classes 11\n  fewmask tune --network deeplabv3plus --depth 50 ' +
        '--crop 512 --precision mixed --classes 21',
    )
    .action(action(runTune));
}

/** A training step without an optimiser: the loss and all gradients. */
function stepOf(device: Device, config: RunConfig, classes: number): { body: () => PlanOutputs; dispose(): void } {
  const net = createNetwork(device, config.network, classes, 0);
  const [h, w] = config.crop;
  const n = config.batch.labelled;
  const rng = new Rng(0, 0);
  const x = device.tensor(
    Float32Array.from({ length: n * h * w * 3 }, () => rng.normal()),
    [n, h, w, 3],
  );
  const labels = device.tensor(
    Int32Array.from({ length: n * h * w }, () => rng.int(classes)),
    [n, h, w],
  );
  return {
    body() {
      const forward = () => net.forward(x, TRAIN);
      const loss = crossEntropy(config.precision === 'mixed' ? mixedPrecision(device, forward) : forward(), labels);
      return { loss, ...Object.fromEntries(grad(loss, [...net.params.values()]).map((g, i) => [`grad${i}`, g])) };
    },
    dispose() {
      for (const t of [net, x, labels]) t.dispose();
    },
  };
}

/** Median milliseconds of the step with the variants that are in force. */
async function timed(device: Device, body: () => PlanOutputs): Promise<number> {
  const step = new Plan(device, {}, body);
  const times: number[] = [];
  for (let i = 0; i <= STEPS; i++) {
    const start = performance.now();
    step.run();
    await device.sync();
    // The first one compiles.
    if (i > 0) times.push(performance.now() - start);
  }
  step.dispose();
  return times.sort((a, b) => a - b)[STEPS >> 1];
}

async function runTune(f: Flags, out: Output): Promise<number> {
  // Whatever scheme the settings are for: all launch the kernels of this step.
  const { options, scheme, ...file } = fileConfig(f);
  const config = trainConfig(f, BASELINE, file);
  const device = await openDevice({ ...f, memory: config.memory ?? undefined }, out);
  try {
    const { body, dispose } = stepOf(device, config, f.classes);
    const before = await timed(device, body);
    out.say('timing the variants of the kernels');
    const choices = await tune(device, body);
    const after = await timed(device, body);
    dispose();
    if (f.json)
      out.result(JSON.stringify({ adapter: device.info.description, before, after, choices, file: tuningFile() }));
    else
      out.result(
        `step ${before.toFixed(1)} ms → ${after.toFixed(1)} ms; ${Object.keys(choices).length} tuned kernels saved to ${tuningFile()}`,
      );
    return 0;
  } finally {
    device.close();
  }
}
