// Several networks of one kind as one, whose predictions are their vote.

import type { Device } from '../../runtime/device/device.ts';
import { noGrad } from '../../runtime/autograd/tape.ts';
import { add, amax, argmax, div, gt, log, logSoftmax, oneHot, softmax, where } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { Network, type Features, type ForwardMode } from './module.ts';

/**
 * - `first`: the first network alone
 * - `soft`: the mean of the probabilities
 * - `hard`: most votes; of equally many the class of the higher mean probability
 * - `confident`: at each pixel the network that is surest
 */
export type Voting = 'first' | 'soft' | 'hard' | 'confident';
export const VOTINGS = ['first', 'soft', 'hard', 'confident'] as const satisfies readonly Voting[];

/** How an ensemble is made of networks. */
export interface EnsembleConfig {
  members: number;
  voting: Voting;
}

/**
 * An ensemble. Its parameters are those of the members, as `members.0.*` and so on. What looks at an encoder sees the
 * first member.
 * @example const net = new Ensemble([a, b, c], 'soft');
 */
export class Ensemble extends Network {
  readonly members: readonly Network[];
  readonly voting: Voting;
  readonly encoderChannels: readonly number[];

  /** @param members networks on a device, of the same classes */
  constructor(members: readonly Network[], voting: Voting) {
    super(null, members[0].numClasses, 0);
    this.members = members;
    this.voting = voting;
    this.encoderChannels = members[0].encoderChannels;
  }

  override get device(): Device {
    return this.members[0].device;
  }

  encode(x: Tensor, mode: ForwardMode): Features {
    return this.members[0].encode(x, mode);
  }

  decodeCoarse(features: Features, mode: ForwardMode): Tensor {
    return this.members[0].decodeCoarse(features, mode);
  }

  override enlarge(scores: Tensor, size: Pick<Features, 'height' | 'width'>): Tensor {
    return this.members[0].enlarge(scores, size);
  }

  /**
   * The vote as log-probabilities, constants.
   * @param x [n, h, w, 3], standardized
   * @returns [n, h, w, classes]
   */
  override forward(x: Tensor, mode: ForwardMode): Tensor {
    if (this.voting === 'first') return this.members[0].forward(x, mode);
    return noGrad(() =>
      vote(
        this.members.map((net) => net.forward(x, mode)),
        this.voting,
      ),
    );
  }
}

/**
 * The vote of several networks as log-probabilities.
 * @param logits [..., C] of each network
 * @returns [..., C]
 */
export function vote(logits: readonly Tensor[], voting: Voting): Tensor {
  const classes = logits[0].shape.at(-1)!;
  const sum = (parts: readonly Tensor[]): Tensor => parts.reduce((a, b) => add(a, b));
  if (voting === 'first') return logSoftmax(logits[0]);
  if (voting === 'confident') {
    const surest = (z: Tensor): { logP: Tensor; top: Tensor } => {
      const logP = logSoftmax(z);
      return { logP, top: amax(logP, [-1], { keepdim: true }) };
    };
    return logits.map(surest).reduce((best, other) => {
      const better = gt(other.top, best.top);
      return { logP: where(better, other.logP, best.logP), top: where(better, other.top, best.top) };
    }).logP;
  }
  const mean = div(sum(logits.map((z) => softmax(z))), logits.length);
  if (voting === 'soft') return log(mean);
  // Whole votes and a mean below 1: votes go first.
  return log(div(add(sum(logits.map((z) => oneHot(argmax(z, -1), classes))), mean), logits.length + 1));
}
