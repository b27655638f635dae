// Consistency, PseudoSeg, U2PL and InfoNCE: the worked numbers of the method specification, and the properties that
// must hold.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { plan } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { softCrossEntropyMap, weightedSum } from '../../runtime/ops/index.ts';
import { fuse, gate, sharpen, softmaxMse } from '../../src/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import {
  ensembleCorrection,
  infoNce,
  mseMeanC,
  mseSumC,
  piModel,
  softCeValid,
  temporalEnsemble,
  u2pl,
  u2plPercent,
} from '../../src/losses/index.ts';
import { testDevice } from '../support/device.ts';
import { cpsLoss, pseudosegLoss } from '../support/losses.ts';
import { close } from '../support/op.ts';

const T = 1e-6;

function leaf(device: Device, rows: number[][]): Tensor {
  const t = device.tensor(rows.flat(), [rows.length, rows[0].length]);
  t.requiresGrad = true;
  return t;
}

const ZP = [
  [2, 0, -1],
  [0.5, 1.5, 0],
];
const M = [
  [1, 1, 0],
  [0, 3, -2],
];
const ZS = [
  [1, 0, 0],
  [0, 2, 0],
];

test('calibrated fusion: both norms, mixed and sharpened', async () => {
  const device = await testDevice();
  const zp = leaf(device, ZP);
  const m = leaf(device, M);
  close(
    await fuse(zp, m, { temperature: 1, gamma: 1 }).read(),
    [0.74409432, 0.17270317, 0.08320251, 0.26526676, 0.55061327, 0.18411997],
    T,
    'softmax(zp/r)',
  );
  close(
    await fuse(zp, m, { temperature: 1, gamma: 0 }).read(),
    [0.40293887, 0.40293887, 0.19412225, 0.0982775, 0.87891245, 0.02281006],
    T,
    'softmax(m/r)',
  );
  close(
    await fuse(zp, m, { temperature: 1 }).read(),
    [0.5735166, 0.28782102, 0.13866238, 0.18177213, 0.71476286, 0.10346502],
    T,
    'mean',
  );
  close(await fuse(zp, m).read(), [0.76317706, 0.19221105, 0.04461189, 0.05957302, 0.92112588, 0.0193011], T, 'q');
  close(
    await fuse(zp, m, { norm: 'l2-pixel', temperature: 1 }).read(),
    [0.46532082, 0.31726903, 0.21741014, 0.29127127, 0.48945823, 0.2192705],
    T,
    'l2 mean',
  );
  close(
    await fuse(zp, m, { norm: 'l2-pixel' }).read(),
    [0.59410976, 0.27619581, 0.12969443, 0.227763, 0.64316017, 0.12907683],
    T,
    'l2 q',
  );
  close(
    await sharpen(device.tensor([0.5, 0.3, 0.2], [1, 3])).read(),
    [0.65789474, 0.23684211, 0.10526316],
    T,
    'sharpen',
  );
});

test('PseudoSeg: soft cross-entropy, padding, gradients', async () => {
  const device = await testDevice();
  const zp = leaf(device, ZP);
  const m = leaf(device, M);
  const zs = leaf(device, ZS);
  const { loss, q } = pseudosegLoss(zs, zp, m);
  close(await softCrossEntropyMap(zs, q).read(), [0.78826765, 0.39729301], T, 'per pixel');
  close([await loss.item()], [0.59278033], T, 'loss');
  const [dzs, dzp, dm] = grad(loss, [zs, zp, m]);
  close(await dzs.read(), [-0.09353009, 0.00986526, 0.08366483, 0.02346698, -0.06706992, 0.04360294], T, 'gradient');
  assert.equal([...(await dzp.read()), ...(await dm.read())], Array(12).fill(0));
  close([await softCeValid(zs, q, device.tensor([1, 0], [2])).item()], [0.78826765], T, 'second pixel padded');
});

test('calibrated fusion does not change when both maps are scaled', async () => {
  const device = await testDevice();
  const q = async (k: number): Promise<ArrayLike<number>> =>
    fuse(
      leaf(
        device,
        ZP.map((r) => r.map((v) => k * v)),
      ),
      leaf(
        device,
        M.map((r) => r.map((v) => k * v)),
      ),
    ).read();
  close(await q(10), await q(1), 2e-6, 'times 10');
  close(await q(0.1), await q(1), 2e-6, 'times 0.1');
});

