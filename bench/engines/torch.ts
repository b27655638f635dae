// The benchmark's cases on PyTorch, on the CPU or with CUDA: a worker process (torchWorker.py) that is asked by lines
// of JSON.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Case } from '../cases.ts';
import type { Inputs } from '../data.ts';
import type { Engine, Job } from '../engine.ts';
import { epochFolder } from '../epoch.ts';
import { LOSS_SCALE, LR, MOMENTUM, STEPS_COMPARED } from '../training.ts';

export interface TorchOptions {
  threads: number;
  /** Use the GPU where PyTorch finds one. */
  cuda: boolean;
}

export interface TorchEngine extends Engine {
  /** What a case gives in float64. @returns null where PyTorch has no such case */
  reference(c: Case, inputs: Inputs): Promise<Float32Array[] | null>;
}

/** The environment of the machine: libraries that this process may have been started with are not PyTorch's. */
function machineEnv(): NodeJS.ProcessEnv {
  const { FEWMASK_HOST_LIBRARIES: libraries, ...env } = process.env;
  return libraries === undefined ? env : { ...env, LD_LIBRARY_PATH: libraries };
}

/**
 * An interpreter that has torch, one with CUDA before others where that is wanted: FEWMASK_PYTHON, the first one on the
 * path, the system's.
 */
function interpreter(cuda: boolean): string | null {
  const asked = process.env.FEWMASK_PYTHON;
  let any: string | null = null;
  for (const python of asked ? [asked] : ['python3', '/usr/bin/python3', '/opt/conda/bin/python3']) {
    const { status, stdout } = spawnSync(python, ['-c', 'import torch, numpy; print(torch.cuda.is_available())'], {
      encoding: 'utf8',
      env: machineEnv(),
    });
    if (status !== 0) continue;
    if (!cuda || stdout.includes('True')) return python;
    any ??= python;
  }
  return any;
}

/** @param script path of torchWorker.py @returns null where PyTorch is missing */
export async function torchEngine(script: string, options: TorchOptions): Promise<TorchEngine | null> {
  const python = interpreter(options.cuda);
  if (!python) return null;
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'], env: machineEnv() });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const folder = mkdtempSync(join(tmpdir(), 'fewmask-bench-'));
  /** Questions wait for each other: there is one worker. */
  let last: Promise<unknown> = Promise.resolve();
  const ask = <T>(question: object): Promise<T> => {
    const next = last.then(async () => {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      const line = await lines.next();
      if (line.done) throw new Error('the PyTorch worker ended');
      const answer = JSON.parse(line.value) as T & { error?: string };
      if (answer.error) throw new Error(`PyTorch: ${answer.error}`);
      return answer;
    });
    last = next.catch(() => {});
    return next;
  };
  const { version, cuda } = await ask<{ version: string; cuda: boolean }>({ do: 'version', ...options });
  let count = 0;

  function files(inputs: Inputs): object {
    return Object.fromEntries(
      Object.entries(inputs).map(([name, { shape, data, channelsLast = false, period }], i) => {
        const file = join(folder, `in${i}`);
        writeFileSync(file, data.subarray(0, period));
        return [name, { file, shape, int: data instanceof Int32Array, last: channelsLast }];
      }),
    );
  }

  async function fetched(question: object): Promise<Float32Array[]> {
    const { count: n } = await ask<{ count: number }>({ ...question, folder, steps: STEPS_COMPARED });
    return Array.from(
      { length: n },
      (_, i) => new Float32Array(new Uint8Array(readFileSync(join(folder, `out${i}`))).buffer),
    );
  }

  async function make(
    { work }: Case,
    inputs: Inputs,
    precision: 'f32' | 'f16' | 'f64',
  ): Promise<Job | { why: string }> {
    const id = count++;
    const data = work.op === 'epoch' ? await epochFolder(work.images, work.h, work.w) : undefined;
    const made = await ask<{ why?: string }>({
      do: 'build',
      id,
      precision,
      work: { ...work, data, lr: LR, momentum: MOMENTUM, lossScale: LOSS_SCALE },
      inputs: files(inputs),
    });
    if (made.why) return { why: made.why };
    let peak = 0;
    return {
      async run(times) {
        const answer = await ask<{ cpu: number; peak: number }>({ do: 'run', id, times });
        peak = answer.peak;
        return answer.cpu;
      },
      outputs: () => fetched({ do: 'outputs', id }),
      sampled(at) {
        at.forEach((places, i) => writeFileSync(join(folder, `at${i}`), places));
        return fetched({ do: 'sampled', id });
      },
      ...(cuda && { peakBytes: () => peak }),
      dispose: () => void ask({ do: 'dispose', id }),
    };
  }

  return {
    name: cuda ? 'pytorch-cuda' : 'pytorch-cpu',
    version,
    build: (c, inputs) => make(c, inputs, c.half ? 'f16' : 'f32'),
    async reference(c, inputs) {
      const job = await make(c, inputs, 'f64');
      if ('why' in job) return null;
      const outputs = await job.outputs();
      job.dispose();
      return outputs;
    },
    close() {
      child.stdin.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
