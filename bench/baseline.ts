// What the schemes compute, to be held against after a change of structure: the first losses of each on the built-in
// set, and the kernels of its plans.
//   node --import tsx bench/baseline.ts write FILE      before the change
//   node --import tsx bench/baseline.ts compare FILE    after it, on the same adapter
// Comparing ends with exit code 1 where a loss differs in a bit, or a plan launches other kernels.
// Settings are named after what they vary.

import { readFileSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Device } from '../runtime/device/device.ts';
import { openNode } from '../runtime/node.ts';
import { createSynthetic } from '../src/data/synthetic.ts';
import { createScheme } from '../src/schemes/index.ts';
import { resolveConfig, type PartialConfig } from '../src/train/config.ts';
import { schemeContext } from '../src/train/buildScheme.ts';
import { runSession } from '../src/train/session.ts';
import { record } from '../src/train/recorded.ts';
import { lined } from './json.ts';

/** Losses that are kept: of all terms, step by step. */
const STEPS = 50;
const FEW = 12;

type Options = Record<string, unknown>;

/** By name: the scheme, and its options. */
const SETTINGS: Readonly<Record<string, readonly [scheme: string, options: Options, steps?: number]>> = {
  supervised: ['supervised', {}],
  'self-training': ['self-training', { teacherSteps: 25, scales: [1] }],
  fixmatch: ['fixmatch', { tau: 0.4 }],
  pseudoseg: ['pseudoseg', { attentionDims: 16 }],
  cps: ['cps', {}],
  'self-training, reliable first': [
    'self-training',
    { teacherSteps: 12, scales: [1], reliable: 0.4, cutout: null },
    FEW,
  ],
  'self-training, randaugment': [
    'self-training',
    { teacherSteps: 6, scales: [1], threshold: 0.3, strong: { randaugment: {} } },
    FEW,
  ],
  'fixmatch, separate': ['fixmatch', { tau: 0.4, groups: 'separate', ramp: 0.5, weight: 2 }, FEW],
  'fixmatch, separate and still': ['fixmatch', { tau: 0.4, groups: 'still' }, FEW],
  'fixmatch, eval': ['fixmatch', { tau: 0.4, groups: [['l', 's']], cutmix: null }, FEW],
  'fixmatch, half': ['fixmatch', { tau: 0.4, labelledWeight: 0.5, weight: 0.5, denominator: 'kept' }, FEW],
  'fixmatch, others': ['fixmatch', { tau: 0.3, partner: 'others', classwise: 0.9 }, FEW],
  'fixmatch, average': ['fixmatch', { tau: 0.3, ema: 0.9, emaWarmup: true, strong: { randaugment: {} } }, FEW],
  'fixmatch, ctaugment': ['fixmatch', { tau: 0.3, strong: { ctaugment: {} } }, FEW],
  'pseudoseg, joint': ['pseudoseg', { attentionDims: 16, groups: 'joint', ramp: 0.5, tau: 0.3 }, FEW],
  'pseudoseg, still': [
    'pseudoseg',
    { attentionDims: 16, groups: 'still', labels: 'hard', tau: 0.2, denominator: 'kept' },
    FEW,
  ],
  'pseudoseg, attention': [
    'pseudoseg',
    { attentionDims: 16, fusion: 'att', cutout: null, background: null, detachClassifier: true },
    FEW,
  ],
  'cps, plain': ['cps', { cutmix: null, ramp: 0.5 }, FEW],
  'cps, joint': ['cps', { groups: 'joint', cutmix: { boxes: 2 } }, FEW],
  'cps, plain and joint': ['cps', { cutmix: null, groups: 'joint', ignorePadding: false }, FEW],
};

interface Found {
  /** By step: the loss and its terms. */
  losses: number[][];
  /** By stage, in no order: launches that do not depend on each other may change places. */
  kernels: string[][];
}

async function find(device: Device, scheme: string, options: Options, steps: number): Promise<Found> {
  const dataset = createSynthetic({ width: 48, height: 40, train: 24, labelled: 8, val: 4, test: 0 });
  const part: PartialConfig = {
    scheme,
    options,
    steps,
    evalEvery: steps,
    evalBatch: 4,
    crop: [32, 40],
    batch: { labelled: 3, unlabelled: 4 },
    network: { kind: 'unet', width: 6, depth: 3 },
  };
  const config = resolveConfig(part);
  const losses: number[][] = [];
  const result = await runSession({
    device,
    dataset,
    config,
    readEvery: 1,
    judge: true,
    makeScheme: (c, o) => createScheme(scheme, c, o),
    hooks: { onSteps: (points) => losses.push(...points.map((p) => [p.loss, ...Object.values(p.terms)])) },
  });
  result.dispose();
  const made = createScheme(scheme, schemeContext(device, dataset, config), options);
  const recorder = { seed: 0, sourceSize: [40, 48] as const, lr: () => 0.01 };
  const kernels = made.stages.map((stage, i) => {
    if (stage.steps === 0) return [];
    const { plan, watch } = record(device, made, i, recorder);
    const names = plan.kernels.toSorted();
    plan.dispose();
    watch.dispose();
    return names;
  });
  made.dispose();
  return { losses, kernels };
}

const [mode, file] = process.argv.slice(2);
if (!['write', 'compare'].includes(mode) || !file) {
  console.error('usage: node --import tsx bench/baseline.ts write|compare FILE');
  process.exit(2);
}
const device = await openNode();
const before: Record<string, Found> = mode === 'compare' ? JSON.parse(readFileSync(file, 'utf8')) : {};
const now: Record<string, Found> = {};
for (const [name, [scheme, options, steps = STEPS]] of Object.entries(SETTINGS)) {
  const found = (now[name] = JSON.parse(JSON.stringify(await find(device, scheme, options, steps))) as Found);
  const same = mode === 'write' || isDeepStrictEqual(found, before[name]);
  console.log(
    `${name}: ${found.losses.length} steps, ${found.kernels.map((k) => k.length).join(' + ')} ` +
      `kernels${mode === 'write' ? '' : same ? ', the same' : ', DIFFERENT'}`,
  );
  if (same) continue;
  process.exitCode = 1;
  const step = found.losses.findIndex((l, i) => !isDeepStrictEqual(l, before[name].losses[i]));
  if (step >= 0) console.log(`  step ${step + 1}: ${found.losses[step]}, was ${before[name].losses[step]}`);
  found.kernels.forEach((k, stage) => {
    const was = before[name].kernels[stage] ?? [];
    const less = was.filter((n) => !k.includes(n));
    const more = k.filter((n) => !was.includes(n));
    if (!isDeepStrictEqual(k, was))
      console.log(
        `  stage ${stage + 1}: ${k.length} kernels, were ${was.length}; new ${[...new Set(more)].join(' ')}; ` +
          `gone ${[...new Set(less)].join(' ')}`,
      );
  });
}
if (mode === 'write') writeFileSync(file, lined(now));
device.close();
