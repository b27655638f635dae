// Cross-entropy forms, FixMatch and CPS: the worked numbers of the method specification, and the properties that must
// hold.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import { crossEntropy, weightedSum } from '../../runtime/ops/index.ts';
import { gate, pseudoLabel } from '../../src/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { ceAccepted, ceAll, ceValid, ohem, softCeValid } from '../../src/losses/index.ts';
import { testDevice } from '../support/device.ts';
import { cpsLoss, fixmatchLoss } from '../support/losses.ts';
import { close } from '../support/op.ts';

const T = 1e-6;

/** A tensor [rows, columns] that needs a gradient. */
function leaf(device: Device, rows: number[][]): Tensor {
  const t = device.tensor(rows.flat(), [rows.length, rows[0].length]);
  t.requiresGrad = true;
  return t;
}

/** Two-class logits whose cross-entropy with label 0 is the given one. */
const logitsFor = (losses: number[]): number[][] => losses.map((l) => [-Math.log(Math.expm1(l)), 0]);

test('FixMatch: worked example', async () => {
  const device = await testDevice();
  const weak = leaf(device, [
    [4, 0, 0],
    [1, 0, 0],
    [0, 5, 0],
  ]);
  const strong = leaf(device, [
    [1, 0, 0],
    [0, 0, 0],
    [0, 0, 2],
  ]);
  const all = fixmatchLoss(weak, strong, 0.95, { denominator: 'all' });
  close(await all.confidence.read(), [0.96466316, 0.57611688, 0.98670329], T, 'confidence');
  assert.equal([...(await all.accepted.read())], [1, 0, 1]);
  close([await all.loss.item()], [0.93032983], T, 'loss');
  const [dweak, dstrong] = grad(all.loss, [weak, strong]);
  close(
    await dstrong.read(),
    [-0.14129437, 0.07064719, 0.07064719, 0, 0, 0, 0.03550233, -0.29783101, 0.26232868],
    T,
    'gradient',
  );
  assert.equal([...(await dweak.read())], Array(9).fill(0));
  close(
    [await fixmatchLoss(weak, strong, 0.95, { denominator: 'kept' }).loss.item()],
    [1.39549474],
    T,
    'mean over the accepted',
  );
  close([await fixmatchLoss(weak, strong, 0.95).loss.item()], [0.93032983], T, 'every pixel valid');
});

test('FixMatch: padding is out of the denominator, not with all', async () => {
  const device = await testDevice();
  const weak = leaf(device, [
    [4, 0, 0],
    [9, 0, 0],
    [0, 5, 0],
  ]);
  const strong = leaf(device, [
    [1, 0, 0],
    [0, 0, 0],
    [0, 0, 2],
  ]);
  const valid = device.tensor([1, 0, 1], [3]);
  close([await fixmatchLoss(weak, strong, 0.95, { valid }).loss.item()], [(0.55144471 + 2.23954477) / 2], T, 'valid');
  close([await fixmatchLoss(weak, strong, 0.95, { valid, denominator: 'all' }).loss.item()], [0.93032983], T, 'all');
});

test('FixMatch: the threshold is compared with >=', async () => {
  const device = await testDevice();
  const x = leaf(device, [[0, 0]]);
  assert.equal([...(await fixmatchLoss(x, x, 0.5).accepted.read())], [1]);
});

test('FixMatch: tau 0 and equal views give the cross-entropy of the own argmax', async () => {
  const device = await testDevice();
  const rng = new Rng(1, 1);
  const x = device.tensor(
    Float32Array.from({ length: 600 }, () => rng.normal()),
    [10, 12, 5],
  );
  const got = await fixmatchLoss(x, x, 0).loss.item();
  const want = await crossEntropy(x, pseudoLabel(x).label).item();
  assert.is(got, want);
});

test('UniMatch: worked example with an ignored pixel', async () => {
  const device = await testDevice();
  const strong = leaf(device, logitsFor([1.2, 0.4, 0.9, 2]));
  const label = device.tensor(Int32Array.of(0, 0, 0, 255), [4]);
  const confidence = device.tensor([0.97, 0.96, 0.5, 0.99], [4]);
  close([await ceAccepted(strong, label, gate(confidence, 0.95)).item()], [0.53333333], T, '/ valid');
  close([await ceAccepted(strong, label, gate(confidence, 0.95), 'all').item()], [0.4], T, '/ all');
  const none = gate(confidence, device.tensor([0.98], []));
  close([await ceAccepted(strong, label, none).item()], [0], T, 'tau from a tensor');
  const [lx, s1, s2, fp] = [0.8, 0.4, 0.6, 0.2].map((v) => device.tensor([v], []));
  close(
    [
      await weightedSum([
        [lx, 0.5],
        [s1, 0.125],
        [s2, 0.125],
        [fp, 0.25],
      ]).item(),
    ],
    [0.575],
    T,
    'total',
  );
});

