// The settings of a run: joined over the defaults, and refused by name where they do not fit.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText, UsageError } from '../../runtime/errors.ts';
import { DEFAULTS, resolveConfig, type PartialConfig } from '../../src/train/config.ts';

function refused(part: unknown, message: RegExp): void {
  let error: unknown;
  try {
    resolveConfig(part as PartialConfig);
  } catch (e) {
    error = e;
  }
  assert.instance(error, UsageError, JSON.stringify(part));
  assert.match(errorText(error), message);
}

test('later parts over earlier ones, key by key', () => {
  assert.equal(resolveConfig({}), DEFAULTS);
  const config = resolveConfig({ optimizer: { lr: 0.1 }, weak: { flip: 0 } }, { optimizer: { clip: 1 } });
  assert.equal(config.optimizer, { ...DEFAULTS.optimizer, lr: 0.1, clip: 1 });
  assert.equal(config.weak, { ...DEFAULTS.weak, flip: 0 });
  assert.equal(resolveConfig({ network: { kind: 'deeplabv3plus', depth: 34 } }).network, {
    kind: 'deeplabv3plus',
    depth: 34,
  });
  assert.equal(resolveConfig(config), config, 'what is written beside a run is read again');
});

test('what does not fit', () => {
  for (const whole of [null, [], 5]) refused(whole, /the whole of the settings is .* — give a JSON object/);
  refused({ constructor: 1 }, /there is no setting "constructor"/);
  refused({ optimizer: { learningRate: 1 } }, /^optimizer has no option "learningRate".*lr/);
  refused({ optimizer: 5 }, /^optimizer is 5 — give an object of kind, lr/);
  refused({ optimizer: { lr: '0.1' } }, /^optimizer\.lr is "0\.1" — give a number above 0/);
  refused({ optimizer: { momentum: 1 } }, /^optimizer\.momentum is 1/);
  refused({ optimizer: { kind: 'adam' } }, /^optimizer\.kind is "adam".*"sgd", "adamw"/);
  refused({ weak: { scale: [0.5, 2] } }, /^weak has no option "scale"/);
  refused({ batch: { labeled: 2 } }, /^batch has no option "labeled"/);
  refused({ batch: null }, /^batch is null/);
  refused({ network: { filters: 8 } }, /^the network unet has no option "filters".*width/);
  refused({ network: { kind: 'vit' } }, /there is no network "vit"/);
  refused({ network: null }, /^network is null/);
  refused({ network: { kind: 'deeplabv3plus' } }, /has no depth.*18, 34, 50, 101/);
  refused({ network: { kind: 'deeplabv3plus', depth: 20 } }, /^network\.depth is 20/);
  refused({ crop: [96] }, /^crop is \[96\].*height and width/);
  refused({ schedule: 'step' }, /^schedule is "step".*"poly"/);
  refused({ options: [] }, /^options is \[\]/);
  refused({ steps: 0 }, /^steps is 0.*at least one step/);
  refused({ seed: -1 }, /^seed is -1/);
});

test.run();
