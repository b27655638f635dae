// What a run was started with: read whole, compared key by key.

import { relative } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointError, errorText, UsageError } from '../../runtime/errors.ts';
import { shellWords } from '../../src/cli/common.ts';
import { readStarted, sameData, sameRun } from '../../src/cli/started.ts';
import { resolveConfig } from '../../src/train/config.ts';
import { removeFolders, tempFolder, write } from '../support/files.ts';

test.after(removeFolders);

function refusal(body: () => void): Error {
  try {
    body();
  } catch (error) {
    return error as Error;
  }
  return assert.unreachable('nothing was refused') as never;
}

test('run.json is read, absent, or refused', () => {
  const folder = tempFolder();
  const started = { config: resolveConfig({}), data: { path: '/photos' } };
  assert.is(readStarted(folder), null);
  write(folder, { 'run.json': JSON.stringify(started) });
  assert.equal(readStarted(folder), started);
  for (const text of ['{', '{}', '3', 'null']) {
    write(folder, { 'run.json': text });
    const error = refusal(() => readStarted(folder));
    assert.instance(error, CheckpointError);
    assert.match(error.message, /run\.json contains no settings of a run/);
  }
});

test('the same run: the order of keys, the memory budget and the form of a path do not count', () => {
  const folder = tempFolder();
  const data = tempFolder();
  const config = resolveConfig({ options: { tau: 0.9, weight: 2 } });
  const other = resolveConfig({ options: { weight: 2, tau: 0.9 }, memory: 7 });
  write(folder, { 'run.json': JSON.stringify({ config, data: { path: data, labels: '1/8' } }) });
  sameRun(folder, config, { config: other, data: { path: relative(process.cwd(), data), labels: '1/8' } });
  // Runs of earlier versions do not say their precision: it was full.
  const { precision: _, ...earlier } = config;
  sameRun(folder, earlier, { config, data: { path: data, labels: '1/8' } });
  assert.match(
    refusal(() =>
      sameRun(folder, earlier, { config: { ...config, precision: 'mixed' }, data: { path: data, labels: '1/8' } }),
    ).message,
    /precision "full", not "mixed"/,
  );
  const differs = (change: { steps?: number }, spec: object): string => {
    const error = refusal(() =>
      sameRun(folder, config, { config: { ...config, ...change }, data: { path: data, labels: '1/8', ...spec } }),
    );
    assert.instance(error, UsageError);
    return errorText(error);
  };
  assert.match(differs({ steps: 7 }, {}), /was started with steps 3000, not 7/);
  assert.match(differs({}, { labels: '1/4' }), /was started with labels "1\/8", not "1\/4" — give the same data set/);
  assert.match(differs({}, { size: [8, 8] }), /was started with size unset, not \[8,8\]/);
  assert.match(differs({}, { path: '/elsewhere' }), /was started with path .*, not "\/elsewhere"/);
  assert.match(
    refusal(() => sameRun(tempFolder(), config, { config, data: {} })).message,
    /does not say which data its run has seen/,
  );
  sameData({}, { path: 'builtin' }, folder);

  // How images were read counts; runs that do not say it took the stored pixels and the high 8 of 16 bits.
  const stored = { path: data, labels: '1/8' };
  sameRun(folder, config, { config, data: stored, pictures: { orientation: 'ignore', bits: 16 } });
  const turned = { config, data: stored, pictures: { orientation: 'apply', bits: 16 } } as const;
  const message = errorText(refusal(() => sameRun(folder, config, turned)));
  assert.match(message, /was started with orientation "ignore", not "apply" — give the same images/);
  write(folder, { 'run.json': JSON.stringify({ config, data: { ...stored, bits: 12 }, pictures: turned.pictures }) });
  sameRun(folder, config, turned);
});

test('words for a shell', () => {
  assert.is(shellWords(['fewmask', '--out', 'runs/a-1']), 'fewmask --out runs/a-1');
  assert.is(shellWords(['my runs', "it's"]), `'my runs' 'it'\\''s'`);
});

test.run();
