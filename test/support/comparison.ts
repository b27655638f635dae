// A comparison as training would leave it: five schemes, three seeds, plausible random curves, small pictures of the
// built-in data set.

import { Rng } from '../../runtime/random.ts';
import { createSynthetic } from '../../src/data/synthetic.ts';
import { scores } from '../../src/metrics/miou.ts';
import { confidenceColours, dataUrl, maskPng, overlayHeat, rgbPng } from '../../src/report/pictures.ts';
import type { Comparison, EvalPoint, Picture, RunRecord, StepPoint } from '../../src/train/records.ts';

const STEPS = 600;
const EVERY = 50;
const SKILL: Record<string, number> = {
  supervised: 0.56,
  'self-training': 0.61,
  fixmatch: 0.66,
  pseudoseg: 0.64,
  cps: 0.69,
};

/** Confusion counts of a network that is right with probability about `skill`; the last class is harder. */
function confusionAt(rng: Rng, skill: number, classes: number): number[] {
  const out: number[] = [];
  for (let t = 0; t < classes; t++) {
    const total = t === 0 ? 400000 : 60000 / t;
    const right = Math.min(0.98, Math.max(0.02, skill + (t === 0 ? 0.25 : 0.12 - 0.06 * t) + 0.02 * rng.normal()));
    const share = Array.from({ length: classes }, (_, p) => (p === t ? 0 : rng.uniform() + (p === 0 ? 1.5 : 0)));
    const sum = share.reduce((a, b) => a + b, 0);
    for (let p = 0; p < classes; p++) out.push(Math.round(total * (p === t ? right : ((1 - right) * share[p]) / sum)));
  }
  return out;
}

/** A prediction that differs from the truth: rows shifted, blocks wrong. */
function spoil(truth: Uint8Array, width: number, rng: Rng, skill: number, classes: number): Uint8Array {
  const height = truth.length / width;
  const out = new Uint8Array(truth.length);
  for (let y = 0; y < height; y++) {
    const shift = Math.round(3 * Math.sin(y / 6) * (1.2 - skill) * 2);
    for (let x = 0; x < width; x++) out[y * width + x] = truth[y * width + Math.min(width - 1, Math.max(0, x + shift))];
  }
  for (let k = 0; k < 40 * (1 - skill); k++) {
    const x0 = rng.uniform() * width;
    const y0 = rng.uniform() * height;
    const r = 3 + 6 * rng.uniform();
    const c = Math.floor(rng.uniform() * classes);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) if ((x - x0) ** 2 + (y - y0) ** 2 < r * r) out[y * width + x] = c;
  }
  return out;
}

async function pictures(scheme: string, seed: number, palette: number[][]): Promise<Picture[]> {
  const data = createSynthetic({ seed: 3, width: 96, height: 72, val: 4 });
  const out: Picture[] = [];
  for (const [k, id] of data.ids('val').entries()) {
    const { width, height, rgb, labels } = await data.load(id, { labels: true });
    const rng = new Rng(seed * 100 + k + scheme.length * 7, 5);
    const classes = palette.length;
    const prediction = spoil(labels!, width, rng, SKILL[scheme], classes);
    const confidence = Float32Array.from(
      prediction,
      (p, i) => (p === labels![i] ? 0.9 : 0.5) + 0.1 * Math.sin((i % width) / 9) * Math.cos(Math.floor(i / width) / 7),
    );
    const pseudo = prediction.map((p, i) => (confidence[i] > 0.85 ? p : 255));
    const cam = Float32Array.from({ length: width * height }, (_, i) =>
      Math.exp(-(((i % width) - 30 - 10 * k) ** 2 + (Math.floor(i / width) - 36) ** 2) / 400),
    );
    const mask = (m: Uint8Array): string => dataUrl(maskPng(m, width, height, palette));
    const unlabelled = scheme === 'supervised';
    out.push({
      id,
      width,
      height,
      layers: {
        image: dataUrl(rgbPng(rgb, width, height)),
        truth: mask(labels!),
        prediction: mask(prediction),
        pseudo: unlabelled ? undefined : mask(pseudo),
        confidence: dataUrl(rgbPng(confidenceColours(confidence), width, height)),
        cam: dataUrl(rgbPng(overlayHeat(rgb, cam, width, height), width, height)),
      },
    });
  }
  return out;
}

