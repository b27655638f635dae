// Thresholds for the classes that follow the predictions: FreeMatch, by its definition.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Rng } from '../../runtime/random.ts';
import { thresholdsOf } from '../../src/schemes/classThresholds.ts';
import { Parts } from '../../src/schemes/define.ts';
import { labelsOf } from '../../src/schemes/views.ts';
import { testDevice } from '../support/device.ts';
import { smallContext } from '../support/schemes.ts';
import { runTiny } from '../support/tiny.ts';

const SHAPE = [2, 3, 4] as const;
const PIXELS = 24;
const DECAY = 0.999;

test('FreeMatch: thresholds by moving averages of confidence and probabilities; invalid pixels do not count', async () => {
  const device = await testDevice();
  const parts = new Parts(smallContext(device), { counting: true });
  const classes = parts.c.numClasses;
  const thresholds = thresholdsOf(parts, 'freematch')!;
  const rng = new Rng(3, 3);
  let t = 1 / classes;
  let p = Array<number>(classes).fill(1 / classes);
  for (let step = 0; step < 3; step++) {
    const z = Float32Array.from({ length: PIXELS * classes }, () => 4 * rng.normal());
    // The last step has nothing valid.
    const on = Float32Array.from({ length: PIXELS }, () => (step < 2 && rng.bernoulli(0.7) ? 1 : 0));
    const logits = device.tensor(z, [...SHAPE, classes]);
    const valid = device.tensor(on, SHAPE);
    const q = labelsOf(logits, { valid, truth: device.tensor(new Int32Array(PIXELS).fill(255), SHAPE) });
    thresholds.update(q, logits);
    const rows = [...on.keys()]
      .filter((i) => on[i])
      .map((i) => {
        const e = [...z.subarray(i * classes, (i + 1) * classes)].map(Math.exp);
        const sum = e.reduce((a, b) => a + b);
        return e.map((v) => v / sum);
      });
    if (rows.length > 0) {
      const mean = (of: (row: number[]) => number): number => rows.reduce((s, row) => s + of(row), 0) / rows.length;
      t = DECAY * t + (1 - DECAY) * mean((row) => Math.max(...row));
      p = p.map((v, c) => DECAY * v + (1 - DECAY) * mean((row) => row[c]));
    }
    const gate = await thresholds.gate(q, 0.5).read();
    const [label, confidence] = await device.read([q.label, q.confidence]);
    gate.forEach((open, i) => {
      const limit = on[i] ? (t * p[label[i]]) / Math.max(...p) : Infinity;
      if (Math.abs(confidence[i] - limit) > 1e-5) assert.is(open, Number(confidence[i] >= limit), `pixel ${i}`);
    });
  }
  const [saved] = [...parts.networks.values()];
  const got = await saved.buffers.get('probabilities')!.read();
  got.forEach((v, c) => assert.ok(Math.abs(v - p[c]) < 1e-6, `${v}, not ${p[c]}`));
  assert.ok(Math.abs((await saved.buffers.get('confidence')!.read())[0] - t) < 1e-6);
  parts.dispose();
});

for (const scheme of ['fixmatch', 'unimatch', 'unimatch-v2', 'augseg'])
  test(`${scheme}: resumes bit for bit with FreeMatch's thresholds`, async () => {
    const config = { scheme, options: { classwise: 'freematch' } };
    const whole = await runTiny(config);
    const part = await runTiny(config, { stopAfter: 4 });
    const rest = await runTiny(config, { resume: part.checkpoint! });
    assert.equal(rest.last, whole.last);
    assert.ok(whole.points.some((s) => s.accepted! > 0));
    for (const r of [whole, part, rest]) r.dispose();
  });

test.run();
