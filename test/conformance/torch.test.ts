// Operations, losses, optimisers and metrics against PyTorch in float64 (conformance set torch-ops): forward and
// gradients, at the stored tolerances.

import { test } from 'uvu';
import { torchTests } from '../support/torchCases.ts';
import { FAMILIES } from './torch/index.ts';

torchTests(FAMILIES);

test.run();
