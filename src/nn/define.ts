// How a network is declared: one record, from which come its check, its defaults, its help, its flags and its fields in
// the page's form.

import type { Device } from '../../runtime/device/device.ts';
import { UsageError } from '../../runtime/errors.ts';
import { checkFields, kindsOf, type Given, type Options } from '../options.ts';
import type { Network } from './module.ts';

/** What every network is built with, beside its options. */
export interface NetworkBasics {
  numClasses: number;
  /** Channels of the images (default 3). */
  channels?: number;
  /** First values of the weights depend on it and on their names (default 0). */
  seed?: number;
}

/** A network, as it is declared. */
export interface NetworkDefinition<O extends Options> {
  /** As it is written in commands and files. */
  name: string;
  /** As it is printed. */
  title: string;
  /** Authors, year and address of the paper. */
  paper: string;
  /** What it is, in a line. */
  about: string;
  /** Its options; those that have no default that suits everybody are `required`. */
  options: O;
  required?: readonly (keyof O & string)[];
  /** Options that the command line has flags for; all can be given in a file of settings. */
  flags?: readonly (keyof O & string)[];
  /** Options that suit a first small run, as the page offers them. */
  small?: Given<O>;
  /** Checks whether crops of this size can be trained on. @throws UsageError */
  checkCrop?(o: Given<O>, crop: readonly [height: number, width: number]): void;
  /** Builds it with fresh weights; what the options leave out has its default. */
  make(device: Device, options: Given<O> & NetworkBasics): Network;
}

/** A network's architecture: all that is needed, with the number of classes, to build it again. */
export interface NetworkConfig {
  kind: string;
  readonly [option: string]: unknown;
}

/** A network that can be built by its name. */
export interface NetworkRecord extends Required<
  Pick<NetworkDefinition<Options>, 'name' | 'title' | 'paper' | 'about' | 'options' | 'required' | 'flags'>
> {
  readonly small: Readonly<Record<string, unknown>>;
  /** @throws UsageError naming the option that is unknown, missing, or whose value does not fit */
  check(options: Record<string, unknown>, prefix?: string): void;
  /** @throws UsageError where crops of this size are too small */
  checkCrop(options: Record<string, unknown>, crop: readonly [number, number]): void;
  make(device: Device, options: Record<string, unknown> & NetworkBasics): Network;
}

/**
 * Declares a network. {@link registerNetwork} makes it known by its name.
 * @example export const mine = defineNetwork({
 *   name: 'mine', title: 'Mine', paper: 'none', about: '…', options: { width: … },
 *   make: (device, o) => new Mine(device, o),
 * });
 */
export function defineNetwork<O extends Options>(definition: NetworkDefinition<O>): NetworkRecord {
  const { name, title, paper, about, options, required = [], flags = [], small = {}, checkCrop, make } = definition;
  const kinds = kindsOf(options);
  return {
    name,
    title,
    paper,
    about,
    options,
    required,
    flags,
    small,
    check(values, prefix = 'network.') {
      checkFields(kinds, values, `the network ${name}`, prefix);
      const missing = required.find((key) => values[key] === undefined);
      if (missing)
        throw new UsageError(`the network ${name} has no ${missing}`, `give ${kinds[missing].fits} (\`${missing}\`)`);
    },
    checkCrop: (values, crop) => checkCrop?.(values as Given<O>, crop),
    make: (device, values) => make(device, values as Given<O> & NetworkBasics),
  };
}
