// Runs trainings one after another on a device, between messages from the page: what the worker does, without the
// worker.

import type { Device } from '../../runtime/device/device.ts';
import { FewmaskError } from '../../runtime/errors.ts';
import type { Dataset } from '../data/types.ts';
import type { Network } from '../nn/module.ts';
import { createScheme } from '../schemes/index.ts';
import type { Scheme } from '../schemes/scheme.ts';
import { withSettings } from '../settingNames.ts';
import { preview } from '../train/preview.ts';
import { runSession } from '../train/session.ts';
import type { SessionResult } from '../train/sessionOptions.ts';
import type { Example, Failure, FromWorker, Pulse } from './protocol.ts';
import { configOf, datasetOf, type RunSettings } from './settings.ts';

/** Images of each split that the page shows. */
const EXAMPLES = { unlabelled: 4, val: 3, labelled: 1 } as const;
/** Largest share of the time for previews between evaluations. */
const LOOKING = 0.1;
/** Shortest and longest time between them, in milliseconds: the first takes long, since it compiles. */
const LOOK_SOONEST = 1500;
const LOOK_LATEST = 15_000;

/** The fields of the page, by the settings of a run. */
const FIELDS: Readonly<Record<string, string>> = {
  batch: 'batch',
  crop: 'image size',
  labels: 'labelled images',
  lr: 'learning rate',
  size: 'image size',
  steps: 'steps',
  unlabelled: 'unlabelled images',
};

/** A text of the library with the settings that it marks as the page calls them. */
const worded = (text: string): string => withSettings(text, (name) => FIELDS[name] ?? name);

export type Post = (message: FromWorker, transfer?: Transferable[]) => void;

/** An error in the words of the page. */
export function failureOf(error: unknown): Failure {
  if (error instanceof FewmaskError) {
    // Nothing is saved here from which a run could be resumed.
    if (error.code === 'device-lost')
      return {
        code: error.code,
        message: error.message,
        hint: 'start the run again; other tabs and programs may have taken the GPU, or the settings are too large for it',
      };
    // Of the settings that help, the page offers one.
    const hint =
      error.code === 'non-finite' ? 'lower the learning rate, and start the run again' : worded(error.hint ?? '');
    return { code: error.code, message: worded(error.message), hint };
  }
  return {
    code: 'unexpected',
    message: error instanceof Error ? error.message : String(error),
    hint: 'reload the page; if it happens again, it is a fault in the program',
  };
}

/** Lets waiting messages in: a step may never wait for anything but the GPU's queue. */
function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** One training in progress, or ended. */
interface Run {
  id: number;
  dataset: Dataset;
  stop: AbortController;
  paused: boolean;
  wake: (() => void) | null;
  /** The image to show, whether it waits to be shown at once, and whether one is being made. */
  chosen: string;
  wanted: boolean;
  showing: boolean;
  shown: { at: number; took: number };
  began: number;
  /** Milliseconds of pauses. */
  rested: number;
  done: number;
  total: number;
  result: SessionResult | null;
}

export class Runner {
  private readonly device: Device;
  private readonly post: Post;
  private run: Run | null = null;
  private active: Promise<void> = Promise.resolve();

  constructor(device: Device, post: Post) {
    this.device = device;
    this.post = post;
  }

  /** Trains; a run that still goes is stopped first. Everything is posted, failures too. */
  async start(id: number, settings: RunSettings, image: string): Promise<void> {
    this.stop();
    await this.active;
    this.run?.result?.dispose();
    this.run = null;
    this.active = this.train(id, settings, image).catch((error: unknown) =>
      this.post({ kind: 'failed', run: id, failure: failureOf(error) }),
    );
    await this.active;
  }

  pause(): void {
    if (this.run && !this.run.result) this.run.paused = true;
  }

  resume(): void {
    if (!this.run) return;
    this.run.paused = false;
    this.run.wake?.();
  }

  stop(): void {
    this.run?.stop.abort();
    this.resume();
  }

  /** Shows an image: between two steps of a running training, at once when it is paused or has ended. */
  look(image: string): void {
    const run = this.run;
    if (!run || run.chosen === image) return;
    run.chosen = image;
    run.wanted = true;
    run.wake?.();
    if (run.result)
      void this.show(run, run.result.scheme).catch((error: unknown) =>
        this.post({ kind: 'failed', run: run.id, failure: failureOf(error) }),
      );
  }

