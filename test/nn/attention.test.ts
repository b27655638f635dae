// PseudoSeg's attention branch: the worked example, the whole branch against float64, the maps of its classifier.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { mixedPrecision } from '../../runtime/modules/precision.ts';
import { bceWithLogits, cast } from '../../runtime/ops/index.ts';
import { normaliseMaps } from '../../src/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import { activationMap, classActivationMaps } from '../../src/cam/index.ts';
import { AttentionBranch } from '../../src/nn/attention.ts';
import { EVAL, TRAIN } from '../../src/nn/module.ts';
import { testDevice } from '../support/device.ts';
import { close } from '../support/op.ts';

test('self-attention: worked example', async () => {
  const device = await testDevice();
  const branch = new AttentionBranch(device, { encoderChannels: [1, 1], numClasses: 3, foreground: 2, dims: 2 });
  const one = Float32Array.of(1, 0, 0, 1);
  const key = branch.params.get('key.weight')!;
  const query = branch.params.get('query.weight')!;
  for (const w of [key, query]) device.write(w, one);
  const column = device.tensor(one, [1, 1, 2, 2]);
  const maps = device.tensor([1, 0, 0.2, 0.6], [1, 1, 2, 2]);
  const s = branch.refine(column, maps, device.tensor([1, 1], [1, 1, 2]));
  const S = await s.read();
  close(S, [1.73580924, 0.19814307, 0.66419076, 1.00185693], 1e-6, 'S');
  close([2 - Math.max(S[0], S[1]), 2 - Math.max(S[2], S[3])], [0.26419076, 0.99814307], 1e-6, 'background');
  const [dk, dq] = grad(s, [key, query], { dy: device.tensor([1, 0, 0, 0], [1, 1, 2, 2]) });
  close(await dk.read(), [0.12511888, 0, -0.12511888, 0], 1e-6, 'dWk');
  close(await dq.read(), [0.12511888, -0.12511888, 0, 0], 1e-6, 'dWq');
  branch.dispose();
});

test('self-attention in f16: products beyond its range are divided before they are added up', async () => {
  const device = await testDevice();
  if (!device.f16) return;
  const branch = new AttentionBranch(device, {
    encoderChannels: [4, 4],
    numClasses: 3,
    foreground: 2,
    dims: 128,
    seed: 2,
  });
  const rng = new Rng(8, 1);
  const p = 6;
  // Every key and query has components around 30, so that a product of two is beyond 65504.
  const w = Float32Array.from({ length: 8 * 128 }, () => 30 + 0.02 * rng.normal());
  for (const name of ['key.weight', 'query.weight']) device.write(branch.params.get(name)!, w);
  const data = Float32Array.from({ length: p * 8 }, (_, i) => (i % 8 === 0 ? 1 : 0.01 * rng.normal()));
  const column = device.tensor(data, [1, 2, 3, 8]);
  const maps = device.tensor(
    Float32Array.from({ length: 2 * p }, () => rng.uniform()),
    [1, 2, 3, 2],
  );
  const valid = device.tensor(new Float32Array(p).fill(1), [1, 2, 3]);
  const mixed = await mixedPrecision(device, () => branch.refine(cast(column, 'f16'), maps, valid)).read();
  assert.ok(
    mixed.every((v) => Number.isFinite(v)),
    `${mixed}`,
  );
  assert.ok(
    mixed.every((v) => v >= 0 && v <= 2),
    'a map and an average of maps',
  );
  branch.dispose();
});

test('multi-label cross-entropy: worked example', async () => {
  const device = await testDevice();
  const z = device.tensor([2, -1, 0], [1, 3]);
  z.requiresGrad = true;
  const loss = bceWithLogits(z, device.tensor([1, 0, 1], [1, 3]));
  close([await loss.item()], [0.37777896], 1e-6, 'mean');
  close(await grad(loss, [z])[0].read(), [-0.03973431, 0.08964714, -0.16666667], 1e-6, 'gradient');
});

