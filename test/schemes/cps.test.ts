// Cross pseudo supervision.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createScheme } from '../../src/schemes/index.ts';
import type { cps } from '../../src/schemes/cps.ts';
import type { Network } from '../../src/nn/module.ts';
import { HandStep, smallContext } from '../support/schemes.ts';
import { testDevice } from '../support/device.ts';
import { runTiny } from '../support/tiny.ts';

async function weightsAfter(
  options: Parameters<typeof cps.fill>[0],
  steps = 3,
): Promise<{ first: Float32Array; second: Float32Array }> {
  const device = await testDevice();
  const scheme = createScheme('cps', smallContext(device), options as Record<string, unknown>);
  const step = new HandStep(device, (ctx) => ({ loss: scheme.stages[0].record(ctx).loss }));
  for (let i = 0; i < steps; i++) await step.run(i);
  const nets = [...scheme.networks.values()] as Network[];
  const [first, second] = (await device.read(nets.map((n) => n.params.get('dec0.1.conv.weight')!))) as Float32Array[];
  step.dispose();
  scheme.dispose();
  return { first, second };
}

for (const cutmix of [true, false]) {
  test(`a weight of 0 leaves two supervised networks, ${cutmix ? 'with' : 'without'} CutMix`, async () => {
    const none = await weightsAfter({ ...(cutmix ? {} : { cutmix: null }), weight: 0 });
    const some = await weightsAfter({ ...(cutmix ? {} : { cutmix: null }), weight: 1 });
    assert.not.equal(none.first, some.first);
    const device = await testDevice();
    for (const [draw, want] of [none.first, none.second].entries()) {
      const c = smallContext(device);
      const scheme = createScheme('supervised', { ...c, network: () => c.network(draw) }, {});
      const step = new HandStep(device, (ctx) => ({ loss: scheme.stages[0].record(ctx).loss }));
      for (let i = 0; i < 3; i++) await step.run(i);
      const got = await scheme.evaluated.params.get('dec0.1.conv.weight')!.read();
      assert.equal(got, want, `network ${draw + 1}`);
      step.dispose();
      scheme.dispose();
    }
  });

  for (const joint of [false, true])
    test(`the passes that move the statistics, ${cutmix ? 'with' : 'without'} CutMix, ${joint ? 'together' : 'apart'}`, async () => {
      const device = await testDevice();
      const scheme = createScheme('cps', smallContext(device), {
        ...(cutmix ? {} : { cutmix: null }),
        groups: joint ? 'joint' : 'apart',
      });
      const huge = 1e7;
      const watched = ([...scheme.networks.values()] as Network[]).map((n) => n.buffers.get('enc0.0.bn.running_mean')!);
      for (const t of watched) device.write(t, new Float32Array(t.size).fill(huge));
      const step = new HandStep(device, (ctx) => ({ loss: scheme.stages[0].record(ctx).loss }));
      await step.run(0);
      // Each pass in training mode leaves 0.9 of what was there: u0, u1, mixed and labelled images with CutMix,
      // labelled and unlabelled ones without; half as many together.
      for (const v of await device.read(watched))
        for (const x of v)
          assert.ok(Math.abs(x / huge - 0.9 ** ((cutmix ? 4 : 2) / (joint ? 2 : 1))) < 1e-4, `${x / huge}`);
      step.dispose();
      scheme.dispose();
    });
}

test('two different networks; the first one is evaluated, the second one labels', async () => {
  const device = await testDevice();
  const scheme = createScheme('cps', smallContext(device), {});
  const [a, b] = [...scheme.networks.values()] as Network[];
  assert.is(scheme.evaluated, a);
  const [wa, wb] = await device.read([a, b].map((n) => n.params.get('head.weight')!));
  assert.not.equal(wa, wb);
  scheme.dispose();
});

test('options: losses are finite, terms are told, pseudo-labels are counted', async () => {
  for (const options of [
    {},
    { cutmix: null },
    { ignorePadding: false },
    { ramp: 0.5, weight: 2 },
    { groups: 'joint' },
    { cutmix: { range: [0.5, 0.5], boxes: 1, invert: false } },
  ]) {
    const run = await runTiny({ scheme: 'cps', options: options });
    run.dispose();
    assert.ok(
      run.points.every((p) => Number.isFinite(p.loss) && p.terms.cross > 0 && p.terms.labelled > 0),
      JSON.stringify(options),
    );
    assert.is(run.points[0].accepted, 1);
  }
});

test('a run that was stopped and resumed gives the same losses', async () => {
  const whole = await runTiny({ scheme: 'cps' });
  const part = await runTiny({ scheme: 'cps' }, { stopAfter: 4 });
  const rest = await runTiny({ scheme: 'cps' }, { resume: part.checkpoint! });
  assert.equal(
    [...part.points, ...rest.points].map((p) => p.loss),
    whole.points.map((p) => p.loss),
  );
  for (const r of [whole, part, rest]) r.dispose();
});

test.run();
