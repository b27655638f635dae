// The benchmark's cases on PyTorch's CPU kernels, where Debian's python3-torch is installed: a worker process (torchWorker.py) that is asked by lines of JSON.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Inputs } from '../data.ts';
import type { Engine, Job } from '../engine.ts';
import { LR, MOMENTUM, STEPS_COMPARED } from '../training.ts';

/** Debian's interpreter: another one on the path has no torch. */
const PYTHON = '/usr/bin/python3';

/** @param script path of torchWorker.py @returns null where there is no PyTorch */
export async function torchEngine(script: string, threads: number): Promise<Engine | null> {
  if (spawnSync(PYTHON, ['-c', 'import torch, numpy']).status !== 0) return null;
  const child = spawn(PYTHON, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const folder = mkdtempSync(join(tmpdir(), 'fewmask-bench-'));
  /** Questions wait for each other: there is one worker. */
  let last: Promise<unknown> = Promise.resolve();
  const ask = <T>(question: object): Promise<T> => {
    const next = last.then(async () => {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      const line = await lines.next();
      if (line.done) throw new Error('the PyTorch worker ended');
      const answer = JSON.parse(line.value as string) as T & { error?: string };
      if (answer.error) throw new Error(`PyTorch: ${answer.error}`);
      return answer;
    });
    last = next.catch(() => {});
    return next;
  };
  const { version } = await ask<{ version: string }>({ do: 'version', threads });
  let count = 0;

  function files(inputs: Inputs): object {
    return Object.fromEntries(
      Object.entries(inputs).map(([name, { shape, data }], i) => {
        const file = join(folder, `in${i}`);
        writeFileSync(file, data);
        return [name, { file, shape, int: data instanceof Int32Array }];
      }),
    );
  }

  return {
    name: 'pytorch-cpu',
    version,
    async build({ work }, inputs) {
      const id = count++;
      const made = await ask<{ why?: string }>({ do: 'build', id, work: { ...work, lr: LR, momentum: MOMENTUM }, inputs: files(inputs) });
      if (made.why) return { why: made.why };
      const job: Job = {
        run: async (times) => (await ask<{ cpu: number }>({ do: 'run', id, times })).cpu,
        async outputs() {
          const { count: n } = await ask<{ count: number }>({ do: 'outputs', id, folder, steps: STEPS_COMPARED });
          return Array.from({ length: n }, (_, i) => new Float32Array(new Uint8Array(readFileSync(join(folder, `out${i}`))).buffer));
        },
        dispose: () => void ask({ do: 'dispose', id }),
      };
      return job;
    },
    close() {
      child.stdin.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
