// The files of a run: whole or not at all.

import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointError } from '../../runtime/errors.ts';
import { loadCheckpoint, loadModel, saveCheckpoint, saveModel, writeWhole } from '../../src/cli/store.ts';
import type { Checkpoint } from '../../src/train/checkpoint.ts';
import { resolveConfig } from '../../src/train/config.ts';
import { removeFolders, tempFolder } from '../support/files.ts';

test.after(removeFolders);

const checkpoint = (step: number): Checkpoint => ({
  config: resolveConfig({}),
  position: { stage: 0, step },
  classNames: ['a', 'b'],
  steps: [],
  evals: [],
  seconds: step,
  hostState: { rates: [1, 0.5] },
  tensors: new Map([['net/net/w', { shape: [2], data: Float32Array.of(step, -step) }]]),
  pseudoLabels: new Map([['x/1', { height: 1, width: 3, labels: Uint8Array.of(0, 1, 255) }]]),
  bests: new Map([[0, { step: 3, miou: 0.25, state: new Map([['w', { shape: [1], data: Float32Array.of(7) }]]) }]]),
});

test('a checkpoint is read back whole; the one before goes', async () => {
  const folder = tempFolder();
  assert.is(await loadCheckpoint(folder), null);
  for (const step of [5, 10]) await saveCheckpoint(folder, checkpoint(step));
  assert.equal(await loadCheckpoint(folder), checkpoint(10));
  assert.equal(readdirSync(folder).sort(), ['checkpoint-0-10.safetensors', 'checkpoint.json']);
});

test('a save that fails leaves the one before as it was', async () => {
  const folder = tempFolder();
  await saveCheckpoint(folder, checkpoint(5));
  for (const file of ['checkpoint-0-10.safetensors', 'checkpoint.json']) {
    symlinkSync('/dev/full', join(folder, `${file}.part`));
    try {
      await saveCheckpoint(folder, checkpoint(10));
      assert.unreachable('it was saved');
    } catch (error) {
      assert.instance(error, CheckpointError);
      assert.match((error as Error).message, /the disk is full/);
    }
    assert.equal(await loadCheckpoint(folder), checkpoint(5));
    assert.not.ok(existsSync(join(folder, `${file}.part`)));
  }
});

test('a checkpoint.json that cannot be read is not taken for none', async () => {
  const folder = tempFolder();
  mkdirSync(join(folder, 'checkpoint.json'));
  try {
    await loadCheckpoint(folder);
    assert.unreachable('it was taken for none');
  } catch (error) {
    assert.instance(error, CheckpointError);
    assert.match((error as Error).message, /checkpoint\.json cannot be read: EISDIR/);
  }
});

test('files appear whole', async () => {
  const file = join(tempFolder(), 'a.json');
  writeFileSync(file, 'old');
  await writeWhole(file, 'new');
  assert.is(readFileSync(file, 'utf8'), 'new');
  try {
    await writeWhole(join(file, 'below-a-file'), 'x');
    assert.unreachable();
  } catch (error) {
    assert.instance(error, CheckpointError);
  }
});

test('a model keeps its description', async () => {
  const file = join(tempFolder(), 'm.safetensors');
  const model = {
    network: { kind: 'unet' as const, width: 4 },
    classNames: ['a', 'b'],
    palette: [
      [0, 0, 0],
      [1, 2, 3],
    ],
    origin: { step: 4 },
    state: new Map([['w', { shape: [2], data: Float32Array.of(1, 2) }]]),
  };
  await saveModel(file, model);
  assert.equal(await loadModel(file), model);
});

test.run();
