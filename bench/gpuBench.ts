// The engine against PyTorch on one GPU: npm run bench -- --suite gpu [--quick --check --only PATTERN --json FILE]
// Every output is held against float64 before it is timed: products and convolutions element by element from the
// definition, losses of training steps by PyTorch.

import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { Device } from '../runtime/device/device.ts';
import { matrixOf, openNodeDevice } from '../runtime/device/node/open.ts';
import { measureSpeed } from '../runtime/device/speed.ts';
import { NATIVE } from '../runtime/kernel/generated.ts';
import { CASES, type Case } from './cases.ts';
import { inputsOf, type Inputs } from './data.ts';
import type { Engine, EngineName, Job } from './engine.ts';
import { fewmaskEngine } from './engines/fewmask.ts';
import { deeplabWeights } from './engines/weights.ts';
import { torchEngine } from './engines/torch.ts';
import { Memory } from './gpu.ts';
import { gpuCases, repeatedInputs } from './gpuCases.ts';
import { lined } from './json.ts';
import { measure, type MeasureOptions } from './measure.ts';
import { differences, table, withRates, type Report, type Result } from './report.ts';
import { sampledReference } from './sampled.ts';

interface Flags {
  only?: RegExp;
  json?: string;
  quick?: boolean;
  check?: boolean;
  torch: boolean;
  tune?: boolean;
  seconds: number;
}

const flags = new Command('npm run bench -- --suite gpu')
  .description(
    'Times products, convolutions and training steps at the sizes of GPUs, against PyTorch with CUDA where it is there, else on the CPU.',
  )
  .option('--suite <name>')
  .option('--only <pattern>', 'cases whose name matches this regular expression', (text) => new RegExp(text))
  .option('--json <file>', 'write the report there, again after each case')
  .option('--quick', 'all sizes small, for software adapters')
  .option('--check', 'small sizes, no times: are the values right? Exits with 1 where one is wrong')
  .option('--no-torch', 'without PyTorch')
  .option('--tune', "time the kernels' variants first, also where the adapter is not a GPU")
  .option('--no-tune', 'take the usual ones')
  .option(
    '--seconds <n>',
    'at most so many for a case',
    (text) => {
      if (!(Number(text) > 0)) throw new InvalidArgumentError('give a number of seconds.');
      return Number(text);
    },
    20,
  )
  .parse()
  .opts<Flags>();

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const opened = await openNodeDevice();
const memory = new Memory();
const hardware = opened.info.kind === 'hardware';
const device = new Device(memory.watch(opened.device), opened.info, {
  budget: hardware ? 2 ** 40 : undefined,
  native: NATIVE,
  matrix: matrixOf(opened),
});
const small = flags.quick || flags.check;
const timing: MeasureOptions = small
  ? { samples: 3, sampleSeconds: 0.02, tolerated: 1, limitSeconds: Math.min(5, flags.seconds) }
  : { samples: 7, sampleSeconds: 0.2, tolerated: hardware ? 0.5 : 0.05, limitSeconds: flags.seconds };
/** The folder that holds bench/engines: the project, or that of the bundle. */
const root = process.env.FEWMASK_BENCH_ROOT ?? fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { version: string };

const own = fewmaskEngine(
  device,
  version,
  flags.tune ?? (hardware && !flags.check && device.gpu.features.has('timestamp-query')),
);
const torch = flags.torch
  ? await torchEngine(`${root}/bench/engines/torchWorker.py`, {
      threads: flags.check ? 1 : availableParallelism(),
      cuda: true,
    })
  : null;
const NO_TORCH = 'no python3 here has torch (FEWMASK_PYTHON names one): nothing is compared with it';
const engines: Engine[] = [own, ...(torch ? [torch] : [])];
const { gflops, gigabytes: gbps } = await measureSpeed(device);
device.pool.trim();
const { matrix } = device.options;
const matrices = matrix ? `${matrix.M}x${matrix.N}x${matrix.K}, f16 added up in f32` : 'none';
say(`adapter            ${opened.info.description} (${opened.info.kind}), ${availableParallelism()} cores`);
say(`speed              ${gflops.toFixed(0)} GFLOPS in registers, ${gbps.toFixed(1)} GB/s`);
say(`f16                ${device.f16 ? 'yes' : 'no'}`);
say(`subgroup matrices  ${matrices}`);
say('PyTorch            ' + `${torch ? torch.version : flags.torch ? NO_TORCH : 'left out'}`);

