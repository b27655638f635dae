// A run stops at the very step that makes a loss, a gradient norm or a weight NaN or infinite, whatever the scheme, and
// nothing is saved from that step on.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { CheckpointError, NonFiniteError } from '../../runtime/errors.ts';
import { full, mul, sqrt, square, sum } from '../../runtime/ops/index.ts';
import type { StepPoint } from '../../src/train/records.ts';
import { createScheme, schemeNames } from '../../src/schemes/index.ts';
import type { Scheme, SchemeContext } from '../../src/schemes/scheme.ts';
import { Alarms } from '../../src/train/alarms.ts';
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from '../../src/train/checkpoint.ts';
import { resolveConfig, type PartialConfig } from '../../src/train/config.ts';
import { runSession } from '../../src/train/session.ts';
import { testDevice } from '../support/device.ts';
import { scripted, type Script } from '../support/scripted.ts';
import { runTiny, TINY, tinyData } from '../support/tiny.ts';

interface Watched {
  error: Error | null;
  points: StepPoint[];
  saves: Checkpoint[];
  warnings: string[];
}

interface Wish {
  config: PartialConfig;
  /** Sets the first value of a weight of a network to NaN before a step, from 0 over all stages. */
  poison?: { network: string; before: number };
  readEvery?: number;
  resume?: Checkpoint;
  makeScheme?(c: SchemeContext): Scheme;
}

/** Runs until the end or an error; saves whenever the trainer offers it. */
async function watched({ config, poison, readEvery, resume, makeScheme }: Wish): Promise<Watched> {
  const device = await testDevice();
  const resolved = resolveConfig(TINY, config);
  const before = device.pool.stats.inUse;
  const out: Watched = { error: null, points: [], saves: [], warnings: [] };
  await runSession({
    device,
    dataset: tinyData().dataset,
    config: resolved,
    readEvery,
    resume,
    saveEvery: 0,
    makeScheme: (c, options) => makeScheme?.(c) ?? createScheme(resolved.scheme, c, options),
    hooks: {
      async gate(scheme, _, done) {
        if (!poison || done !== poison.before) return;
        const w = [...scheme.networks.get(poison.network)!.params.values()][0];
        const values = await w.read();
        values[0] = NaN;
        device.write(w, values);
      },
      onSteps: (points) => void out.points.push(...points),
      onWarning: (message) => void out.warnings.push(message),
      save: async (c) => void out.saves.push(decodeCheckpoint(encodeCheckpoint(c), 'test')),
    },
  }).then(
    (r) => r.dispose(),
    (e: Error) => (out.error = e),
  );
  if (!makeScheme) assert.is(device.pool.stats.inUse, before, 'what the run took is free again');
  return out;
}

/** The numbers from 1 (or another) to the last. */
const upTo = (last: number, first = 1): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** Checks that the run stopped at `step`, and that only earlier steps were reported and saved. */
function stopsAt({ error, points, saves }: Watched, step: number, what = /./): void {
  assert.instance(error, NonFiniteError);
  assert.match(error!.message, new RegExp(`at step ${step} \\(learning rate`));
  assert.match(error!.message, what);
  assert.match((error as NonFiniteError).hint!, /learning rate.*clip.*images/);
  assert.equal(
    points.map((p) => p.step),
    upTo(step - 1),
    'the steps before it are reported',
  );
  assert.ok(points.every((p) => [p.loss, ...Object.values(p.terms)].every(Number.isFinite)));
  // The state at a save is that after so many steps; its tensors have been checked when it was decoded.
  for (const c of saves) assert.ok((c.steps.at(-1)?.step ?? 0) < step, 'nothing is saved from the bad step on');
}

const steps = 5;
const options: Record<string, Record<string, unknown>> = {
  'self-training': { teacherSteps: 3, scales: [1], flip: false },
  fixmatch: { tau: 0.3, ema: 0.9 },
};
const configOf = (scheme: string, more: PartialConfig = {}): PartialConfig => ({
  scheme,
  steps,
  evalEvery: 100,
  options: options[scheme] ?? {},
  ...more,
});
/** The networks of each scheme, and a step in which they are used. */
const NETWORKS: Record<string, [network: string, before: number][]> = {
  cps: [
    ['net1', 3],
    ['net2', 2],
  ],
  'n-cps': [
    ['net1', 3],
    ['net3', 2],
  ],
  fixmatch: [
    ['net', 3],
    ['ema', 3],
  ],
  pseudoseg: [
    ['net', 3],
    ['attention', 2],
  ],
  'self-training': [
    ['teacher', 1],
    ['student1', 5],
  ],
  ...Object.fromEntries(['supervised', 'pi-model', 'temporal-ensembling', 'unimatch'].map((s) => [s, [['net', 3]]])),
  ...Object.fromEntries(
    ['mean-teacher', 'cutmix-seg', 'unimatch-v2', 'u2pl', 'augseg'].map((s) => [
      s,
      [
        ['net', 3],
        ['teacher', 2],
      ],
    ]),
  ),
};

