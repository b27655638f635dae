// What a gradient needs of the forward pass must still hold what it held then. Each piece of memory counts its changes
// in place; an operation on the tape keeps
// the counts of its tensors, and its gradient is refused when it uses one that has been changed since.

import { GradientError } from '../errors.ts';
import { collectTensors, type Storage, type Tensor } from '../tensor.ts';
import type { TapeNode } from './tape.ts';

/** A tensor that an operation may need again for its gradient, and how often its memory had been changed by then. */
export interface Saved {
  readonly name: string;
  readonly tensor: Tensor;
  readonly count: number;
}

/** The tensors of a call as they are now: inputs, outputs, and those in the attributes. */
export function savedNow(inputs: Record<string, Tensor>, outputs: Record<string, Tensor>, attrs: unknown): Saved[] {
  const saved: Saved[] = [];
  const add = (name: string, tensor: Tensor): void => {
    saved.push({ name, tensor, count: tensor.storage.changes.count });
  };
  for (const name in inputs) add(name, inputs[name]);
  for (const name in outputs) add(name, outputs[name]);
  const others = new Set<Tensor>();
  collectTensors(attrs, others);
  for (const t of others) add('an attribute', t);
  return saved;
}

/** The operations whose gradients are being made, innermost first, with what of theirs has been changed. */
interface Frame {
  readonly op: string;
  readonly wrt: string;
  readonly stale: readonly Saved[];
  readonly outer: Frame | null;
}

let current: Frame | null = null;

/**
 * Runs the backward function of a node for one of its inputs. Only the use of elements counts: a gradient that needs no
 * more of a changed tensor than its shape
 * is right.
 * @throws GradientError when it uses a tensor that was changed after the operation
 */
export function withSaved(node: TapeNode, wrt: string, backward: () => Tensor): Tensor {
  const stale = node.saved.filter(({ tensor, count }) => tensor.storage.changes.count !== count);
  if (stale.length === 0) return backward();
  const outer = current;
  current = { op: node.op.name, wrt, stale, outer };
  try {
    const gradient = backward();
    // A saved tensor, or a view of it, may itself be the gradient.
    checkUnchanged(gradient.storage);
    return gradient;
  } finally {
    current = outer;
  }
}

/**
 * Fails when a gradient that is being made uses memory that was changed after the forward pass.
 * @throws GradientError
 */
export function checkUnchanged({ changes }: Storage): void {
  for (let frame = current; frame; frame = frame.outer) {
    const found = frame.stale.find(({ tensor }) => tensor.storage.changes === changes);
    if (!found) continue;
    const { op, wrt } = frame;
    const { name, tensor } = found;
    // A kernel of the user's own has a number behind its name.
    const by = changes.by.replace(/#\d+$/, '');
    throw new GradientError(
      op,
      `the gradient of ${wrt} needs ${name} ${tensor}, which ${by} changed after ${op} had used it`,
      'take the gradient before the change, or let the operation use a copy, such as mul(x, 1)',
    );
  }
}
