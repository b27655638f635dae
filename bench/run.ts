// The engine against its peers on one adapter in one process:
//   npm run bench [-- --only PATTERN --engines a,b --json FILE --compare OLD.json --quick]

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { globals } from 'webgpu';
import { Device } from '../runtime/device/device.ts';
import { openNodeDevice } from '../runtime/device/node/open.ts';
import { measureSpeed } from '../runtime/device/speed.ts';
import { NATIVE } from '../runtime/kernel/generated.ts';
import { CASES, type Case } from './cases.ts';
import { inputsOf } from './data.ts';
import type { Engine, EngineName, Job } from './engine.ts';
import { fewmaskEngine } from './engines/fewmask.ts';
import { deeplabWeights } from './engines/weights.ts';
import { torchEngine } from './engines/torch.ts';
import { firstSteps } from './first.ts';
import { Memory, provideNavigator } from './gpu.ts';
import type { HostTimes } from './host.ts';
import { lined } from './json.ts';
import { measure, type MeasureOptions } from './measure.ts';
import { differences, regressions, table, withRates, type Report, type Result } from './report.ts';

const NAMES: readonly EngineName[] = ['fewmask', 'tfjs', 'jax-js', 'onnxruntime-web', 'pytorch-cpu'];

const program = new Command('npm run bench --')
  .description(
    'Times the engine against tfjs, jax-js, onnxruntime-web and PyTorch on the CPU; outputs are compared before times are.',
  )
  .option('--only <pattern>', 'cases whose name matches this regular expression', (text) => new RegExp(text))
  .option(
    '--engines <list>',
    `of ${NAMES.join(', ')}`,
    (text) => {
      const list = text.split(',') as EngineName[];
      for (const e of list) if (!NAMES.includes(e)) throw new InvalidArgumentError(`there is no engine "${e}".`);
      return list;
    },
    [...NAMES],
  )
  .option('--json <file>', 'write the report there')
  .option('--compare <file>', 'an earlier report: exit with 1 where fewmask is more than 10 % slower')
  .option('--quick', 'fewer and shorter samples')
  .addHelpText(
    'after',
    '\nExamples:\n  npm run bench -- --only conv --engines fewmask,jax-js\n  npm run bench -- --json ' +
      'now.json --compare bench/results/lavapipe.json\n',
  )
  .parse();
const options = program.opts<{
  only?: RegExp;
  engines: EngineName[];
  json?: string;
  compare?: string;
  quick?: boolean;
}>();

const timing: MeasureOptions = options.quick
  ? { samples: 3, sampleSeconds: 0.1, tolerated: 0.1, limitSeconds: 30 }
  : { samples: 7, sampleSeconds: 0.5, tolerated: 0.1, limitSeconds: 120 };
const require = createRequire(import.meta.url);
const versionOf = (name: string): string =>
  (JSON.parse(readFileSync(require.resolve(name), 'utf8')) as { version: string }).version;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const opened = await openNodeDevice();
const memory = new Memory();
const devices = provideNavigator(opened, globals, memory);
const adapter = `${opened.info.description} (${opened.info.kind}), ${availableParallelism()} cores`;
say(adapter);
const own = new Device(memory.watch(opened.device), opened.info, { native: NATIVE });
const { gflops, gigabytes: gbps } = await measureSpeed(own);
own.pool.trim();
const peaks = { gflops, gbps };
say(`at best ${gflops.toFixed(0)} GFLOPS in registers, ${gbps.toFixed(1)} GB/s of memory`);

