// Threads that decode images and masks, so that the thread that feeds the GPU does not wait for them.

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { DataError, FewmaskError } from '../../runtime/errors.ts';
import { runJob, type Job, type JobResult } from './decodeJobs.node.ts';
import type { Reply } from './decodeWorker.node.ts';

/** Jobs that a thread holds at once: one is decoded while the file of the next is read. */
const HELD = 2;

interface Task {
  job: Job;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

interface Thread {
  worker: Worker;
  ready: boolean;
  tasks: Map<number, Task>;
}

export interface PoolOptions {
  /** Threads (default: one less than the cores, at least 1, at most 4); 0 decodes on the calling thread. */
  threads?: number;
  /** Told once when threads cannot be used, and of a mask that nothing can be judged by (default: a line on stderr). */
  warn?(message: string): void;
  /** The module that a thread runs (default: decodeWorker beside this module). */
  module?: URL;
}

/**
 * As .mjs in a bundle; as .ts through tsx, whose loader a thread does not inherit and `--import` does not bring (Node
 * 20), so that the thread calls for it itself.
 */
function startWorker(module: URL): Worker {
  if (!module.pathname.endsWith('.ts')) return new Worker(module);
  const loader = import.meta.resolve('tsx/esm/api');
  return new Worker(
    `import(${JSON.stringify(loader)}).then((tsx) => { tsx.register(); return import(${JSON.stringify(module.href)}); })`,
    { eval: true, execArgv: [] },
  );
}

function revive({ name, code, message, hint }: Extract<Reply, { error: unknown }>['error']): Error {
  if (code === 'data') return new DataError(message, hint);
  if (code !== undefined) return new FewmaskError(code, message, hint);
  return Object.assign(new Error(message), { name });
}

/**
 * Runs jobs on threads, first come, first served. Threads start with the first job, and do not keep the process alive.
 * @example const pool = new DecodePool();
 * const { texels } = await pool.run({ kind: 'file', image: 'a.jpg', mask: null, numClasses: 2, size: null });
 */
export class DecodePool {
  private readonly count: number;
  private readonly warn: (message: string) => void;
  private readonly module: URL;
  private threads: Thread[] | null = null;
  private queue: Task[] = [];
  private serial = 0;
  private closed = false;
  private inProcess: boolean;

  constructor(options: PoolOptions = {}) {
    this.count = options.threads ?? Math.min(4, Math.max(1, availableParallelism() - 1));
    this.inProcess = this.count === 0;
    this.warn = options.warn ?? ((message) => console.error(message));
    this.module =
      options.module ??
      new URL(`./decodeWorker.node.${import.meta.url.endsWith('.ts') ? 'ts' : 'mjs'}`, import.meta.url);
  }

  /** @throws what the job throws, its type and message kept */
  run<J extends Job>(job: J): Promise<JobResult<J>> {
    if (this.closed) return Promise.reject(new DataError('the data set was closed while images were still wanted'));
    if (this.inProcess) return runJob(job);
    return new Promise<JobResult<J>>((resolve, reject) => {
      this.queue.push({ job, resolve: resolve, reject });
      this.start();
      this.feed();
    });
  }

  private start(): void {
    if (this.threads) return;
    this.threads = [];
    try {
      for (let i = 0; i < this.count; i++) this.threads.push(this.open());
    } catch (error) {
      this.giveUp((error as Error).message);
    }
  }

  private open(): Thread {
    const thread: Thread = { worker: startWorker(this.module), ready: false, tasks: new Map() };
    thread.worker.on('message', (reply: Reply) => {
      if (reply === 'ready') {
        thread.ready = true;
      } else {
        const task = thread.tasks.get(reply.id)!;
        thread.tasks.delete(reply.id);
        if ('error' in reply) task.reject(revive(reply.error));
        else task.resolve(reply.result);
      }
      this.feed();
    });
    thread.worker.on('error', (error) => this.giveUp(error.message));
    thread.worker.on('exit', (code) => this.giveUp(`a decoding thread ended with code ${code}`));
    return thread;
  }

  /** Hands waiting jobs to the least busy threads. */
  private feed(): void {
    if (!this.threads) return;
    for (let task = this.queue[0]; task; task = this.queue[0]) {
      const free = this.threads
        .filter((t) => t.ready && t.tasks.size < HELD)
        .sort((a, b) => a.tasks.size - b.tasks.size)[0];
      if (!free) break;
      this.queue.shift();
      const id = this.serial++;
      free.tasks.set(id, task);
      free.worker.postMessage({ id, job: task.job });
    }
    // A process ends when nothing is wanted any more, without waiting for idle threads.
    for (const t of this.threads) {
      if (t.tasks.size > 0 || (!t.ready && this.queue.length > 0)) t.worker.ref();
      else t.worker.unref();
    }
  }

  /** Threads do not work here: everything runs in this one. */
  private giveUp(reason: string): void {
    if (this.inProcess || this.closed) return;
    this.inProcess = true;
    this.warn(`decoding threads do not work here (${reason.split('\n')[0]}): images are decoded on the main thread`);
    const waiting = [...(this.threads ?? []).flatMap((t) => [...t.tasks.values()]), ...this.queue];
    for (const t of this.threads ?? []) void t.worker.terminate();
    this.threads = null;
    this.queue = [];
    for (const { job, resolve, reject } of waiting) runJob(job).then(resolve, reject);
  }

  /** Ends the threads; jobs that are still waiting are rejected. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    const threads = this.threads ?? [];
    const error = new DataError('the data set was closed while images were still wanted');
    for (const task of [...threads.flatMap((t) => [...t.tasks.values()]), ...this.queue]) task.reject(error);
    this.queue = [];
    // An idle thread does not keep the process alive, but its end is waited for.
    for (const t of threads) t.worker.ref();
    await Promise.all(threads.map((t) => t.worker.terminate()));
    this.threads = null;
  }
}
