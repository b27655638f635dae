// Arithmetic in a row, each step of what the one before made, as a plan records it: launches that become one, so that
// neither a launch nor memory goes to what lies between.

import type { Device, Launch } from '../device/device.ts';
import type { Storage, Tensor } from '../tensor.ts';
import type { Command } from './recorder.ts';

/** Fewer launches in a row stay as they are: the kernel for chains would have to be compiled for them. */
const LEAST = 4;

/**
 * The function of a launch that a chain may hold (0 add, 1 mul, 2 sub, 3 div), and which of its operands is a number.
 */
function stepOf(c: Command | undefined): { l: Launch; op: number; number: number } | null {
  const m = c?.kind === 'launch' && /^binary\.forward\((?:NUMBER=(.),)?OP=([0-3])\)$/.exec(c.launch.kernel.key);
  return m ? { l: c.launch, op: +m[2], number: +(m[1] ?? 0) } : null;
}

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
    let y = first?.l.bindings[0];
    let j = i;
    for (let step = first; step; step = stepOf(commands[j])) {
      const { l, op, number } = step;
      const [a, b] = l.bindings;
      const swapped = number ? number === 1 : a !== y;
      const other = swapped ? a : b;
      if (j > i && ((a !== y && b !== y) || lastUse(y) !== j || l.params.n !== first!.l.params.n)) break;
      let from = number ? 3 : other === y ? 4 : operands.indexOf(other);
      if (from < 0 && (from = operands.push(other) - 1) > 2) break;
      words.push(swapped && op > 1 ? op + 2 : op, from, l.params.number as number, 0);
      y = l.bindings[2];
      j++;
    }
    if (j - i >= LEAST) {
      const {
        bindings: [a],
        params: { n },
        groups,
      } = first!.l;
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
