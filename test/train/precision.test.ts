// Training in mixed precision: every scheme learns, a stopped run continues bit for bit, a step takes less memory;
// without f16 it is refused.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Device } from '../../runtime/device/device.ts';
import { DeviceError, errorText } from '../../runtime/errors.ts';
import type { StepPoint } from '../../src/train/records.ts';
import { createScheme, schemeNames } from '../../src/schemes/index.ts';
import { Alarms } from '../../src/train/alarms.ts';
import type { PartialConfig } from '../../src/train/config.ts';
import { resolveConfig } from '../../src/train/config.ts';
import { runSession } from '../../src/train/session.ts';
import { testDevice } from '../support/device.ts';
import { runTiny, TINY, tinyData } from '../support/tiny.ts';
import { says } from '../support/errors.ts';

const OPTIONS: Record<string, (steps: number) => Record<string, unknown>> = {
  'self-training': (steps) => ({ teacherSteps: steps }),
  fixmatch: () => ({ tau: 0.5 }),
  // The published weight slows the labelled loss of so short a run.
  'mean-teacher': () => ({ weight: 10 }),
};
const config = (scheme: string, steps: number): PartialConfig => ({
  scheme,
  steps,
  evalEvery: steps,
  precision: 'mixed',
  optimizer: { kind: 'adamw', lr: 0.01 },
  options: OPTIONS[scheme]?.(steps) ?? {},
});

for (const scheme of schemeNames()) {
  test(`${scheme}: the loss falls`, async () => {
    if (!(await testDevice()).f16) return;
    const { points, record, dispose } = await runTiny(config(scheme, 24));
    const mean = (some: readonly StepPoint[]): number =>
      some.reduce((sum, p) => sum + (p.terms.labelled ?? p.loss), 0) / some.length;
    assert.ok(
      mean(points.slice(-6)) < 0.95 * mean(points.slice(0, 6)),
      `${mean(points.slice(0, 6))} to ${mean(points.slice(-6))}`,
    );
    // Read after each step here; powers of two.
    for (const { lossScale, skipped } of points)
      assert.ok(Number.isInteger(Math.log2(lossScale!)) && skipped! < 8, `${lossScale}, ${skipped} skipped`);
    assert.is((record.config as { precision?: string }).precision, 'mixed');
    dispose();
  });
}

test('close to full precision, which logs no loss scale', async () => {
  if (!(await testDevice()).f16) return;
  const [full, mixed] = [
    await runTiny({ ...config('supervised', 6), precision: 'full' }),
    await runTiny(config('supervised', 6)),
  ];
  assert.equal(
    full.points.map((p) => [p.lossScale, p.skipped]),
    full.points.map(() => [undefined, undefined]),
  );
  if (mixed.points.at(-1)!.skipped === 0)
    full.points.forEach((p, i) =>
      assert.ok(Math.abs(p.loss - mixed.points[i].loss) < 0.05, `step ${i + 1}: ${p.loss}, ${mixed.points[i].loss}`),
    );
  assert.not.ok([...full.checkpoint!.tensors.keys()].some((k) => k.startsWith('scaler/')));
  for (const r of [full, mixed]) r.dispose();
});

for (const scheme of ['cps', 'self-training']) {
  test(`${scheme}: stopped and resumed, bit for bit, with the loss scale`, async () => {
    if (!(await testDevice()).f16) return;
    const whole = await runTiny(config(scheme, 6));
    const part = await runTiny(config(scheme, 6), { stopAfter: 4 });
    assert.is(part.checkpoint!.tensors.get('scaler/scale')!.data[0], part.points.at(-1)!.lossScale);
    const rest = await runTiny(config(scheme, 6), { resume: part.checkpoint! });
    // A checkpoint leaves out what is undefined.
    assert.is(JSON.stringify(rest.record.steps), JSON.stringify(whole.record.steps));
    assert.equal(rest.record.last, whole.record.last);
    // Of another scale and count: they are what counts.
    part.checkpoint!.tensors.set('scaler/scale', { shape: [], data: Float32Array.of(8) });
    part.checkpoint!.tensors.set('scaler/counts', { shape: [3], data: Uint32Array.of(0, 1999, 3) });
    const other = await runTiny(config(scheme, 6), { resume: part.checkpoint! });
    assert.equal([other.points[0].lossScale, other.points[0].skipped], [16, 3]);
    for (const r of [whole, part, rest, other]) r.dispose();
  });
}

test('a step is known to take less memory', async () => {
  const device = await testDevice();
  if (!device.f16) return;
  const stop = new AbortController();
  const taken: number[] = [];
  stop.abort();
  for (const precision of ['full', 'mixed'] as const) {
    const result = await runSession({
      device,
      dataset: tinyData().dataset,
      signal: stop.signal,
      config: resolveConfig(TINY, {
        scheme: 'supervised',
        precision,
        batch: { labelled: 8, unlabelled: 1 },
        network: { width: 16, depth: 2 },
      }),
      makeScheme: (c, options) => createScheme('supervised', c, options),
      hooks: { onMemory: (_, bytes) => void taken.push(bytes) },
    });
    result.dispose();
  }
  assert.ok(taken[1] < 0.65 * taken[0], String(taken));
});

test('an adapter without f16 is refused before anything is made', async () => {
  const { gpu, info } = await testDevice();
  class WithoutHalf extends Device {
    override get f16(): boolean {
      return false;
    }
  }
  const device = new WithoutHalf(gpu, info);
  const before = device.pool.stats.created;
  let error: unknown;
  try {
    await runSession({
      device,
      dataset: tinyData().dataset,
      config: resolveConfig(TINY, config('supervised', 2)),
      makeScheme: (c, options) => createScheme('supervised', c, options),
    });
  } catch (e) {
    error = e;
  }
  assert.instance(error, DeviceError);
  assert.match(errorText(error), /f16.*`precision full`/);
  assert.is(device.pool.stats.created, before);
  device.close();
});

test('a scale that can fall no further is said', () => {
  const said: string[] = [];
  const alarms = new Alarms(['a', 'b'], (m) => said.push(m));
  const at = (step: number, lossScale: number): StepPoint => ({
    step,
    loss: 1,
    terms: {},
    lr: 0.1,
    lossScale,
    skipped: 16,
  });
  alarms.onSteps([at(1, 2), at(2, 1), at(3, 1)], 0.5);
  assert.is(said.length, 1);
  assert.match(said[0], /step 2: gradients overflow.*`precision full`/);
});

test('the setting', () => {
  assert.is(resolveConfig({}).precision, 'full');
  assert.throws(() => resolveConfig({ precision: 'half' as never }), says(/precision is "half".*full.*mixed/));
});

test.run();
