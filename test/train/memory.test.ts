// GPU memory is flat over a run, all of it is given back at the end, and a lost device leaves a checkpoint from which
// the run continues.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openNode } from '../../runtime/node.ts';
import { DeviceLostError, errorText, NonFiniteError } from '../../runtime/errors.ts';
import { createScheme, schemeNames } from '../../src/schemes/index.ts';
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from '../../src/train/checkpoint.ts';
import { resolveConfig } from '../../src/train/config.ts';
import { runSession } from '../../src/train/session.ts';
import { testDevice } from '../support/device.ts';
import { runTiny, TINY, tinyData } from '../support/tiny.ts';

const STEPS = 200;

for (const scheme of schemeNames()) {
  test(`${scheme}: the same buffers after ${STEPS} steps as after the first evaluation, and none left over`, async () => {
    const device = await testDevice();
    const { dataset } = tinyData();
    device.pool.trim();
    const before = { ...device.pool.stats };
    const seen = new Map<string, { step: number; buffers: number; inUse: number }[]>();
    const config = resolveConfig(TINY, {
      scheme,
      steps: STEPS,
      evalEvery: 50,
      options: scheme === 'self-training' ? { teacherSteps: STEPS } : {},
    });
    const result = await runSession({
      device,
      dataset,
      config,
      makeScheme: (c, options) => createScheme(scheme, c, options),
      hooks: {
        onEval(_, { stageName, step }) {
          const { buffers, inUse } = device.pool.stats;
          seen.set(stageName, [...(seen.get(stageName) ?? []), { step, buffers, inUse }]);
        },
      },
    });
    for (const [stage, points] of seen) {
      assert.is(points.length, STEPS / 50, stage);
      for (const p of points)
        assert.equal(
          { ...p, step: 0 },
          { ...points[0], step: 0 },
          `${stage}: step ${p.step} against ${points[0].step}`,
        );
    }
    result.dispose();
    device.pool.trim();
    assert.is(device.pool.stats.inUse, before.inUse, 'memory in use after the run');
    assert.is(device.pool.stats.buffers, before.buffers, 'buffers after the run');
  });
}

test('a device that is lost in mid-run: a typed error that says how to go on, and the run continues with the same losses', async () => {
  const whole = await runTiny({ scheme: 'fixmatch', steps: 40, evalEvery: 20 });
  const config = resolveConfig(TINY, { scheme: 'fixmatch', steps: 40, evalEvery: 20 });
  const device = await openNode();
  let saved: Checkpoint | undefined;
  let error: unknown;
  try {
    await runSession({
      device,
      dataset: tinyData().dataset,
      config,
      saveEvery: 0,
      makeScheme: (c, options) => createScheme('fixmatch', c, options),
      hooks: {
        onSteps: (points) => void (points.at(-1)!.step >= 20 && device.gpu.destroy()),
        save: async (c) => void (saved = decodeCheckpoint(encodeCheckpoint(c), 'test')),
      },
    });
  } catch (e) {
    error = e;
  }
  assert.instance(error, DeviceLostError);
  assert.match(errorText(error), /resume from the last checkpoint/);
  assert.is(saved?.position.step, 10);
  const rest = await runTiny({ scheme: 'fixmatch', steps: 40, evalEvery: 20 }, { resume: saved });
  assert.equal(
    rest.record.steps.map((s) => s.loss),
    whole.record.steps.map((s) => s.loss),
  );
  for (const r of [whole, rest]) r.dispose();
});

test('a loss that is not finite stops the run with the reason, and no broken state is saved', async () => {
  let saves = 0;
  let error: unknown;
  try {
    await runSession({
      device: await testDevice(),
      dataset: tinyData().dataset,
      config: resolveConfig(TINY, { scheme: 'supervised', steps: 200, optimizer: { lr: 1e12 } }),
      saveEvery: 0,
      makeScheme: (c, options) => createScheme('supervised', c, options),
      hooks: { save: async () => void saves++ },
    });
  } catch (e) {
    error = e;
  }
  assert.instance(error, NonFiniteError);
  assert.match(errorText(error), /(step \d+|holds values).*(learning rate|clip)/);
  assert.ok(saves <= 1, 'only the state before the first step is saved');
});

test.run();
