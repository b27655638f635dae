// How the engine does the operations of conformance/webnn. Names and defaults are those of https://www.w3.org/TR/webnn/

import type { Run } from '../../support/webnnCases.ts';
import { elementwise } from './elementwise.ts';
import { nn } from './nn.ts';
import { reduce } from './reduce.ts';
import { shape } from './shape.ts';

export const WEBNN: Readonly<Record<string, Run>> = { ...elementwise, ...nn, ...reduce, ...shape };
