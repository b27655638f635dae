// The networks by name. One of a user's own becomes known by `registerNetwork`.

import type { Device } from '../../runtime/device/device.ts';
import { UsageError } from '../../runtime/errors.ts';
import { deeplabv3plus } from './deeplab.ts';
import type { NetworkConfig, NetworkRecord } from './define.ts';
import type { Network } from './module.ts';
import { unet } from './unet.ts';

const records = new Map<string, NetworkRecord>([unet, deeplabv3plus].map((n) => [n.name, n]));

/** The networks that are known, in the order of the help. */
export const networks = (): readonly NetworkRecord[] => [...records.values()];

/** Their names. */
export const networkNames = (): readonly string[] => [...records.keys()];

/** The network that a run takes where nothing is said. */
export const USUAL_NETWORK: NetworkRecord = unet;

/**
 * Makes a network known by its name: to runs, the command line, comparisons and reports of this process.
 * @throws UsageError when another network has the name
 * @example registerNetwork(defineNetwork({ name: 'mine', … }));
 */
export function registerNetwork(record: NetworkRecord): void {
  if (records.has(record.name) && records.get(record.name) !== record)
    throw new UsageError(`there is already a network "${record.name}"`, 'give it another name');
  records.set(record.name, record);
}

/** The record of a network. @throws UsageError when there is none of that name */
export function networkOf(name: string): NetworkRecord {
  const record = records.get(name);
  if (!record) throw new UsageError(`there is no network "${name}"`, `choose one of ${networkNames().join(', ')}`);
  return record;
}

/**
 * Builds a network with fresh weights.
 * @param seed the weights are drawn from it and from their names
 * @throws UsageError when there is no such network, or an option does not fit
 * @example const net = createNetwork(device, { kind: 'unet', width: 16 }, 11, 0);
 */
export function createNetwork(device: Device, config: NetworkConfig, numClasses: number, seed: number): Network {
  const { kind, ...options } = config;
  const record = networkOf(kind);
  record.check(options);
  return record.make(device, { ...options, numClasses, seed });
}
