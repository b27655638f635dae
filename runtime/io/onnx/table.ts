// Every operator of ONNX that the engine does; those of other domains than ONNX's own with the domain in front.

import { ATTENTION } from './attention.ts';
import { CONV } from './conv.ts';
import { ELEMENTWISE } from './elementwise.ts';
import { NETWORK } from './network.ts';
import type { Operator } from './operator.ts';
import { POOL } from './pool.ts';
import { REDUCE } from './reduce.ts';
import { RESIZE } from './resize.ts';
import { SAMPLE } from './sample.ts';
import { SHAPE } from './shape.ts';
import { TRAINING } from './training.ts';

export const OPERATORS: Readonly<Record<string, Operator>> = {
  ...ELEMENTWISE,
  ...REDUCE,
  ...SHAPE,
  ...NETWORK,
  ...ATTENTION,
  ...CONV,
  ...POOL,
  ...SAMPLE,
  ...RESIZE,
  ...TRAINING,
};
