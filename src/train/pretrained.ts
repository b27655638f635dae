// The first weights of a network from a file of pretrained ones: of a classifier's file the encoder, of a segmentation
// network's all but the last layer.

import { CheckpointError } from '../../runtime/errors.ts';
import type { Network, TorchTensor } from '../nn/module.ts';

/** What of a network was in the file: counts of tensors, parameters and running statistics alike. */
export interface PretrainedReport {
  /** Tensors of the encoder that the file had, of how many, and the names of those that it lacked. */
  encoder: { loaded: number; of: number; missing: readonly string[] };
  /** The same of the rest, without the last layer, which stays random. */
  rest: { loaded: number; of: number };
}

/** Deep stems of mmsegmentation's ResNet-v1c, by the names of timm and of the segmentation papers' code. */
const STEM: Readonly<Record<string, string>> = {
  0: 'conv1.0',
  1: 'conv1.1',
  3: 'conv1.3',
  4: 'conv1.4',
  6: 'conv1.6',
  7: 'bn1',
};

/** The file's tensors by the names of the network. */
function named(net: Network, state: ReadonlyMap<string, TorchTensor>): Map<string, TorchTensor> {
  const own = new Set([...net.params.keys(), ...net.buffers.keys()]);
  const renamed = [...state].map(
    ([k, t]) =>
      [
        k.replace(/(^|\.)stem\.([0-7])\./, (_, before: string, i: string) => `${before}${STEM[i] ?? `stem.${i}`}.`),
        t,
      ] as const,
  );
  // A classifier names its encoder's tensors without the prefix that they have in a segmentation network.
  const direct = renamed.some(([k]) => own.has(k));
  return new Map(renamed.map(([k, t]) => [direct ? k : `${net.encoderPrefix}${k}`, t] as const));
}

/**
 * Loads what a file of pretrained weights has of a network. The last layer stays random, so that the two networks of
 * cross pseudo supervision differ, and the classes may be others.
 * @param options.partial take an encoder of which the file has only a part; what it lacks keeps its random values
 * @returns what was loaded
 * @throws CheckpointError when the file has nothing of the encoder, only a part of it, or a shape differs; then nothing
 *   is changed
 */
export function loadPretrained(
  net: Network,
  state: ReadonlyMap<string, TorchTensor>,
  options: { partial?: boolean } = {},
): PretrainedReport {
  const given = named(net, state);
  const own = [...net.params.keys(), ...net.buffers.keys()].filter((k) => !k.startsWith('head.'));
  const encoder = own.filter((k) => k.startsWith(net.encoderPrefix));
  const rest = own.filter((k) => !k.startsWith(net.encoderPrefix));
  const missing = encoder.filter((k) => !given.has(k));
  const loaded = encoder.length - missing.length;
  if (loaded === 0) {
    const shown = [...state.keys()].slice(0, 3).join(', ');
    throw new CheckpointError(
      `the pretrained weights have no tensor of this network's encoder (${encoder[0]}, …); they hold ` +
        `${shown || 'nothing'}${state.size > 3 ? ', …' : ''}`,
      'give weights of the same architecture, by the names of torchvision or timm',
    );
  }
  if (missing.length > 0 && !options.partial) {
    const stem = missing.some((k) => /conv1\.[0-6]\.|conv1\.weight/.test(k) && !k.includes('layer'));
    throw new CheckpointError(
      `the pretrained weights have ${loaded} of ${encoder.length} tensors of the encoder; ` +
        `${missing.slice(0, 4).join(', ')}` +
        (missing.length > 4 ? ` and ${missing.length - 4} more are ` : missing.length > 1 ? ' are ' : ' is ') +
        'missing',
      `${stem ? 'another stem (plain or deep) may fit' : 'another depth may fit'}; ` +
        '`pretrainedPartial` loads what there is and leaves the rest random',
    );
  }
  net.loadStateDict(new Map([...given].filter(([k]) => !k.startsWith('head.'))), { partial: true });
  return {
    encoder: { loaded, of: encoder.length, missing },
    rest: { loaded: rest.filter((k) => given.has(k)).length, of: rest.length },
  };
}

/** The report in one line. */
export function describePretrained({ encoder, rest }: PretrainedReport): string {
  const others = rest.loaded ? `, ${rest.loaded} of ${rest.of} of the other layers` : '';
  const left = encoder.missing.length
    ? `; random: ${encoder.missing.slice(0, 4).join(', ')}${encoder.missing.length > 4 ? `, and ${encoder.missing.length - 4} more` : ''}`
    : '';
  return `pretrained: ${encoder.loaded} of ${encoder.of} tensors of the encoder loaded${others}${left}`;
}