/** Opens an engine; its device is that which it has asked for meanwhile. */
async function open(name: EngineName): Promise<{ engine: Engine; gpu(): GPUDevice | null } | null> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  if (name === 'fewmask') {
    return {
      engine: fewmaskEngine(
        own,
        (JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string }).version,
      ),
      gpu: () => opened.device,
    };
  }
  if (name === 'pytorch-cpu') {
    const engine = await torchEngine(`${root}bench/engines/torchWorker.py`, {
      threads: availableParallelism(),
      cuda: false,
    });
    if (!engine) say('pytorch-cpu is left out: no python3 here has torch');
    return engine && { engine, gpu: () => null };
  }
  const before = devices.length;
  const engine =
    name === 'tfjs'
      ? await (await import('./engines/tfjs.ts')).tfjsEngine(versionOf('@tensorflow/tfjs-core/package.json'))
      : name === 'jax-js'
        ? await (
            await import('./engines/jax.ts')
          ).jaxEngine(versionOf(`${root}bench/node_modules/@jax-js/jax/package.json`))
        : await (
            await import('./engines/ort.ts')
          ).ortEngine(versionOf(`${root}bench/node_modules/onnxruntime-web/package.json`));
  // onnxruntime-web asks for its device with its first session.
  return { engine, gpu: () => devices[before] ?? null };
}

const engines: NonNullable<Awaited<ReturnType<typeof open>>>[] = [];
// One after the other: the device that each asks for is known by that.
for (const name of options.engines) {
  const o = await open(name);
  if (o) engines.push(o);
}
const reference = engines.find(({ engine }) => engine.name === 'pytorch-cpu') ?? engines[0];

async function runCase(c: Case): Promise<Result[]> {
  const inputs = { ...inputsOf(c.name, c.work), ...(c.work.op === 'deeplab' && (await deeplabWeights(own, c.work))) };
  const jobs: { engine: Engine; gpu(): GPUDevice | null; job: Job }[] = [];
  const results = new Map<EngineName, Result>();
  const outputs = new Map<EngineName, Float32Array[]>();
  for (const { engine, gpu } of engines) {
    say(`  ${c.name}: ${engine.name}`);
    try {
      const job = await engine.build(c, inputs);
      if ('why' in job) {
        results.set(engine.name, { engine: engine.name, why: job.why });
        continue;
      }
      outputs.set(engine.name, await job.outputs());
      memory.reset();
      await job.run(1);
      const on = gpu();
      results.set(engine.name, { engine: engine.name, ...(on && { peak_bytes: memory.peak(on) }) });
      jobs.push({ engine, gpu, job });
    } catch (error) {
      results.set(engine.name, { engine: engine.name, why: `failed: ${(error as Error).message.split('\n')[0]}` });
    }
  }
  const wanted = outputs.get(reference.engine.name) ?? outputs.get('fewmask');
  for (const { engine } of jobs) {
    if (!wanted || c.tolerance === 0) continue;
    const difference = differences(outputs.get(engine.name)!, wanted);
    Object.assign(results.get(engine.name)!, { difference, right: Math.max(...difference) <= c.tolerance });
  }
  const times = await measure(
    jobs.map(({ job }) => job),
    timing,
  );
  const host: (HostTimes | undefined)[] = [];
  for (const { job } of jobs) host.push(await job.host?.());
  jobs.forEach(({ engine, job }, i) => {
    const { median_ms, min_ms, max_ms, ...rest } = times[i];
    const n = c.images ?? 1;
    results.set(
      engine.name,
      withRates(
        {
          ...results.get(engine.name)!,
          ...host[i],
          ...rest,
          median_ms: median_ms / n,
          min_ms: min_ms / n,
          max_ms: max_ms / n,
        },
        c,
        peaks,
      ),
    );
    job.dispose();
  });
  return [...results.values()];
}

const report: Report = {
  adapter,
  date: new Date().toISOString().slice(0, 10),
  command: `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim(),
  peaks,
  versions: Object.fromEntries(engines.map(({ engine }) => [engine.name, engine.version])),
  cases: [],
};
for (const c of CASES.filter(({ name }) => !options.only || options.only.test(name)))
  report.cases.push({ name: c.name, flops: c.flops, bytes: c.bytes, results: await runCase(c) });
for (const { engine } of engines) engine.close();
for (const c of firstSteps(options.engines, options.only, say)) report.cases.push(c);

console.log(table(report));
if (options.json) writeFileSync(options.json, lined(report));
if (options.compare) {
  const slower = regressions(report, JSON.parse(readFileSync(options.compare, 'utf8')) as Report);
  for (const line of slower) console.error(line);
  if (slower.length) process.exitCode = 1;
}
// The peers keep timers and devices open.
process.exit();
