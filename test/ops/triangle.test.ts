// Triangles of matrices.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { says } from '../support/errors.ts';
import { tril, triu } from '../../runtime/ops/index.ts';
import type { Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { made, of } from '../support/nd.ts';
import { checkCase, type OpCase } from '../support/op.ts';

const shapes: Shape[] = [
  [1, 1],
  [5, 5],
  [4, 6],
  [7, 3],
  [2, 3, 4],
  [0, 3],
  [3, 0],
  [2, 1, 3, 2, 5],
  [8, 128, 128],
];

const cases: OpCase[] = shapes.flatMap((shape) =>
  [0, 1, -2, 9].flatMap(
    (diagonal) =>
      [
        {
          name: `tril [${shape}] ${diagonal}`,
          inputs: { x: { shape } },
          run: ({ x }) => tril(x, diagonal),
          reference: ({ x }) => made(shape, (at) => (at.at(-1)! - at.at(-2)! <= diagonal ? of(x, at) : 0)),
        },
        {
          name: `triu [${shape}] ${diagonal}`,
          inputs: { x: { shape } },
          run: ({ x }) => triu(x, diagonal),
          reference: ({ x }) => made(shape, (at) => (at.at(-1)! - at.at(-2)! >= diagonal ? of(x, at) : 0)),
        },
      ] as OpCase[],
  ),
);

for (const c of cases) test(c.name, async () => checkCase(await testDevice(), c));

test('integers, and what cannot be', async () => {
  const device = await testDevice();
  const x = device.tensor([-1, 2, 3, -4], [2, 2], 'i32');
  assert.equal([...(await tril(x).read())], [-1, 0, 3, -4]);
  assert.throws(() => tril(device.empty([3])), says(/give matrices/));
  assert.throws(() => triu(x, 0.5), /no diagonal 0.5/);
});

test.run();