test('CPS: worked example', async () => {
  const device = await testDevice();
  const a = leaf(device, [
    [2, 0],
    [0, 1],
  ]);
  const b = leaf(device, [
    [0, 1],
    [1, 3],
  ]);
  const ya = pseudoLabel(a).label;
  const yb = pseudoLabel(b).label;
  assert.equal([...(await ya.read()), ...(await yb.read())], [0, 1, 1, 1]);
  close(
    [await ceAll(a, yb).item(), await ceAll(b, ya).item()],
    [(2.12692801 + 0.31326169) / 2, (1.31326169 + 0.12692801) / 2],
    T,
    'terms',
  );
  const loss = cpsLoss(a, b);
  close([await loss.item()], [1.9401897], T, 'loss');
  const [da, db] = grad(loss, [a, b]);
  close(await da.read(), [0.44039854, -0.44039854, 0.13447071, -0.13447071], T, 'gradient of A');
  close(await db.read(), [-0.36552929, 0.36552929, 0.05960146, -0.05960146], T, 'gradient of B');
});

test('CPS: each term trains one network; padding can be left out', async () => {
  const device = await testDevice();
  const a = leaf(device, [
    [2, 0],
    [0, 1],
  ]);
  const b = leaf(device, [
    [0, 1],
    [1, 3],
  ]);
  assert.equal([...(await grad(ceAll(a, pseudoLabel(b).label), [b])[0].read())], [0, 0, 0, 0]);
  const supervised = crossEntropy(a, device.tensor(Int32Array.of(0, 1), [2]));
  assert.equal([...(await grad(supervised, [b])[0].read())], [0, 0, 0, 0]);
  close(
    [await cpsLoss(a, b, { valid: device.tensor([0, 1], [2]) }).item()],
    [0.31326169 + 0.12692801],
    T,
    'second pixel alone',
  );
});

test('OHEM: worked example', async () => {
  const device = await testDevice();
  const pt = [0.2, 0.9, 0.75, 0.6, 0.95, 0.3];
  const rows = [...pt.map((p) => [Math.log(p / (1 - p)), 0]), [-50, 0], [3, 0]];
  const labels = device.tensor(Int32Array.of(0, 0, 0, 0, 0, 0, 255, 255), [8]);
  for (const [minKept, loss] of [
    [2, 1.10807878],
    [4, 0.9029796],
    [5, 0.74345579],
    [8, 0.62809537],
    [1000, 0.62809537],
  ]) {
    close(
      [await ohem(leaf(device, rows), labels, { threshold: 0.7, minKept }).item()],
      [loss],
      2e-6,
      `minKept ${minKept}`,
    );
  }
  close(
    [await ohem(leaf(device, rows), labels, { threshold: 0, minKept: 1 }).item()],
    [-Math.log(0.2)],
    T,
    'threshold 0',
  );
});

test('the value of a logit at an ignored pixel changes nothing', async () => {
  const device = await testDevice();
  const labels = device.tensor(Int32Array.of(0, 255), [2]);
  const confidence = device.tensor([1, 1], [2]);
  const valid = device.tensor([1, 0], [2]);
  const all = async (v: number): Promise<number[]> => {
    const x = leaf(device, [
      [1, 2],
      [v, -v],
    ]);
    const losses = [
      ceValid(x, labels),
      ceAccepted(x, labels, gate(confidence, 0.5)),
      ceAccepted(x, labels, gate(confidence, 0.5), 'all'),
      softCeValid(x, device.tensor([0.5, 0.5, 0.5, 0.5], [2, 2]), valid),
      fixmatchLoss(x, x, 0, { valid }).loss,
      cpsLoss(x, x, { valid }),
      ohem(x, labels, { threshold: 0.7, minKept: 2 }),
    ];
    return Promise.all(losses.map((l) => l.item()));
  };
  assert.equal(await all(5), await all(-1000));
  assert.equal(await all(NaN), await all(-1000));
});

test('OHEM: a loss that is NaN is a hard one', async () => {
  const device = await testDevice();
  for (const bad of [
    [NaN, 0],
    [NaN, NaN],
  ]) {
    for (const rows of [
      [[3, 0], bad, [2, 0]],
      [bad, bad, bad],
    ]) {
      const x = leaf(device, rows);
      const labels = device.tensor(Int32Array.of(0, 0, 0), [3]);
      for (const minKept of [1, 3]) assert.equal(await ohem(x, labels, { threshold: 0.7, minKept }).item(), NaN);
    }
  }
});

test('a teacher that is NaN in a pixel teaches it nothing; a student that is NaN in an accepted one shows it', async () => {
  const device = await testDevice();
  const weak = leaf(device, [
    [9, 0],
    [NaN, 0],
  ]);
  const { loss, accepted } = fixmatchLoss(
    weak,
    leaf(device, [
      [1, 0],
      [NaN, 0],
    ]),
    0,
  );
  assert.equal([...(await accepted.read())], [1, 0]);
  close([await loss.item()], [Math.log1p(Math.exp(-1)) / 2], T, 'the pixel of the NaN is rejected');
  assert.equal(
    await fixmatchLoss(
      weak,
      leaf(device, [
        [NaN, 0],
        [1, 0],
      ]),
      0,
    ).loss.item(),
    NaN,
  );
});

test.run();