test('InfoNCE: worked example', async () => {
  const device = await testDevice();
  const s = leaf(device, [
    [2, 0, 1],
    [0, 1, 0],
    [1, 1, 3],
  ]);
  const loss = infoNce(s);
  close([await loss.item()], [0.39953181], T, 'mean');
  close([Math.log(3) - (await loss.item())], [0.69908047], T, 'bound on the mutual information');
  close(
    await grad(loss, [s])[0].read(),
    [-0.11158635, 0.03001019, 0.08157616, 0.07064719, -0.14129437, 0.07064719, 0.03550233, 0.03550233, -0.07100465],
    T,
    'gradient',
  );
  close(
    [
      await infoNce(
        leaf(device, [
          [2, 0, 1],
          [0, 1, 1],
          [1, 0, 3],
        ]),
      ).item(),
    ],
    [0.4798156],
    T,
    'columns',
  );
  close([await infoNce(s, { temperature: 0.5 }).item()], [0.13948423], T, 'temperature');
  close(
    [await infoNce(leaf(device, [[1, 1, 2]]), { positives: device.tensor(Int32Array.of(2), [1]) }).item()],
    [0.55144471],
    T,
    'named positive',
  );
});

test('InfoNCE with more than 255 candidates: none of them is ignored', async () => {
  const device = await testDevice();
  const n = 300;
  close([await infoNce(device.tensor(new Float32Array(n * n), [n, n])).item()], [Math.log(n)], T, 'log K');
  assert.throws(() => infoNce(device.empty([3, 2])), /\[3,2\]/);
  assert.throws(() => infoNce(device.empty([2, 2]), { temperature: 0 }), /temperature/);
});

test('CutMix-Seg: sum over classes, scalar gate; mean over classes', async () => {
  const device = await testDevice();
  // Student at p = (.5, .5); the teacher's probabilities give the errors .08 .38 0 .02, confidences are set apart.
  const d = [0.08, 0.38, 0, 0.02].map((e) => Math.sqrt(e / 2));
  const student = leaf(
    device,
    d.map(() => [0, 0]),
  );
  const q = device.tensor(
    d.flatMap((v) => [0.5 + v, 0.5 - v]),
    [4, 2],
  );
  const share = device.tensor([0.75], []);
  close([await softmaxMse(student, q, { reduction: 'sumC', scalar: share }).item()], [0.09], T, 'scalar gate');
  close(
    [
      await softmaxMse(student, q, {
        reduction: 'sumC',
        pixelWeight: gate(device.tensor([0.98, 0.6, 0.99, 0.97], [4]), 0.97),
      }).item(),
    ],
    [0.025],
    T,
    'a gate for each pixel',
  );
  close([await softmaxMse(student, q, { reduction: 'meanC' }).item()], [0.06], T, 'mean over classes');
  // 0.5 + d: .7, .936, .5, .6
  const got = mseSumC(student, q, { tau: 0.6, probabilities: true });
  close([await got.confidentShare.item(), await got.loss.item()], [0.75, 0.09], T, 'with the gate');
});

test('CutMix-Seg: three classes of the specification, MSE-meanC is a third', async () => {
  const device = await testDevice();
  const zs = leaf(device, [[1, 0, 0]]);
  const q = device.tensor([0.5, 0.4, 0.1], [1, 3]);
  const sum = softmaxMse(zs, q, { reduction: 'sumC' });
  const mean = softmaxMse(zs, q, { reduction: 'meanC' });
  close([await sum.item(), await mean.item()], [3 * 0.01789689, 0.01789689], T, 'loss');
  close(await grad(mean, [zs])[0].read(), [0.01858822, -0.03048826, 0.01190005], T, 'gradient');
  // The errors .08, .38, 0, .02 in three classes: from a student at (1/3, 1/3, 1/3).
  const d = [0.08, 0.38, 0, 0.02].map((e) => Math.sqrt(e / 2));
  const thirds = leaf(
    device,
    d.map(() => [0, 0, 0]),
  );
  close(
    [
      await softmaxMse(
        thirds,
        device.tensor(
          d.flatMap((v) => [1 / 3 + v, 1 / 3 - v, 1 / 3]),
          [4, 3],
        ),
        { reduction: 'meanC' },
      ).item(),
    ],
    [0.04],
    T,
    'the specification',
  );
});

test('Mean Teacher: the teacher is a constant; the Pi-model has two branches', async () => {
  const device = await testDevice();
  const s = leaf(device, ZP);
  const t = leaf(device, M);
  const [ds, dt] = grad(mseMeanC(s, t), [s, t]);
  assert.ok((await ds.read()).some((v) => v !== 0));
  assert.equal([...(await dt.read())], Array(6).fill(0));
  const [da, db] = grad(piModel(s, t), [s, t]);
  close(await da.read(), await ds.read(), T, 'first branch');
  const [mirrored] = grad(mseMeanC(t, s), [t]);
  close(await db.read(), await mirrored.read(), T, 'second branch');
  const q = mseSumC(s, t, { tau: 0 });
  close(
    [await q.confidentShare.item(), await q.loss.item()],
    [1, 3 * (await mseMeanC(s, t).item())],
    T,
    'C times as large',
  );
  assert.equal([...(await grad(q.loss, [t])[0].read())], Array(6).fill(0));
});

