// Records of training runs: written by src/train, read by src/report.

export interface EvalPoint {
  step: number;
  split: 'val' | 'test';
  miou: number /* nan-mean over classes present */;
  miouAbsentZero: number;
  iou: (number | null)[];
  confusion: number[] /* C*C rows = truth */;
  pixelAccuracy: number;
}
export interface StepPoint {
  step: number;
  loss: number;
  terms: Record<string, number>;
  lr: number;
  accepted?: number /* share of pseudo-labels accepted 0..1 */;
  pseudoAccuracy?: number;
  pseudoHistogram?: number[];
  lossScale?: number /* in mixed precision */;
  skipped?: number; /* steps of the stage whose gradients were not finite */
}
export interface Picture {
  id: string;
  width: number;
  height: number;
  layers: Record<
    'image' | 'truth' | 'prediction' | 'pseudo' | 'confidence' | 'cam',
    string | undefined
  >; /* data: URLs, PNG */
}
export interface RunRecord {
  scheme: string;
  seed: number;
  config: Record<string, unknown>;
  adapter: string;
  classNames: string[];
  palette: number[][];
  steps: StepPoint[];
  evals: EvalPoint[];
  last: EvalPoint[];
  best: EvalPoint[];
  secondsPerStep: number;
  imagesPerSecond: number;
  peakGpuBytes: number;
  seconds: number;
  pictures: Picture[];
  warnings: string[];
}
export interface Comparison {
  title: string;
  command: string;
  date: string;
  adapter: string;
  dataset: string;
  runs: RunRecord[];
}