test('the branch against float64, with padding; running statistics', async () => {
  const device = await testDevice();
  const n = 2;
  const h = 3;
  const w = 4;
  const p = h * w;
  const channels = [3, 5];
  const fg = 2;
  const classes = 3;
  const dims = 4;
  const branch = new AttentionBranch(device, {
    encoderChannels: [7, ...channels],
    numClasses: classes,
    foreground: fg,
    dims,
    seed: 4,
  });
  const rng = new Rng(3, 3);
  const draw = (k: number): Float32Array => Float32Array.from({ length: k }, () => rng.normal());
  const stages = channels.map((c) => draw(n * p * c));
  const maps = Float32Array.from({ length: n * p * fg }, () => rng.uniform());
  const valid = Float32Array.from({ length: n * p }, (_, i) => (i % w === 3 ? 0 : 1));
  device.write(branch.params.get('score_bn.bias')!, Float32Array.of(0.5, -1, 2));
  const [key, query, score] = await device.read(
    ['key', 'query', 'score'].map((k) => branch.params.get(`${k}.weight`)!),
  );

  const y = new Float64Array(n * p * classes);
  for (let k = 0; k < n; k++) {
    const at = (i: number): number[] =>
      stages.flatMap((s, j) => [...s.subarray((k * p + i) * channels[j], (k * p + i + 1) * channels[j])]);
    const project = (i: number, weights: ArrayLike<number>): number[] =>
      Array.from({ length: dims }, (_, d) => at(i).reduce((sum, v, e) => sum + v * weights[e * dims + d], 0));
    for (let i = 0; i < p; i++) {
      const q = project(i, query);
      const scores = Array.from(
        { length: p },
        (_, j) =>
          (valid[k * p + i] && valid[k * p + j] ? project(j, key).reduce((sum, v, d) => sum + v * q[d], 0) : -1e9) /
          Math.sqrt(dims),
      );
      const top = Math.max(...scores);
      const e = scores.map((v) => Math.exp(v - top));
      const total = e.reduce((a, v) => a + v);
      const s = Array.from({ length: fg }, (_, c) =>
        e.reduce((sum, v, j) => sum + (v / total) * maps[(k * p + j) * fg + c], maps[(k * p + i) * fg + c]),
      );
      const input = [2 - Math.max(...s), ...s];
      for (let c = 0; c < classes; c++)
        y[(k * p + i) * classes + c] = input.reduce((sum, v, f) => sum + v * score[f * classes + c], 0);
    }
  }
  const moments = Array.from({ length: classes }, (_, c) => {
    const v = y.filter((_, i) => i % classes === c);
    const mean = v.reduce((a, b) => a + b) / v.length;
    return { mean, variance: v.reduce((a, b) => a + (b - mean) ** 2, 0) / v.length };
  });
  const beta = [0.5, -1, 2];
  const want = y.map(
    (v, i) => (v - moments[i % classes].mean) / Math.sqrt(moments[i % classes].variance + 1e-3) + beta[i % classes],
  );
  const tensors = stages.map((s, j) => device.tensor(s, [n, h, w, channels[j]]));
  const m = device.tensor(maps, [n, h, w, fg]);
  const mask = device.tensor(valid, [n, h, w]);
  close(await branch.attend(tensors, m, mask, TRAIN).read(), want, 2e-5, 'training');
  close(
    await branch.buffers.get('score_bn.running_mean')!.read(),
    moments.map((v) => 1e-3 * v.mean),
    1e-4,
    'running mean',
  );
  const before = await branch.stateDict();
  const [rm, rv] = [before.get('score_bn.running_mean')!.data, before.get('score_bn.running_var')!.data];
  close(
    await branch.attend(tensors, m, mask, EVAL).read(),
    y.map((v, i) => (v - rm[i % classes]) / Math.sqrt(rv[i % classes] + 1e-3) + beta[i % classes]),
    2e-5,
    'evaluation',
  );
  branch.attend(tensors, m, mask, { bn: 'train', update: false });
  assert.equal(await branch.stateDict(), before, 'without update nothing moves');
  branch.dispose();
});

test('the maps are Grad-CAM of the classifier; dropout changes the scores, and only in training', async () => {
  const device = await testDevice();
  const branch = new AttentionBranch(device, { encoderChannels: [4, 16], numClasses: 4, foreground: 3, seed: 1 });
  const rng = new Rng(6, 1);
  const a = device.tensor(
    Float32Array.from({ length: 2 * 30 * 16 }, () => Math.max(0, rng.normal())),
    [2, 5, 6, 16],
  );
  a.requiresGrad = true;
  const stages = [device.empty([2, 5, 6, 4]), a];
  const z = branch.classify(stages, {});
  assert.equal([...z.shape], [2, 3]);
  const maps = await normaliseMaps(classActivationMaps(a, branch.classifierWeights)).read();
  for (let c = 0; c < 3; c++) {
    const [g] = grad(z, [a], {
      dy: device.tensor(
        Float32Array.from({ length: 6 }, (_, i) => (i % 3 === c ? 1 : 0)),
        [2, 3],
      ),
    });
    close(
      await normaliseMaps(activationMap(a, g)).read(),
      maps.filter((_, i) => i % 3 === c),
      1e-5,
      `class ${c}`,
    );
  }
  const seed = (step: number) => ({ dropout: device.tensor(Uint32Array.of(1, 2, step, 0), [4]) });
  const scores = await Promise.all([{}, seed(1), seed(1), seed(2)].map((mode) => branch.classify(stages, mode).read()));
  assert.equal(scores[1], scores[2]);
  assert.not.equal(scores[1], scores[0]);
  assert.not.equal(scores[1], scores[3]);
  assert.throws(
    () => new AttentionBranch(device, { encoderChannels: [4], numClasses: 2, foreground: 1 }),
    says(/hypercolumn needs two/),
  );
  branch.dispose();
});

test.run();
