// The pseudo-labels of every scheme are judged where the truth of an unlabelled image is known, and the truth changes
// nothing else.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pseudoLabelStats } from '../../src/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { createScheme } from '../../src/schemes/index.ts';
import { testDevice } from '../support/device.ts';
import { HandStep, smallContext } from '../support/schemes.ts';

for (const [name, options] of [
  ['fixmatch', { tau: 0.2 }],
  ['cps', {}],
  ['cps', { cutmix: null }],
  ['cps', { cutmix: null, ignorePadding: false }],
  ['pseudoseg', {}],
] as const) {
  test(`${name} ${JSON.stringify(options)}`, async () => {
    const device = await testDevice();
    const seen: { loss: number; accepted: number; accuracy: number | undefined }[] = [];
    for (const judge of [false, true]) {
      const scheme = createScheme(name, smallContext(device), { weak: { range: [0.7, 1.2] }, ...options });
      let counts: Tensor | undefined;
      const step = new HandStep(
        device,
        (ctx) => {
          const out = scheme.stages[0].record(ctx);
          counts = out.counts;
          return { loss: out.loss };
        },
        { judge },
      );
      const { loss } = await step.run(0);
      const { accepted, accuracy } = pseudoLabelStats((await counts!.read()) as Uint32Array);
      seen.push({ loss: await loss.item(), accepted, accuracy });
      step.dispose();
      scheme.dispose();
    }
    const [without, judged] = seen;
    assert.equal([without.loss, without.accepted], [judged.loss, judged.accepted]);
    assert.ok(judged.accepted > 0 && judged.accepted <= 1);
    assert.is(without.accuracy, undefined);
    assert.ok(judged.accuracy! >= 0 && judged.accuracy! <= 1, `${judged.accuracy}`);
  });
}

test.run();
