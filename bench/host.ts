// What a replay costs the thread that calls it: the whole call, and the engine's JavaScript alone, with an encoder and
// a queue that do nothing.

import { median } from './measure.ts';

const REPEATS = 15;

export interface HostTimes {
  /** Milliseconds of the call, in which Dawn records and submits the commands. */
  host_ms: number;
  /** Of these the engine's JavaScript. */
  javascript_ms: number;
}

function timed(call: () => void): number {
  const start = performance.now();
  call();
  return performance.now() - start;
}

/**
 * Times calls that encode and submit.
 * @param sync waits until the GPU is done, so that calls do not wait for each other
 */
export async function hostTimes(gpu: GPUDevice, call: () => void, sync: () => Promise<void>): Promise<HostTimes> {
  const whole: number[] = [];
  const script: number[] = [];
  for (let i = 0; i < REPEATS; i++) {
    whole.push(timed(call));
    await sync();
  }
  const nothing = (): void => undefined;
  const pass = { setPipeline: nothing, setBindGroup: nothing, dispatchWorkgroups: nothing, end: nothing };
  const encoder = {
    beginComputePass: () => pass,
    clearBuffer: nothing,
    copyBufferToBuffer: nothing,
    copyBufferToTexture: nothing,
    finish: nothing,
  };
  // Own properties hide the methods of the prototypes until they are deleted.
  Object.defineProperty(gpu, 'createCommandEncoder', { value: () => encoder, configurable: true });
  Object.defineProperty(gpu.queue, 'submit', { value: nothing, configurable: true });
  try {
    for (let i = 0; i < REPEATS; i++) script.push(timed(call));
  } finally {
    Reflect.deleteProperty(gpu, 'createCommandEncoder');
    Reflect.deleteProperty(gpu.queue, 'submit');
  }
  return { host_ms: median(whole), javascript_ms: median(script) };
}
