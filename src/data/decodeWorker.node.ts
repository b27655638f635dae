// A decoding thread: takes jobs, sends back results whose memory moves along, or errors with their type.

import { parentPort } from 'node:worker_threads';
import { FewmaskError } from '../../runtime/errors.ts';
import { runJob, type Job } from './decodeJobs.node.ts';
import { loadSharp } from './sharp.node.ts';

/** What the thread says: that it has begun, or how a job ended. */
export type Reply =
  | 'ready'
  | { id: number; result: unknown }
  | { id: number; error: { name: string; code?: string; message: string; hint?: string } };

// Threads decode side by side; each image takes one core. Where sharp is missing the jobs say so.
void loadSharp().then(
  (sharp) => sharp.concurrency(1),
  () => undefined,
);
const port = parentPort!;
port.on('message', ({ id, job }: { id: number; job: Job }) => {
  runJob(job).then(
    (result) => {
      const moved = 'texels' in result ? [result.texels] : 'counts' in result ? [result.counts] : [];
      port.postMessage(
        { id, result } satisfies Reply,
        moved.map((a) => a.buffer as ArrayBuffer),
      );
    },
    (e: Error) => {
      const own = e instanceof FewmaskError ? { code: e.code, hint: e.hint } : {};
      port.postMessage({ id, error: { name: e.name, message: e.message, ...own } } satisfies Reply);
    },
  );
});
port.postMessage('ready' satisfies Reply);
