// Elementwise functions of one tensor.

import { test } from 'uvu';
import { leakyRelu, relu } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, type OpCase } from '../support/op.ts';

const SHAPES = [[7], [3, 5, 2], [2, 9, 11, 5]];

const cases: OpCase[] = SHAPES.flatMap((shape) => [
  { name: `relu [${shape}]`, inputs: { x: { shape } }, run: ({ x }) => relu(x), reference: ({ x }) => ({ shape, data: x.data.map((v) => Math.max(v, 0)) }) },
  { name: `leakyRelu 0.1 [${shape}]`, inputs: { x: { shape } }, run: ({ x }) => leakyRelu(x, 0.1), reference: ({ x }) => ({ shape, data: x.data.map((v) => (v >= 0 ? v : 0.1 * v)) }) },
]);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test.run();
