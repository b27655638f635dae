// Which variants of the kernels are fast on this adapter: each is timed where a step uses it. What won is kept by the
// entries for Node and for browsers.

import { Plan, type PlanOutputs } from '../autograd/plan.ts';
import type { Device } from '../device/device.ts';

/** A variant by the kernel and the shape at which it won. */
export type Choices = Readonly<Record<string, string>>;

const ROUNDS = 5;
/** What a variant must take of the usual one's time to be chosen over it: less is noise. */
const FASTER = 0.95;

/** Milliseconds of each place's variant while `device.choices` are in force. */
async function timed(
  device: Device,
  body: () => PlanOutputs,
): Promise<Map<string, { taken: string; among: readonly string[]; ms: number }>> {
  const step = new Plan(device, {}, body);
  try {
    step.run(); // compiles
    await device.sync();
    const least: number[] = [];
    let last: Awaited<ReturnType<typeof step.profile>> = [];
    for (let round = 0; round < ROUNDS; round++) {
      last = await step.profile();
      last.forEach(({ ms }, i) => (least[i] = Math.min(least[i] ?? Infinity, ms)));
    }
    const sums = new Map<string, { taken: string; among: readonly string[]; ms: number }>();
    last.forEach(({ choice }, i) => {
      if (choice) sums.set(choice.at, { ...choice, ms: least[i] + (sums.get(choice.at)?.ms ?? 0) });
    });
    return sums;
  } finally {
    step.dispose();
  }
}

/**
 * Times every variant of the kernels that `body` launches, and gives the choices that the device uses from then on: those
 * that it had, and the winners.
 */
export async function tuneKernels(device: Device, body: () => PlanOutputs): Promise<Choices> {
  const before = device.choices;
  const usual = await timed(device, body);
  const best = new Map([...usual].map(([at, { taken, ms }]) => [at, { taken, ms: FASTER * ms }]));
  try {
    for (let i = 0; i < Math.max(0, ...[...usual.values()].map((u) => u.among.length)); i++) {
      device.choices = Object.fromEntries([...usual].map(([at, { among }]) => [at, among[i % among.length]]));
      for (const [at, { taken, ms }] of await timed(device, body))
        if (ms < (best.get(at)?.ms ?? 0)) best.set(at, { taken, ms });
    }
  } finally {
    device.choices = before;
  }
  return (device.choices = { ...before, ...Object.fromEntries([...best].map(([at, { taken }]) => [at, taken])) });
}
