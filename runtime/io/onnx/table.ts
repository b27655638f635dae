// Every operator of ONNX that the engine does.

import { ELEMENTWISE } from './elementwise.ts';
import { NETWORK } from './network.ts';
import type { Operator } from './operator.ts';
import { REDUCE } from './reduce.ts';
import { RESIZE } from './resize.ts';
import { SHAPE } from './shape.ts';

export const OPERATORS: Readonly<Record<string, Operator>> = { ...ELEMENTWISE, ...REDUCE, ...SHAPE, ...NETWORK, ...RESIZE };
