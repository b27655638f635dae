// Arithmetic in a row, each step of what the one before made, as a plan records it: launches that become one, so that
// neither a launch nor memory goes to what lies between.

import type { ChainStep, Device, Launch } from '../device/device.ts';
import { CHAIN_OPERAND, CHAIN_STEP } from '../kernel/generated.ts';
import type { Storage, Tensor } from '../tensor.ts';
import type { Command } from './recorder.ts';

/** Fewer launches in a row stay as they are: the kernel for chains would have to be compiled for them. */
const LEAST = 4;

/** The functions of the chain's value and another operand with the two exchanged. */
const EXCHANGED = { ...CHAIN_STEP, sub: CHAIN_STEP.subFrom, div: CHAIN_STEP.divide };
/** An operand comes from one of three bindings, is a number or the chain's value itself. */
const MOST_OPERANDS = CHAIN_OPERAND.third + 1;

/** A launch that a chain may hold. */
type Step = Launch & { chain: ChainStep };

const stepOf = (c: Command | undefined): Step | null =>
  c?.kind === 'launch' && c.launch.chain ? (c.launch as Step) : null;

/**
 * The commands with chains in place of their launches.
 * @param lastUse index of the last command that uses a memory which the plan alone knows; undefined for other memory
 * @param made is told of tensors that the plan has to keep
 */
export function chained(
  device: Device,
  commands: readonly Command[],
  lastUse: (s: Storage) => number | undefined,
  made: (t: Tensor) => void,
): Command[] {
  const out: Command[] = [];
  for (let i = 0; i < commands.length;) {
    const first = stepOf(commands[i]);
    const words: number[] = [];
    const operands: Storage[] = [];
    let y = first?.bindings[0];
    let j = i;
    for (let step = first; step; step = stepOf(commands[j])) {
      const { bindings, params, chain } = step;
      const [a, b] = bindings;
      const exchanged = chain.number ? chain.number === 'a' : a !== y;
      const other = exchanged ? a : b;
      if (j > i && ((a !== y && b !== y) || lastUse(y) !== j || params.n !== first!.params.n)) break;
      let from = chain.number ? CHAIN_OPERAND.number : other === y ? CHAIN_OPERAND.itself : operands.indexOf(other);
      if (from < 0 && (from = operands.push(other) - 1) >= MOST_OPERANDS) break;
      words.push((exchanged ? EXCHANGED : CHAIN_STEP)[chain.op], from, params.number as number, 0);
      y = bindings[2];
      j++;
    }
    if (j - i >= LEAST) {
      const {
        bindings: [a],
        params: { n },
        groups,
      } = first!;
      const [b = a, second = a, third = a] = operands;
      const steps = device.keep(device.tensor(Uint32Array.from(words), [j - i, 4]));
      const shader = 'chain';
      made(steps);
      out.push({
        kind: 'launch',
        launch: {
          kernel: device.kernels.get(shader, 'forward'),
          bindings: [a, b, second, third, steps.storage, y!],
          params: { n },
          groups,
          shader,
        },
      });
    } else {
      // One at a time: what begins behind the first may be longer.
      j = i + 1;
      out.push(commands[i]);
    }
    i = j;
  }
  return out;
}
