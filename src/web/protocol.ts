// The messages between the page and its worker. Arrays are transferred: who posts them has them no longer.

import type { Input } from '../options.ts';
import type { EvalPoint, StepPoint } from '../train/records.ts';
import type { Preview } from '../train/preview.ts';
import type { RunSettings } from './settings.ts';

/** What the page asks for. Each run has a number; messages of an earlier run than the page's are dropped. */
export type ToWorker =
  /** Opens the device, again after a failure. */
  | { kind: 'open' }
  /** Sends the images that a run with these settings offers to look at; needs no device. */
  | { kind: 'browse'; settings: RunSettings }
  /** Trains, and shows the image. */
  | { kind: 'start'; run: number; settings: RunSettings; image: string }
  | { kind: 'pause' }
  | { kind: 'resume' }
  | { kind: 'stop' }
  /** Previews show this image from now on. */
  | { kind: 'look'; id: string };

/** An image that the page offers to look at. */
export interface Example {
  id: string;
  split: 'unlabelled' | 'val' | 'labelled';
  width: number;
  height: number;
  rgb: Uint8Array;
  /** Class ids. The built-in set knows them for every image; only those of labelled ones are trained on. */
  truth: Uint8Array;
}

/** What went wrong, as the page says it. */
export interface Failure {
  code: string;
  message: string;
  hint: string;
}

/** Numbers that change with each step. */
export interface Pulse {
  /** Steps done and to do over all stages. */
  done: number;
  total: number;
  stage: string;
  /** Seconds that the run has been at work, without pauses. */
  seconds: number;
  /** Bytes of GPU memory in buffers. */
  memory: number;
}

export interface SchemeInfo {
  name: string;
  /** As it is printed. */
  title: string;
  about: string;
  /** Does it make pseudo-labels? */
  labels: boolean;
  options: Asked[];
}

/** An option that the form asks for, and what it is at first. */
export interface Asked {
  name: string;
  about: string;
  input: Input;
  value: unknown;
}

export interface NetworkInfo {
  name: string;
  /** As it is printed. */
  title: string;
  about: string;
  options: Asked[];
}

export type FromWorker =
  /** First of all: what there is to choose. */
  | {
      kind: 'choices';
      schemes: SchemeInfo[];
      networks: NetworkInfo[];
      /** Those that are chosen at first. */
      first: { scheme: string; network: string };
    }
  | { kind: 'opened'; adapter: string; how: string; software: boolean; f16: boolean }
  | { kind: 'examples'; classNames: string[]; palette: Uint8Array; examples: Example[] }
  | { kind: 'started'; run: number; parameters: number; steps: number }
  | { kind: 'steps'; run: number; points: StepPoint[]; pulse: Pulse }
  | { kind: 'eval'; run: number; point: EvalPoint; pulse: Pulse }
  | { kind: 'preview'; run: number; step: number; preview: Preview }
  | { kind: 'warning'; run: number; message: string }
  /** The run is paused, or continues. */
  | { kind: 'paused'; run: number; paused: boolean }
  | { kind: 'finished'; run: number; interrupted: boolean; last: EvalPoint[]; best: EvalPoint[]; seconds: number }
  /** `run` is null where the device did not open. */
  | { kind: 'failed'; run: number | null; failure: Failure };
