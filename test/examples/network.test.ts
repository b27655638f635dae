// The example of a network of one's own: it is known by its name, has flags, trains with any scheme, resumes bit for
// bit, and is built again from its configuration.

import { Command } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tinyFcn } from '../../docs/examples/network.ts';
import { errorText } from '../../runtime/errors.ts';
import { addTrainOptions, trainConfig } from '../../src/cli/trainOptions.ts';
import { createNetwork, networkNames, registerNetwork } from '../../src/nn/networks.ts';
import { defineNetwork } from '../../src/nn/define.ts';
import { resolveConfig } from '../../src/train/config.ts';
import { networkInfo } from '../../src/web/settings.ts';
import { testDevice } from '../support/device.ts';
import { runTiny } from '../support/tiny.ts';

const refused = (network: object, what: RegExp): void => {
  let error: unknown;
  try {
    resolveConfig({ network: network as never });
  } catch (e) {
    error = e;
  }
  assert.match(errorText(error), what);
};

test('it is registered: checked, with defaults, and refused by name', () => {
  assert.ok(networkNames().includes('tiny-fcn'));
  assert.equal(resolveConfig({ network: { kind: 'tiny-fcn', width: 8 } }).network, { kind: 'tiny-fcn', width: 8 });
  refused({ kind: 'tiny-fcn', depth: 3 }, /^the network tiny-fcn has no option "depth".*width, dilation/);
  refused({ kind: 'tiny-fcn', dilation: 3 }, /^network\.dilation is 3.*1, 2, 4/);
  refused({ kind: 'fcn' }, /there is no network "fcn".*unet, deeplabv3plus, tiny-fcn/);
  assert.throws(
    () => registerNetwork(defineNetwork({ ...tinyFcn, options: {}, flags: [], required: [] })),
    /already a network "tiny-fcn"/,
  );
});

test('the command line has its flags, the page its fields', () => {
  const command = addTrainOptions(new Command());
  command.parse(['--network', 'tiny-fcn', '--width', '4', '--dilation', '4', '--lr', '0.1', '--batch', '2+3'], {
    from: 'user',
  });
  const config = trainConfig(command.opts(), 'supervised');
  assert.equal(config.network, { kind: 'tiny-fcn', width: 4, dilation: 4 });
  assert.is(config.optimizer.lr, 0.1);
  assert.equal(config.batch, { labelled: 2, unlabelled: 3 });
  assert.match(
    command.helpInformation().replace(/\s+/g, ' '),
    /--width <n> U-Net: channels[^;]*; Tiny FCN: channels of the first stage \(16\) --/,
  );
  assert.equal(
    networkInfo(tinyFcn).options.map(({ name, value }) => [name, value]),
    [
      ['width', 16],
      ['dilation', 2],
    ],
  );
});

test('it trains with a scheme, and a stopped run continues with the same losses', async () => {
  const config = {
    scheme: 'fixmatch',
    network: { kind: 'tiny-fcn', width: 8 },
    steps: 24,
    evalEvery: 24,
    optimizer: { kind: 'adamw' as const, lr: 0.01 },
  };
  const whole = await runTiny(config);
  const part = await runTiny(config, { stopAfter: 8 });
  const rest = await runTiny(config, { resume: part.checkpoint! });
  const losses = whole.points.map((p) => p.loss);
  assert.equal(
    [...part.points, ...rest.points].map((p) => p.loss),
    losses,
  );
  const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
  assert.ok(mean(losses.slice(-6)) < 0.9 * mean(losses.slice(0, 6)), `${losses}`);
  const again = createNetwork(await testDevice(), whole.record.config.network as typeof config.network, 5, 0);
  again.loadStateDict(whole.last);
  again.dispose();
  for (const run of [whole, part, rest]) run.dispose();
});

test.run();
