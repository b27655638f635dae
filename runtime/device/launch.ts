// From what an operation asks for to a launch: its memory in the order of the kernel's bindings, and its workgroups.

import { FewmaskError, ShapeError } from '../errors.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Storage, Tensor } from '../tensor.ts';
import { fold } from './binding.ts';
import { MOST_ELEMENTS } from './elements.ts';
import type { Dispatch, Launch } from './types.ts';

/**
 * The launch of a dispatch, and the memory that it writes.
 * @param storageOf the memory of a tensor that a command is about to use
 * @param most workgroups in a dimension
 * @returns null where there is nothing to launch
 * @throws FewmaskError where the bindings are not the kernel's, ShapeError for more than the adapter can launch, and
 *   the error of a kernel that is known to be refused
 */
export function launchOf(
  d: Dispatch,
  kernel: Kernel,
  storageOf: (t: Tensor) => Storage,
  most: number,
): { launch: Launch; written: ReadonlySet<Storage> } | null {
  if (kernel.own?.broken) throw kernel.own.broken;
  const bindings: Storage[] = [];
  const written = new Set<Storage>();
  let given = Object.keys(d.bindings).length;
  for (const b of kernel.bindings) {
    if (b.kind === 'uniform') continue;
    const t = d.bindings[b.name];
    if (!t) throw new FewmaskError('kernel', `${kernel.key}: binding ${b.name} is missing`);
    const storage = storageOf(t);
    const other = written.has(storage) || (b.kind === 'read_write' && bindings.includes(storage));
    if (other)
      throw new FewmaskError(
        'kernel',
        `${kernel.key}: what it writes is bound twice, once as ${b.name}`,
        'give it a tensor of its own',
      );
    if (b.kind === 'read_write') written.add(storage);
    bindings.push(storage);
    given--;
  }
  if (given !== 0)
    throw new FewmaskError(
      'kernel',
      `${kernel.key}: it binds ${kernel.bindings.map((b) => b.name)}, not ${Object.keys(d.bindings)}`,
    );
  if (d.threads && !(d.threads < MOST_ELEMENTS))
    throw new ShapeError(
      d.shader,
      `${d.threads} invocations are more than a kernel can number`,
      'a kernel makes less than 2^31 elements',
    );
  const groups = d.groups ?? fold(Math.ceil((d.threads ?? 0) / kernel.workgroup[0]), most, kernel.key);
  if (groups[0] === 0 || groups[1] === 0 || groups[2] === 0) return null;
  if (Math.max(...groups) > most)
    throw new ShapeError(d.shader, `${groups} workgroups are more than the adapter's ${most} in a dimension`);
  const { shader, params = {}, choice, chain } = d;
  return { launch: { kernel, bindings, params, shader, groups, choice, chain }, written };
}