async function run(scheme: string, seed: number): Promise<RunRecord> {
  const rng = new Rng(seed + 17 * scheme.length, 9);
  const data = createSynthetic();
  const palette = data.classNames.map((_, c) => [...data.palette.subarray(3 * c, 3 * c + 3)]);
  const target = SKILL[scheme] + 0.012 * rng.normal();
  const semi = scheme !== 'supervised';
  const steps = Array.from({ length: STEPS }, (_, i): StepPoint => {
    const s = i + 1;
    const supervised = 0.35 + 1.4 * Math.exp(-s / 110) + 0.09 * rng.uniform();
    const unsupervised = semi ? 0.12 * (1 - Math.exp(-s / 80)) + 0.03 * rng.uniform() : 0;
    const point: StepPoint = {
      step: s,
      loss: supervised + unsupervised,
      terms: semi ? { supervised, unsupervised } : { supervised },
      lr: 0.01 * (1 - i / STEPS) ** 0.9,
    };
    if (semi && s % 10 === 0)
      Object.assign(point, {
        accepted: 0.85 * (1 - Math.exp(-s / (150 + 5 * scheme.length))) + 0.02 * rng.normal(),
        pseudoAccuracy: target + 0.22 * (1 - Math.exp(-s / 200)) + 0.01 * rng.normal(),
      });
    return point;
  });
  const evals: EvalPoint[] = [];
  for (let step = EVERY; step <= STEPS; step += EVERY) {
    const skill = 0.15 + (target - 0.15) * (1 - Math.exp(-step / 140)) + 0.012 * rng.normal();
    for (const split of ['val', 'test'] as const)
      evals.push({ step, split, ...scores(confusionAt(rng, skill, palette.length), palette.length) });
  }
  const best = evals.reduce((a, b) => (b.split === 'val' && b.miou > a.miou ? b : a)).step;
  return {
    scheme,
    seed,
    adapter: 'llvmpipe (LLVM 15.0.6, 256 bits)',
    classNames: data.classNames,
    palette,
    steps,
    evals,
    last: evals.filter((e) => e.step === STEPS),
    best: evals.filter((e) => e.step === best),
    config: {
      network: { name: 'unet', width: 16, depth: 4 },
      steps: STEPS,
      crop: [72, 96],
      batch: { labelled: 4, unlabelled: semi ? 4 : 0 },
      lr: 0.01,
      optimizer: 'sgd',
      labels: '1/8',
      ...(semi ? { threshold: scheme === 'cps' ? 0 : 0.95 } : {}),
    },
    secondsPerStep: (semi ? 0.41 : 0.18) + 0.01 * rng.uniform(),
    imagesPerSecond: (semi ? 19.5 : 22.2) + rng.uniform(),
    peakGpuBytes: (semi ? 412 : 188) * 2 ** 20,
    seconds: STEPS * (semi ? 0.45 : 0.2),
    pictures: seed === 0 ? await pictures(scheme, seed, palette) : [],
    warnings:
      scheme === 'pseudoseg' ? ['no pixel of class "shaded" was among the accepted pseudo-labels for 40 steps'] : [],
  };
}

/** Five schemes on three seeds. */
export async function comparisonFixture(): Promise<Comparison> {
  const runs: RunRecord[] = [];
  for (const scheme of Object.keys(SKILL)) for (const seed of [0, 1, 2]) runs.push(await run(scheme, seed));
  return {
    title: 'Five schemes on 1/8 of the labels',
    date: '2026-03-14 15:09',
    adapter: 'llvmpipe (LLVM 15.0.6, 256 bits)',
    dataset: 'synthetic, 240 images of 96 x 72, 30 labelled',
    command:
      'fewmask compare --data synthetic --schemes supervised,self-training,fixmatch,pseudoseg,cps --seeds 3 --labels 1/8 --steps 600',
    runs,
  };
}

/** A run with nothing but the given scores; for numbers worked out by hand. */
export function bareRun(
  scheme: string,
  seed: number,
  last: Partial<EvalPoint>[],
  best = last,
  more: Partial<RunRecord> = {},
): RunRecord {
  const point = (e: Partial<EvalPoint>): EvalPoint => ({
    step: 10,
    split: 'val',
    miou: 0.5,
    miouAbsentZero: 0.5,
    iou: [0.5, 0.5],
    confusion: [1, 1, 1, 1],
    pixelAccuracy: 0.5,
    ...e,
  });
  return {
    scheme,
    seed,
    config: {},
    adapter: 'none',
    classNames: ['ground', 'thing'],
    palette: [
      [0, 0, 0],
      [200, 0, 0],
    ],
    steps: [],
    evals: [],
    last: last.map(point),
    best: best.map(point),
    secondsPerStep: 1,
    imagesPerSecond: 4,
    peakGpuBytes: 2 ** 20,
    seconds: 60,
    pictures: [],
    warnings: [],
    ...more,
  };
}
