// Networks from plain settings, as they stand in configurations and checkpoints.

import type { Device } from '../../runtime/device/device.ts';
import { UsageError } from '../../runtime/errors.ts';
import { DeepLabV3Plus, type DeepLabOptions } from './deeplab.ts';
import type { Network } from './module.ts';
import { UNet, type UNetOptions } from './unet.ts';

type Plain<O> = Omit<O, 'numClasses' | 'seed'>;

/** A network's architecture: all that is needed, with the number of classes, to build it again. */
export type NetworkConfig =
  ({ kind: 'unet' } & Plain<UNetOptions>) | ({ kind: 'deeplabv3plus' } & Plain<DeepLabOptions>);

/** The architectures by name. */
export const NETWORKS = ['unet', 'deeplabv3plus'] as const;

/**
 * Builds a network with fresh weights.
 * @param seed the weights are drawn from it and from their names
 * @example const net = createNetwork(device, { kind: 'unet', width: 16 }, 11, 0);
 */
export function createNetwork(device: Device, config: NetworkConfig, numClasses: number, seed: number): Network {
  const { kind, ...options } = config;
  if (kind === 'unet') return new UNet(device, { ...(options as Plain<UNetOptions>), numClasses, seed });
  if (kind === 'deeplabv3plus')
    return new DeepLabV3Plus(device, { ...(options as Plain<DeepLabOptions>), numClasses, seed });
  throw new UsageError(`there is no network "${String(kind)}"`, `choose one of ${NETWORKS.join(', ')}`);
}