async function inputsFor(c: Case, repeated: boolean): Promise<Inputs> {
  if (c.work.op === 'deeplab') return { ...inputsOf(c.name, c.work), ...(await deeplabWeights(device, c.work)) };
  return repeated && (c.work.op === 'matmul' || c.work.op === 'conv') ? repeatedInputs(c) : inputsOf(c.name, c.work);
}

/** What every engine is held against, and how an engine's own is had. */
async function referenceOf(
  c: Case,
  inputs: Inputs,
): Promise<{ values: ArrayLike<number>[]; of(job: Job): Promise<Float32Array[]> } | null> {
  const sampled = sampledReference(c, inputs);
  if (sampled) return { values: sampled.values, of: (job) => job.sampled!(sampled.at) };
  const values = await torch
    ?.reference({ ...c, half: false }, inputs)
    .catch((error: Error) => void say(`    no reference: ${error.message}`));
  return values ? { values, of: (job) => job.outputs() } : null;
}

async function runCase(c: Case, repeated: boolean): Promise<Result[]> {
  say(`  ${c.name}`);
  const inputs = await inputsFor(c, repeated);
  const reference = await referenceOf(c, inputs);
  const jobs: { name: EngineName; job: Job }[] = [];
  const results = new Map<EngineName, Result>();
  for (const engine of engines) {
    const { name } = engine;
    try {
      const job = await engine.build(c, inputs);
      if ('why' in job) {
        results.set(name, { engine: name, why: job.why });
        continue;
      }
      const difference = reference && differences(await reference.of(job), reference.values);
      memory.reset();
      await job.run(1);
      const peak = engine === own ? memory.peak(opened.device) : job.peakBytes?.();
      results.set(name, {
        engine: name,
        ...(peak && { peak_bytes: peak }),
        ...(difference ? { difference, right: Math.max(...difference) <= c.tolerance } : { unchecked: true }),
      });
      jobs.push({ name, job });
    } catch (error) {
      results.set(name, { engine: name, why: `failed: ${(error as Error).message.split('\n')[0]}` });
    }
  }
  if (!flags.check) {
    const times = await measure(
      jobs.map(({ job }) => job),
      timing,
    );
    jobs.forEach(({ name }, i) =>
      results.set(name, withRates({ ...results.get(name)!, ...times[i] }, c, report.peaks)),
    );
  }
  for (const { job } of jobs) job.dispose();
  return [...results.values()];
}

const report: Report = {
  adapter: `${opened.info.description} (${opened.info.kind}), ${availableParallelism()} cores`,
  date: new Date().toISOString().slice(0, 10),
  command: `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim(),
  peaks: { gflops, gbps },
  subgroupMatrices: matrices,
  versions: Object.fromEntries(engines.map((e) => [e.name, e.version])),
  cases: [],
};
const wanted = (c: Case): boolean => !flags.only || flags.only.test(c.name);
// The check takes the small cases of all operations, too; a pass over pictures is none, and needs a decoder that the
// bundle has not.
const further = flags.check ? CASES.filter(({ work }) => work.op !== 'scheme' && work.op !== 'epoch') : [];
for (const [cases, repeated] of [
  [gpuCases(small ?? false), true],
  [further, false],
] as const) {
  for (const c of cases.filter(wanted)) {
    report.cases.push({ name: c.name, flops: c.flops, bytes: c.bytes, results: await runCase(c, repeated) });
    if (flags.json) writeFileSync(flags.json, lined(report));
  }
}
for (const engine of engines) engine.close();

console.log(table(report));
const all = report.cases.flatMap((c) => c.results.map((r) => ({ ...r, name: c.name })));
const bad = all.filter((r) => r.engine === 'fewmask' && (r.right === false || r.why?.startsWith('failed')));
if (flags.check) {
  const mine = all.filter((r) => r.engine === 'fewmask' && (!r.why || bad.some((b) => b.name === r.name)));
  const right = mine.filter((r) => r.right).length;
  const unchecked = mine.filter((r) => r.unchecked).length;
  console.log(
    `\n${right} of ${mine.length} cases are ` +
      `right${unchecked ? `, ${unchecked} could not be checked without PyTorch` : ''}` +
      (bad.length ? `; WRONG: ${bad.map((r) => r.name).join(', ')}` : ''),
  );
}
// PyTorch's process may still be on its way out.
process.exit(bad.length ? 1 : 0);
