// How the engine does the operations of conformance/torch-ops.

import type { Family } from '../../support/torchCases.ts';
import { autograd } from './autograd.ts';
import { elementwise } from './elementwise.ts';
import { losses } from './losses.ts';
import { nn } from './nn.ts';
import { reduce } from './reduce.ts';
import { shape } from './shape.ts';

export const FAMILIES: readonly Family[] = [autograd, elementwise, losses, nn, reduce, shape];