test('temporal ensembling: worked example', async () => {
  const device = await testDevice();
  let z = device.tensor([0], [1]);
  const seen: number[][] = [];
  for (const [i, v] of [0.2, 0.8, 0.5].entries()) {
    const next = temporalEnsemble(z, device.tensor([v], [1]), i + 1);
    z = next.ensemble;
    seen.push([await z.item(), await next.target.item()]);
  }
  const step = plan(device, { v: { shape: [1] }, correction: { shape: [] } }, ({ v, correction }) =>
    temporalEnsemble(v, v, correction),
  );
  for (const t of [1, 3])
    close(
      await step.run({ v: Float32Array.of(0.4), correction: Float32Array.of(ensembleCorrection(t)) }).target.read(),
      [0.4 / (1 - 0.6 ** t)],
      T,
      `a plan, update ${t}`,
    );
  step.dispose();
  close(seen.flat(), [0.08, 0.2, 0.368, 0.575, 0.4208, 0.53673469], T, 'Z, target');
});

test('U2PL: worked example', async () => {
  const device = await testDevice();
  const student = leaf(
    device,
    [0.1, 0.9, 1.5, 0.3].map((l) => [-Math.log(Math.expm1(l)), 0]),
  );
  const label = device.tensor(Int32Array.of(0, 0, 0, 0), [4]);
  const entropy = device.tensor([0.11, 0.9, 1.1, 0.39], [4]);
  close(
    [await u2pl(student, label, entropy, 80).item(), await u2pl(student, label, entropy, 50).item()],
    [0.57777778, 0.4],
    T,
    'loss',
  );
  close(
    [0, 40, 79].map((e) => u2plPercent(e / 80)),
    [80, 90, 99.75],
    1e-12,
    'percent',
  );
  const valid = device.tensor([1, 1, 0, 1], [4]);
  // Of the valid .11 .39 .90 the 80th percentile is .696: two kept of four pixels.
  close([await u2pl(student, label, entropy, 80, valid).item()], [2 * 0.2], T, 'with padding');
  assert.is(await u2pl(student, label, entropy, 80, device.tensor([0, 0, 0, 0], [4])).item(), 0);
});

test('a weight of 0 leaves two networks that do not know of each other', async () => {
  const device = await testDevice();
  const a = leaf(device, [
    [2, 0],
    [0, 1],
  ]);
  const b = leaf(device, [
    [0, 1],
    [1, 3],
  ]);
  const own = softCeValid(a, device.tensor([1, 0, 0, 1], [2, 2]));
  const total = weightedSum([[own], [cpsLoss(a, b), 0]]);
  const [da, db] = grad(total, [a, b]);
  const [only] = grad(own, [a]);
  assert.equal([...(await da.read())], [...(await only.read())]);
  assert.ok((await db.read()).every((v) => v === 0));
});

test('a whole method in a plan: ramps and thresholds change between replays', async () => {
  const device = await testDevice();
  const rng = new Rng(5, 5);
  const draw = (): Float32Array => Float32Array.from({ length: 2 * 6 * 7 * 5 }, () => rng.normal());
  const weak = draw();
  const strong = draw();
  const x = { shape: [2, 6, 7, 5] };
  const step = plan(
    device,
    { weak: x, strong: x, ramp: { shape: [] }, tau: { shape: [] } },
    ({ weak: w, strong: s, ramp, tau }) => {
      s.requiresGrad = true;
      const loss = weightedSum([
        [mseSumC(s, w, { tau }).loss, ramp],
        [pseudosegLoss(s, w, w).loss, 0.5],
      ]);
      return { loss, ds: grad(loss, [s])[0] };
    },
  );
  for (const [ramp, tau] of [
    [1, 0.5],
    [0.1, 0],
    [0, 0.9],
  ]) {
    step.run({ weak, strong, ramp: Float32Array.of(ramp), tau: Float32Array.of(tau) });
    const w = device.tensor(weak, x.shape);
    const s = device.tensor(strong, x.shape);
    s.requiresGrad = true;
    const loss = weightedSum([
      [mseSumC(s, w, { tau }).loss, ramp],
      [pseudosegLoss(s, w, w).loss, 0.5],
    ]);
    assert.is(await step.outputs.loss.item(), await loss.item());
    assert.equal(await step.outputs.ds.read(), await grad(loss, [s])[0].read());
  }
  step.dispose();
});

test.run();
