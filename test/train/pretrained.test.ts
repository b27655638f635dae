// Weights of torchvision's classifiers as the encoder's first weights.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointError, errorText } from '../../runtime/errors.ts';
import type { NetworkConfig } from '../../src/nn/define.ts';
import { createNetwork } from '../../src/nn/networks.ts';
import type { TorchTensor } from '../../src/nn/module.ts';
import { resolveConfig } from '../../src/train/config.ts';
import { describePretrained, loadPretrained } from '../../src/train/pretrained.ts';
import { schemeContext } from '../../src/train/buildScheme.ts';
import { testDevice } from '../support/device.ts';
import { tinyData } from '../support/tiny.ts';

const network: NetworkConfig = {
  kind: 'deeplabv3plus',
  depth: 18,
  widths: [8, 8, 8, 8],
  asppChannels: 8,
  lowChannels: 4,
  decoderChannels: 8,
};

test('a classifier fills the encoder and leaves the rest; what fits nowhere is refused', async () => {
  const device = await testDevice();
  const { dataset } = tinyData();
  const other = createNetwork(device, network, dataset.numClasses, 99);
  // As torchvision saves a ResNet-18: without the prefix of the segmentation networks, with a classifier of its own.
  const state = new Map<string, TorchTensor>(
    [...(await other.stateDict())]
      .filter(([name]) => name.startsWith('backbone.'))
      .map(([name, t]) => [name.slice('backbone.'.length), t]),
  );
  assert.ok(
    [
      'conv1.weight',
      'bn1.running_mean',
      'layer1.0.conv1.weight',
      'layer2.0.downsample.0.weight',
      'layer4.1.bn2.bias',
    ].every((name) => state.has(name)),
  );
  state.set('fc.weight', { shape: [10, 8], data: new Float32Array(80) });
  const config = resolveConfig({ network, crop: [32, 32] });
  const net = schemeContext(device, dataset, config, { pretrained: state }).network(0);
  const fresh = schemeContext(device, dataset, config).network(0);
  const [loaded, plain, given] = [await net.stateDict(), await fresh.stateDict(), await other.stateDict()];
  for (const [name, t] of loaded) assert.equal(t, (name.startsWith('backbone.') ? given : plain).get(name), name);
  assert.throws(
    () =>
      schemeContext(device, dataset, config, {
        pretrained: new Map([['features.0.weight', { shape: [1], data: new Float32Array(1) }]]),
      }).network(0),
    (e: unknown) =>
      e instanceof CheckpointError && /no tensor of this network's encoder .*features\.0\.weight/.test(errorText(e)),
  );
  for (const n of [other, net, fresh]) n.dispose();
});

test('a trained network fills all but the last layer, which differs from draw to draw', async () => {
  const device = await testDevice();
  const { dataset } = tinyData();
  const config = resolveConfig({ network: { kind: 'unet', width: 4, depth: 2 } });
  // Of other classes: the last layer does not have to fit.
  const other = createNetwork(device, config.network, dataset.numClasses + 1, 99);
  const given = await other.stateDict();
  const context = schemeContext(device, dataset, config, { pretrained: given });
  const nets = [context.network(0), context.network(1)];
  const [a, b] = await Promise.all(nets.map((net) => net.stateDict()));
  for (const [name, t] of a) {
    if (name.startsWith('head.')) assert.not.equal(t, b.get(name), name);
    else assert.equal([t, b.get(name)], [given.get(name), given.get(name)], name);
  }
  for (const net of [other, ...nets]) net.dispose();
});

const deep: NetworkConfig = { ...network, kind: 'deeplabv3plus', depth: 18, stem: 'deep', stemWidth: 4 };