for (const scheme of schemeNames()) {
  for (const precision of ['full', 'mixed'] as const) {
    test(`${scheme}, ${precision}: a weight that becomes NaN, in each network`, async () => {
      const device = await testDevice();
      if (precision === 'mixed' && !device.f16) return;
      for (const [network, before] of NETWORKS[scheme]) {
        stopsAt(await watched({ config: configOf(scheme, { precision }), poison: { network, before } }), before + 1);
      }
    });
  }

  test(`${scheme}: a learning rate of 1e30`, async () => {
    const run = await watched({ config: configOf(scheme, { optimizer: { lr: 1e30 } }) });
    assert.instance(run.error, NonFiniteError);
    const at = Number(/at step (\d+) \(learning rate/.exec(run.error!.message)![1]);
    assert.ok(at <= 3, run.error!.message);
    stopsAt(run, at);
  });
}

test('the step is the same however seldom the losses are read, and however the update is made', async () => {
  for (const optimizer of [{ lr: 1e3 }, { lr: 1e30, clip: 1 }, { lr: 1e30, kind: 'adamw' }] as const) {
    const found: string[] = [];
    for (const readEvery of [1, 4, 50]) {
      const run = await watched({ config: { scheme: 'supervised', steps: 60, evalEvery: 100, optimizer }, readEvery });
      assert.instance(run.error, NonFiniteError);
      stopsAt(run, Number(/at step (\d+)/.exec(run.error!.message)![1]));
      found.push(run.error!.message);
    }
    assert.equal(new Set(found).size, 1, found.join('\n'));
  }
});

test('an update that overflows names the weight; a statistic counts as well', async () => {
  const optimizer = { lr: 3.4e38, momentum: 0, weightDecay: 1e8 };
  const run = await watched({ config: { scheme: 'supervised', optimizer } });
  stopsAt(run, 1, /the weight \S+ became NaN or infinite/);
  // A variance that overflows: normalisation divides by it, and loss and gradients may stay finite.
  const overflows: Script = (ctx, part, optimizer) => {
    const loss = sum(square(part.params.get('w')!));
    ctx.descend(loss, [[part.params, optimizer]]);
    ctx.device.copy(square(full(ctx.device, [2], 1e30)), part.buffers.get('s')!);
    return { loss };
  };
  const large = await watched({ config: { scheme: 'supervised' }, makeScheme: scripted(overflows, 4) });
  stopsAt(large, 1, /the running statistic s became NaN or infinite/);
});

test('what CTAugment learns from is not taken from a step that failed', async () => {
  const config = configOf('fixmatch', { options: { strong: { ctaugment: {} } } });
  stopsAt(await watched({ config, poison: { network: 'net', before: 2 } }), 3);
});

/** sqrt(|w|^2) at 0: the loss is 0, its gradient infinity times zero. */
const cone: Script = (ctx, part, optimizer) => {
  const loss = sqrt(sum(square(part.params.get('w')!)));
  ctx.descend(loss, [[part.params, optimizer]]);
  return { loss };
};

test('a gradient that is not finite under a finite loss', async () => {
  const run = await watched({ config: { scheme: 'supervised' }, makeScheme: scripted(cone, 4) });
  stopsAt(run, 1, /the gradient norm became NaN or infinite \(first for the weight w\)/);
});

test('a norm that overflows while every gradient is finite', async () => {
  // 3e19 * 2e19: the loss and its two gradients fit, the sum of their squares does not.
  const steep: Script = (ctx, part, optimizer) => {
    const loss = sum(mul(part.params.get('w')!, 3e19));
    ctx.descend(loss, [[part.params, optimizer]]);
    return { loss };
  };
  const run = await watched({ config: { scheme: 'supervised' }, makeScheme: scripted(steep, 4) });
  stopsAt(run, 1, /the gradient norm became NaN or infinite at/);
});

test('a scheme that updates without descend: its weights are watched too', async () => {
  const own: Script = (ctx, part, optimizer) => {
    const loss = sqrt(sum(square(part.params.get('w')!)));
    optimizer.step(grad(loss, part.params), ctx.hyper());
    return { loss };
  };
  const run = await watched({ config: { scheme: 'supervised' }, makeScheme: scripted(own, 4) });
  stopsAt(run, 1, /the weight w became NaN or infinite/);
});

test('mixed precision: steps that are skipped without end stop the run, a few do not', async () => {
  if (!(await testDevice()).f16) return;
  // From 65536 the loss scale is at 1 after 16 skipped steps; 10 more are skipped there.
  const stuck = await watched({ config: { scheme: 'supervised', precision: 'mixed' }, makeScheme: scripted(cone, 60) });
  stopsAt(stuck, 25, /still overflow f16 at a loss scale of 1/);
  assert.match((stuck.error as NonFiniteError).hint!, /full precision/);
  const short = await watched({ config: { scheme: 'supervised', precision: 'mixed' }, makeScheme: scripted(cone, 20) });
  assert.is(short.error, null);
  assert.is(short.points.at(-1)!.skipped, 20);
});

test('a stopped run continues from its checkpoint with a lower learning rate, or in another precision', async () => {
  const config = { scheme: 'supervised', steps: 12, evalEvery: 100, optimizer: { lr: 1e3 } };
  const { saves } = await watched({ config, readEvery: 1 });
  const resume = saves.at(-3)!;
  const at = resume.position.step;
  const lower = { ...config, optimizer: { lr: 1e-6, clip: 0.1 } };
  const rest = await watched({ config: lower, resume });
  assert.is(rest.error, null);
  assert.equal(
    rest.points.map((p) => p.step),
    upTo(12, at + 1),
  );
  const said = `after step ${at} with learning rate 0.000001 instead of 1000, gradient clipping 0.1 instead of off`;
  assert.ok(
    rest.warnings.some((w) => w.includes(said)),
    rest.warnings.join('\n'),
  );
  if (!(await testDevice()).f16) return;
  const start = saves[0];
  const mixed = await watched({ config: { ...lower, precision: 'mixed' }, resume: start });
  assert.is(mixed.error, null);
  assert.is(mixed.points.at(-1)!.lossScale, 65536);
  const back = await watched({ config: lower, resume: mixed.saves[0] });
  assert.is(back.error, null);
});

test('a checkpoint with weights that are not finite is refused, and named', async () => {
  const run = await runTiny({ scheme: 'supervised', steps: 1 });
  const c = run.checkpoint!;
  for (const [kind, value] of [
    ['net/', NaN],
    ['optim/', -Infinity],
  ] as const) {
    const [name, { data }] = [...c.tensors].find(([key]) => key.startsWith(kind))!;
    const kept = data[1];
    data[1] = value;
    const bytes = encodeCheckpoint(c);
    const said = `run/checkpoint: 1 of ${data.length} values of ${name} are NaN or infinite`;
    const refused = (e: unknown): boolean => e instanceof CheckpointError && e.message.startsWith(said);
    assert.throws(() => decodeCheckpoint(bytes, 'run/checkpoint'), refused);
    assert.is(decodeCheckpoint(bytes, 'run/checkpoint', { allowNonFinite: true }).position.step, c.position.step);
    data[1] = kept;
  }
  run.dispose();
});

test('a loss that explodes but stays finite continues, with one warning', () => {
  const said: string[] = [];
  const at = (step: number, loss: number): StepPoint => ({ step, loss, terms: {}, lr: 1 });
  const alarms = new Alarms(['a', 'b'], (m) => said.push(m));
  alarms.onSteps([at(1, 2), at(2, 1999), at(3, 2001), at(4, 1e30)], 0.1);
  const resumed = new Alarms(['a', 'b'], (m) => said.push(m), JSON.parse(JSON.stringify(alarms.save())));
  resumed.onSteps([at(5, 1e31)], 0.2);
  assert.is(said.length, 1);
  assert.match(said[0], /^step 3: the loss is 2\.00e\+3, over 1000 times the first one.*learning rate/);
});

test.run();
