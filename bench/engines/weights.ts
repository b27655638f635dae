// The weights that all engines start from.

import type { Device } from '../../runtime/device/device.ts';
import { DeepLabV3Plus } from '../../src/nn/deeplab.ts';
import type { Work } from '../cases.ts';
import type { Inputs } from '../data.ts';

/** The weights that the engine's DeepLabV3+ starts from, for all engines. */
export async function deeplabWeights(
  device: Device,
  { classes, depth }: Extract<Work, { op: 'deeplab' }>,
): Promise<Inputs> {
  const net = new DeepLabV3Plus(device, { numClasses: classes, depth });
  const state = [...(await net.stateDict())].filter(([name]) => net.params.has(name));
  net.dispose();
  return Object.fromEntries(state.map(([name, { shape, data }]) => [name, { shape, data: data }]));
}

/** The weights among the inputs of a training case. */
export const weightsOf = (inputs: Inputs): Map<string, { shape: readonly number[]; data: Float32Array }> =>
  new Map(
    Object.entries(inputs)
      .filter(([k]) => k !== 'x' && k !== 'y')
      .map(([k, t]) => [k, { shape: t.shape, data: t.data as Float32Array }]),
  );