/** An encoder's file: its tensors, renamed. */
async function encoderFile(
  config: NetworkConfig,
  rename = (name: string): string => name,
): Promise<Map<string, TorchTensor>> {
  const net = createNetwork(await testDevice(), config, 3, 99);
  const state = [...(await net.stateDict())].filter(([name]) => name.startsWith('backbone.'));
  net.dispose();
  return new Map(state.map(([name, t]) => [rename(name.slice('backbone.'.length)), t]));
}

test("deep stems load by timm's names and by those of mmsegmentation", async () => {
  const device = await testDevice();
  const given = await encoderFile(deep);
  const stem = [
    'conv1.0.weight',
    'conv1.1.running_var',
    'conv1.3.weight',
    'conv1.4.bias',
    'conv1.6.weight',
    'bn1.running_mean',
  ];
  assert.equal(
    stem.filter((name) => !given.has(name)),
    [],
  );
  assert.equal(
    stem.map((name) => given.get(name)!.shape[0]),
    [4, 4, 4, 4, 8, 8],
  );
  const places: Record<string, string> = {
    'conv1.0': '0',
    'conv1.1': '1',
    'conv1.3': '3',
    'conv1.4': '4',
    'conv1.6': '6',
    bn1: '7',
  };
  const mmseg = await encoderFile(deep, (name) =>
    name.replace(/^(conv1\.\d|bn1)\./, (_, part: string) => `stem.${places[part]}.`),
  );
  assert.ok(mmseg.has('stem.7.running_mean') && !mmseg.has('bn1.running_mean'));
  for (const file of [given, mmseg, new Map([...mmseg].map(([name, t]) => [`backbone.${name}`, t]))]) {
    const net = createNetwork(device, deep, 3, 1);
    const report = loadPretrained(net, file);
    assert.is(describePretrained(report), `pretrained: ${given.size} of ${given.size} tensors of the encoder loaded`);
    const now = await net.stateDict();
    for (const [name, t] of given) assert.equal(now.get(`backbone.${name}`), t, name);
    net.dispose();
  }
});

test('an incomplete encoder is refused and named, or taken on purpose', async () => {
  const device = await testDevice();
  const plain = await encoderFile(network);
  const net = createNetwork(device, deep, 3, 1);
  const before = await net.stateDict();
  const all = [...before.keys()].filter((name) => name.startsWith('backbone.')).length;
  // A plain stem's file for a deep one: bn1 has another size here, so it is left out, too.
  const other = new Map(
    [...plain].filter(
      ([name]) => !name.startsWith('bn1.') && name !== 'conv1.weight' && !name.startsWith('layer1.0.conv1'),
    ),
  );
  const refused = (e: unknown): boolean =>
    e instanceof CheckpointError &&
    new RegExp(`have ${other.size} of ${all} tensors of the encoder; backbone\\.conv1\\.0\\.weight, .* missing`).test(
      errorText(e),
    ) &&
    /stem/.test(errorText(e));
  assert.throws(() => loadPretrained(net, other), refused);
  const after = await net.stateDict();
  for (const [name, t] of before) assert.equal(after.get(name), t, `${name} has not changed`);
  const report = loadPretrained(net, other, { partial: true });
  assert.is(report.encoder.loaded, other.size);
  assert.match(
    describePretrained(report),
    new RegExp(
      `^pretrained: ${other.size} of ${all} tensors of the encoder loaded; random: backbone\\.conv1\\.0\\.weight, `,
    ),
  );
  // By the setting of a run.
  const { dataset } = tinyData();
  const settings = { network: deep, crop: [32, 32] as [number, number] };
  assert.throws(
    () => schemeContext(device, dataset, resolveConfig(settings), { pretrained: other }).network(0),
    (e: unknown) => e instanceof CheckpointError,
  );
  const reports: unknown[] = [];
  schemeContext(device, dataset, resolveConfig(settings, { pretrainedPartial: true }), {
    pretrained: other,
    onPretrained: (r) => reports.push(r),
  })
    .network(0)
    .dispose();
  assert.is(reports.length, 1);
  net.dispose();
});

test.run();