  private async train(id: number, settings: RunSettings, image: string): Promise<void> {
    const config = configOf(settings);
    const dataset = datasetOf(settings);
    const run: Run = {
      id,
      dataset,
      stop: new AbortController(),
      paused: false,
      wake: null,
      chosen: image,
      wanted: true,
      showing: false,
      shown: { at: -Infinity, took: 0 },
      began: performance.now(),
      rested: 0,
      done: 0,
      total: 0,
      result: null,
    };
    this.run = run;
    const { device, post } = this;
    const pulse = (stage: string): Pulse => ({
      done: run.done,
      total: run.total,
      stage,
      seconds: (performance.now() - run.began - run.rested) / 1000,
      memory: device.pool.stats.allocated,
    });
    const result = await runSession({
      device,
      dataset,
      config,
      signal: run.stop.signal,
      makeScheme: (context, options) => createScheme(config.scheme, context, options),
      // The built-in set knows all labels: pseudo-labels can be judged.
      judge: true,
      // A wait for a GPU costs as much as several of its steps; a software adapter's steps take long enough to show
      // each.
      readEvery: device.info.kind === 'hardware' ? 10 : 1,
      hooks: {
        onStart({ parameters, steps }) {
          run.total = steps;
          post({ kind: 'started', run: id, parameters, steps });
        },
        onSteps(points, { done, stageName }) {
          run.done = done;
          post({ kind: 'steps', run: id, points: [...points], pulse: pulse(stageName) });
        },
        onEval(point, { stageName }) {
          run.wanted = true;
          post({ kind: 'eval', run: id, point, pulse: pulse(stageName) });
        },
        onWarning: (message) => post({ kind: 'warning', run: id, message: worded(message) }),
        gate: (scheme, { stage }) => this.gate(run, scheme, scheme.stages[stage].evaluated ?? scheme.evaluated),
      },
    });
    run.result = result;
    const { record, interrupted } = result;
    run.wanted = true;
    await this.show(run, result.scheme);
    post({
      kind: 'finished',
      run: id,
      interrupted,
      last: record.last,
      best: record.best,
      seconds: (performance.now() - run.began - run.rested) / 1000,
    });
  }

  /** Between two steps: messages come in, previews go out, a pause holds. */
  private async gate(run: Run, scheme: Scheme, network: Network): Promise<void> {
    await breathe();
    const { at, took } = run.shown;
    const now = performance.now();
    if (run.wanted || now - at > Math.min(LOOK_LATEST, Math.max(LOOK_SOONEST, took / LOOKING)))
      await this.show(run, scheme, network);
    if (!run.paused) return;
    const rested = performance.now();
    this.post({ kind: 'paused', run: run.id, paused: true });
    while (run.paused) {
      await new Promise<void>((resolve) => (run.wake = resolve));
      run.wake = null;
      if (run.wanted && run.paused) await this.show(run, scheme, network);
    }
    run.rested += performance.now() - rested;
    this.post({ kind: 'paused', run: run.id, paused: false });
  }

  private async show(run: Run, scheme: Scheme, network: Network = scheme.evaluated): Promise<void> {
    if (run.showing) return; // the one that is being made sees what is wanted
    run.showing = true;
    try {
      do {
        run.wanted = false;
        const began = performance.now();
        const step = run.done;
        const sample = await run.dataset.load(run.chosen, { labels: true });
        const [made] = await preview(this.device, scheme, [sample], network);
        // Pseudo-labels that the scheme keeps are its own: a copy travels.
        const own = { ...made, pseudo: made.pseudo.slice() };
        this.post(
          { kind: 'preview', run: run.id, step, preview: own },
          buffers(own.rgb, own.truth, own.prediction, own.confidence, own.pseudo, own.cam),
        );
        run.shown = { at: performance.now(), took: performance.now() - began };
      } while (run.wanted);
    } finally {
      run.showing = false;
    }
  }
}

const buffers = (...arrays: (Uint8Array | Float32Array | null)[]): ArrayBuffer[] =>
  arrays.flatMap((a) => (a ? [a.buffer as ArrayBuffer] : []));

/** Posts images to look at: unlabelled ones, whose pseudo-labels teach, validation images, and a labelled one. */
export async function browse(settings: RunSettings, post: Post): Promise<void> {
  const dataset = datasetOf(settings);
  const splits = Object.entries(EXAMPLES) as [Example['split'], number][];
  const chosen = splits.flatMap(([split, n]) =>
    dataset
      .ids(split)
      .slice(0, n)
      .map((id) => ({ id, split })),
  );
  const examples = await Promise.all(
    chosen.map(async ({ id, split }): Promise<Example> => {
      const { width, height, rgb, labels } = await dataset.load(id, { labels: true });
      return { id, split, width, height, rgb, truth: labels! };
    }),
  );
  post(
    { kind: 'examples', classNames: dataset.classNames, palette: dataset.palette, examples },
    buffers(...examples.flatMap((e) => [e.rgb, e.truth])),
  );
}
