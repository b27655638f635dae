// Records of training runs, plain JSON: written here and by the command line, read by the reports and by the page.

/** The scores of one evaluation. */
export interface EvalPoint {
  /** Steps of training before it, over all stages. */
  step: number;
  split: 'val' | 'test';
  /** Mean over the classes that have an IoU; 0 where none has. */
  miou: number;
  /** Mean over all classes; an absent class counts 0. */
  miouAbsentZero: number;
  /** IoU of each class, null where it is absent. */
  iou: (number | null)[];
  /** Pixels, [classes * classes]; rows are the truth. */
  confusion: number[];
  /** Share of pixels that are right, 0..1. */
  pixelAccuracy: number;
  /** The scores of the moving average of the weights at this step, where there is one. */
  ema?: Omit<EvalPoint, 'ema'>;
}

/** What is logged of one step. */
export interface StepPoint {
  /** From 1, over all stages. */
  step: number;
  loss: number;
  /** The parts of the loss, by name. */
  terms: Record<string, number>;
  /** Learning rate. */
  lr: number;
  /** Share of pseudo-labels that are accepted, 0..1. */
  accepted?: number;
  /** Share of accepted pseudo-labels that are right, 0..1, where the truth is known. */
  pseudoAccuracy?: number;
  /** Accepted pseudo-labels of each class, in pixels. */
  pseudoHistogram?: number[];
  /** In mixed precision. */
  lossScale?: number;
  /** Steps of the stage whose gradients were not finite. */
  skipped?: number;
}

/** An image of a report. */
export interface Picture {
  id: string;
  width: number;
  height: number;
  /** data: URLs, PNG. */
  layers: Record<'image' | 'truth' | 'prediction' | 'pseudo' | 'confidence' | 'cam', string | undefined>;
}

/** A whole run. */
export interface RunRecord {
  /** Name of the scheme. */
  scheme: string;
  seed: number;
  /** The settings (`RunConfig`). */
  config: Record<string, unknown>;
  /** Description of the GPU. */
  adapter: string;
  classNames: string[];
  /** Colours of the classes, [r, g, b] each, 0..255. */
  palette: number[][];
  steps: StepPoint[];
  evals: EvalPoint[];
  /** Scores of the last weights, one point per split; empty where the run did not end. */
  last: EvalPoint[];
  /** Scores of the weights that were best on the validation images. */
  best: EvalPoint[];
  secondsPerStep: number;
  imagesPerSecond: number;
  peakGpuBytes: number;
  /** Time of the run, evaluations and interruptions before a resume included. */
  seconds: number;
  pictures: Picture[];
  warnings: string[];
}

/** Several runs on one data set, as a report shows them. */
export interface Comparison {
  title: string;
  /** The command that made it. */
  command: string;
  date: string;
  /** Description of the GPU. */
  adapter: string;
  /** Name of the data set. */
  dataset: string;
  runs: RunRecord[];
}
