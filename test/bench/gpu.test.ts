// The benchmark of GPUs: its inputs, the reference of its outputs, and where it looks for a driver.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findDriver, tries } from '../../bench/bundle/driver.ts';
import { conv, matmul } from '../../bench/cases.ts';
import { fewmaskEngine } from '../../bench/engines/fewmask.ts';
import { hwioPlace, nhwcPlace } from '../../bench/data.ts';
import { gpuCases, repeatedInputs } from '../../bench/gpuCases.ts';
import { differences } from '../../bench/report.ts';
import { sampledReference } from '../../bench/sampled.ts';
import { testDevice } from '../support/device.ts';

test('the cases are those of the task, each in f32 and f16, with names of their own', () => {
  const cases = gpuCases(false);
  const names = cases.map((c) => c.name);
  assert.is(new Set(names).size, names.length);
  assert.is(cases.filter((c) => c.half).length, cases.length / 2);
  for (const name of [
    'matmul-1024',
    'matmul-8192-f16',
    'conv3x3-b8',
    'dilated3x3-b16-backward',
    'unet-512-step',
    'deeplab50-512-step-f16',
  ])
    assert.ok(names.includes(name), name);
});

test("DeepLabV3+'s arithmetic is that of the published network", () => {
  // ResNet-50 at 512x512 takes 21.5 GMAC to its last stage (4.1 at 224x224); the dilated stage and the decoder multiply
  // that by about two.
  const { flops } = gpuCases(false).find((c) => c.name === 'deeplab50-512-step')!;
  const macs = flops / 3 / 2 / 8;
  assert.ok(macs > 50e9 && macs < 80e9, String(macs));
});

test('places in NCHW and OIHW are found in NHWC and HWIO', () => {
  const [n, c, h, w] = [2, 3, 4, 5];
  for (let at = 0; at < n * c * h * w; at++) {
    const [b, k, y, x] = [Math.floor(at / (c * h * w)), Math.floor(at / (h * w)) % c, Math.floor(at / w) % h, at % w];
    assert.is(nhwcPlace(at, [n, h, w, c]), ((b * h + y) * w + x) * c + k);
    assert.is(hwioPlace(at, [h, w, c, n]), ((y * w + x) * c + k) * n + b);
  }
});

test('the sampled reference agrees with the engine, and samples with whole outputs', async () => {
  const engine = fewmaskEngine(await testDevice(), '');
  const cases = [
    matmul(40),
    conv('plain', 2, 8, 12, 10, 16, 3, true),
    conv('dilated', 1, 8, 16, 16, 8, 3, true, { dilation: 6 }),
    conv('stride', 2, 8, 11, 14, 8, 3, true, { stride: 2 }),
    conv('grouped', 1, 8, 9, 9, 8, 3, true, { groups: 8 }),
  ];
  for (const c of cases) {
    const inputs = repeatedInputs(c);
    const { at, values } = sampledReference(c, inputs)!;
    const job = await engine.build(c, inputs);
    if ('why' in job) throw new Error(job.why);
    const sampled = await job.sampled!(at);
    const whole = await job.outputs();
    job.dispose();
    assert.ok(Math.max(...differences(sampled, values)) < 1e-4, `${c.name}: ${differences(sampled, values)}`);
    assert.equal(
      sampled.map((s) => [...s]),
      at.map((places, i) => Array.from(places, (p) => whole[i][p])),
      c.name,
    );
  }
});

test('repeated inputs continue where the block ends, and f16 holds those of f16 cases', () => {
  const c = { ...matmul(1100), half: true, name: 'matmul-1100-f16' };
  const { a } = repeatedInputs(c);
  assert.is(a.data.length, 1100 ** 2);
  assert.is(a.data[a.period! + 3], a.data[3]);
  assert.ok(
    a.data.every((v) =>
      Math.abs(v) >= 2 ** -14 ? Number.isInteger(v * 2 ** (10 - Math.floor(Math.log2(Math.abs(v))))) : true,
    ),
  );
});

test('differences are relative to the largest value; what is missing or no number is infinitely off', () => {
  assert.equal(
    differences([[1, 2.1]], [[1, 2]]).map((d) => d.toFixed(3)),
    ['0.050'],
  );
  assert.equal(differences([[NaN]], [[1]]), [Infinity]);
  assert.equal(differences([], [[1]]), [Infinity]);
});

test('a driver in an unusual place is tried after the plain way; one that has no description is described', () => {
  const root = mkdtempSync(join(tmpdir(), 'fewmask-root-'));
  const put = (path: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), '');
  };
  try {
    put('/usr/share/vulkan/icd.d/lvp_icd.json');
    put('/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json');
    put('/usr/local/nvidia/lib64/libEGL_nvidia.so.0');
    const all = tries({ carried: '/bundle/lib', cache: join(root, 'cache'), libraries: '/own' }, root);
    assert.equal(all[0].env, {});
    assert.ok(!all.some((t) => t.env.VK_DRIVER_FILES?.includes('lvp')));
    assert.is(all[1].env.VK_DRIVER_FILES, join(root, '/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json'));
    assert.match(all[2].env.VK_DRIVER_FILES!, /libEGL_nvidia/);
    const last = all.at(-1)!.env.LD_LIBRARY_PATH!;
    assert.is(last, `${join(root, '/usr/local/nvidia/lib64')}:/bundle/lib:/own`);

    const tried: string[] = [];
    const found = findDriver(
      all,
      (t) =>
        t === all[2]
          ? { description: 'a GPU', kind: 'hardware' }
          : t === all[0]
            ? { description: 'llvmpipe', kind: 'lavapipe' }
            : 'none',
      (line) => void tried.push(line),
    );
    assert.is(found.chosen, all[2]);
    assert.is(tried.length, 3);
    const none = findDriver(
      all,
      (t) => (t === all[0] ? { description: 'llvmpipe', kind: 'lavapipe' } : 'none'),
      () => undefined,
    );
    assert.is(none.chosen, all[0]);
    assert.is(none.adapter?.kind, 'lavapipe');
    const hidden = findDriver(
      all,
      (t) => (t === all[1] ? { description: 'llvmpipe', kind: 'lavapipe' } : 'none'),
      () => undefined,
    );
    assert.is(hidden.chosen, all[1]);
    assert.equal(
      findDriver(
        all,
        () => 'none',
        () => undefined,
      ),
      { chosen: all[0], adapter: null },
    );
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test.run();
