// Weights of torchvision's classifiers as the encoder's first weights.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointError } from '../../runtime/errors.ts';
import { createNetwork, type NetworkConfig } from '../../src/nn/create.ts';
import type { TorchTensor } from '../../src/nn/module.ts';
import { resolveConfig } from '../../src/train/config.ts';
import { schemeContext } from '../../src/train/session.ts';
import { testDevice } from '../support/device.ts';
import { tinyData } from '../support/tiny.ts';

const network: NetworkConfig = { kind: 'deeplabv3plus', depth: 18, widths: [8, 8, 8, 8], asppChannels: 8, lowChannels: 4, decoderChannels: 8 };

test('a classifier fills the encoder and leaves the rest; what fits nowhere is refused', async () => {
  const device = await testDevice();
  const { dataset } = tinyData();
  const other = createNetwork(device, network, dataset.numClasses, 99);
  // As torchvision saves a ResNet-18: without the prefix of the segmentation networks, with a classifier of its own.
  const state = new Map<string, TorchTensor>([...(await other.stateDict())].filter(([name]) => name.startsWith('backbone.')).map(([name, t]) => [name.slice('backbone.'.length), t]));
  assert.ok(['conv1.weight', 'bn1.running_mean', 'layer1.0.conv1.weight', 'layer2.0.downsample.0.weight', 'layer4.1.bn2.bias'].every((name) => state.has(name)));
  state.set('fc.weight', { shape: [10, 8], data: new Float32Array(80) });
  const config = resolveConfig({ network, crop: [32, 32] });
  const net = schemeContext(device, dataset, config, state).network(0);
  const fresh = schemeContext(device, dataset, config).network(0);
  const [loaded, plain, given] = [await net.stateDict(), await fresh.stateDict(), await other.stateDict()];
  for (const [name, t] of loaded) assert.equal(t, (name.startsWith('backbone.') ? given : plain).get(name), name);
  assert.throws(() => schemeContext(device, dataset, config, new Map([['features.0.weight', { shape: [1], data: new Float32Array(1) }]])).network(0), (e: unknown) => e instanceof CheckpointError && /no parameter of this network/.test(e.message));
  for (const n of [other, net, fresh]) n.dispose();
});

test('a trained network fills all but the last layer, which differs from draw to draw', async () => {
  const device = await testDevice();
  const { dataset } = tinyData();
  const config = resolveConfig({ network: { kind: 'unet', width: 4, depth: 2 } });
  // Of other classes: the last layer does not have to fit.
  const other = createNetwork(device, config.network, dataset.numClasses + 1, 99);
  const given = await other.stateDict();
  const context = schemeContext(device, dataset, config, given);
  const nets = [context.network(0), context.network(1)];
  const [a, b] = await Promise.all(nets.map((net) => net.stateDict()));
  for (const [name, t] of a) {
    if (name.startsWith('head.')) assert.not.equal(t, b.get(name), name);
    else assert.equal([t, b.get(name)], [given.get(name), given.get(name)], name);
  }
  for (const net of [other, ...nets]) net.dispose();
});

test.run();
