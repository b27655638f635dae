// Einstein sums against loops over every letter.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { einsum } from '../../runtime/ops/index.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { checkCase, f64, type F64 } from '../support/op.ts';

/** For equations without an ellipsis, with an arrow. */
function reference(equation: string, xs: F64[]): F64 {
  const [left, right] = equation.split('->');
  const terms = left.split(',');
  const sizes = new Map<string, number>();
  terms.forEach((w, i) => [...w].forEach((l, k) => sizes.set(l, Math.max(sizes.get(l) ?? 0, xs[i].shape[k]))));
  terms.forEach((w, i) => [...w].forEach((l, k) => xs[i].shape[k] === 0 && sizes.set(l, 0)));
  const letters = [...sizes.keys()];
  const y = f64([...right].map((l) => sizes.get(l)!));
  const place = (word: string, shape: Shape, at: Map<string, number>): number =>
    [...word].reduce((p, l, k) => p * shape[k] + (shape[k] === 1 ? 0 : at.get(l)!), 0);
  for (let i = 0; i < sizeOf([...sizes.values()]); i++) {
    let rest = i;
    const at = new Map(
      letters.map((l) => {
        const k = rest % sizes.get(l)!;
        rest = Math.floor(rest / sizes.get(l)!);
        return [l, k];
      }),
    );
    y.data[place(right, y.shape, at)] += terms.reduce((p, w, k) => p * xs[k].data[place(w, xs[k].shape, at)], 1);
  }
  return y;
}

const CASES: [string, Shape[]][] = [
  ['->', [[]]],
  ['ij->ji', [[3, 5]]],
  ['hwio->oihw', [[3, 2, 5, 4]]],
  ['abcdefgh->hcbgfaed', [[2, 1, 3, 2, 2, 1, 2, 3]]],
  ['abcde->edcba', [[2, 3, 1, 4, 5]]],
  ['ii->i', [[4, 4]]],
  ['iij->ji', [[3, 3, 2]]],
  ['ii->', [[5, 5]]],
  ['ij->', [[3, 7]]],
  ['ij->j', [[130, 7]]],
  ['ijk->j', [[3, 4, 5]]],
  [
    'ij,jk->ik',
    [
      [4, 7],
      [7, 5],
    ],
  ],
  [
    'ij,jk->ki',
    [
      [4, 7],
      [7, 5],
    ],
  ],
  [
    'ji,jk->ik',
    [
      [7, 4],
      [7, 5],
    ],
  ],
  [
    'ij,kj->ik',
    [
      [4, 7],
      [5, 7],
    ],
  ],
  [
    'bij,bjk->bik',
    [
      [2, 3, 4],
      [2, 4, 5],
    ],
  ],
  [
    'ij,ij->ij',
    [
      [3, 4],
      [3, 4],
    ],
  ],
  ['i,j->ij', [[3], [4]]],
  ['i,i->', [[9], [9]]],
  [',i->i', [[], [3]]],
  [
    'ij,kl->ik',
    [
      [3, 4],
      [2, 5],
    ],
  ],
  [
    'nihd,njhd->nhij',
    [
      [2, 3, 2, 5],
      [2, 4, 2, 5],
    ],
  ],
  [
    'nhij,njhd->nihd',
    [
      [2, 2, 3, 4],
      [2, 4, 2, 5],
    ],
  ],
  [
    'ij,jk,kl->il',
    [
      [2, 3],
      [3, 4],
      [4, 5],
    ],
  ],
  ['a,b,a->b', [[3], [4], [3]]],
  [
    'aij,ajk,ak->ai',
    [
      [2, 3, 4],
      [2, 4, 5],
      [2, 5],
    ],
  ],
  [
    'bij,bjk->bik',
    [
      [1, 3, 4],
      [2, 4, 5],
    ],
  ],
  [
    'ij,jk->ik',
    [
      [3, 1],
      [4, 5],
    ],
  ],
  [
    'ij,jk->ik',
    [
      [0, 4],
      [4, 5],
    ],
  ],
  [
    'ij,jk->ik',
    [
      [3, 0],
      [0, 5],
    ],
  ],
  ['nhwc->c', [[2, 100, 90, 3]]],
  [
    'yxio,nyxi->no',
    [
      [8, 8, 3, 4],
      [2, 8, 8, 3],
    ],
  ],
];

for (const [equation, shapes] of CASES) {
  const names = shapes.map((_, i) => `x${i}`);
  test(`einsum ${equation} ${shapes.map((s) => `[${s}]`).join(' ')}`, async () =>
    checkCase(await testDevice(), {
      name: equation,
      inputs: Object.fromEntries(shapes.map((shape, i) => [names[i], { shape }])),
      run: (t) => einsum(equation, ...names.map((k) => t[k])),
      reference: (t) =>
        reference(
          equation,
          names.map((k) => t[k]),
        ),
    }));
}

for (const [equation, as, shapes] of [
  [
    'ij,jk',
    'ij,jk->ik',
    [
      [2, 3],
      [3, 4],
    ],
  ],
  ['ba', 'ba->ab', [[2, 3]]],
  [
    '...i,...i->...',
    'abi,bi->ab',
    [
      [2, 3, 4],
      [3, 4],
    ],
  ],
  ['i...j->j...i', 'iabj->jabi', [[2, 3, 4, 5]]],
  [
    '...ij,jk',
    'aij,jk->aik',
    [
      [2, 3, 4],
      [4, 5],
    ],
  ],
  ['b...,b', 'bxy,b->xy', [[2, 3, 4], [2]]],
] as [string, string, Shape[]][]) {
  test(`einsum ${equation} is ${as}`, async () => {
    const device = await testDevice();
    const xs = shapes.map((s, k) =>
      device.tensor(
        Float32Array.from({ length: sizeOf(s) }, (_, i) => ((i * 7 + k) % 5) - 2),
        s,
      ),
    );
    const y = einsum(equation, ...xs);
    const z = einsum(as, ...xs);
    assert.equal(y.shape, z.shape);
    assert.equal(await y.read(), await z.read());
  });
}

test('second derivatives, and nothing left behind without a gradient', async () => {
  const device = await testDevice();
  const a = device.tensor([1, 2, 3, 4], [2, 2]);
  const b = device.tensor([5, 6, 7, 8], [2, 2]);
  a.requiresGrad = b.requiresGrad = true;
  const s = einsum('ij,kj,ik->', a, b, a);
  const [da] = grad(s, [a], { createGraph: true });
  // s = sum over i, j, k of a_ij b_kj a_ik: its second derivative along ones is twice the sum of b.
  const [twice] = grad(einsum('ij->', da), [a]);
  assert.equal(
    [...(await twice.read())],
    [0, 1, 2, 3].map((i) => [5 + 6 + 5 + 7, 7 + 8 + 6 + 8][i % 2]),
  );
  const c = device.tensor([1, 2, 3, 4], [2, 2]);
  const { made } = device.collect(() => einsum('ij,jk,kl->li', c, c, c));
  assert.is(made.size, 1);
});

test('equations that are not understood are refused', async () => {
  const device = await testDevice();
  const x = device.empty([2, 3]);
  assert.throws(() => einsum('ij,jk->ik', x), /2 terms for 1/);
  assert.throws(() => einsum('ijk->ik', x), /3 letters for \[2,3\]/);
  assert.throws(() => einsum('ij->ii', x), /twice in the result/);
  assert.throws(() => einsum('ij->k', x), /in the result only/);
  assert.throws(() => einsum('i1->i', x), /not understood/);
  assert.throws(() => einsum('ii->i', x), /not square/);
  assert.throws(() => einsum('ij,ij->i', x, device.empty([2, 4])), /j is 3 and 4/);
  assert.throws(() => einsum('ij->i', device.empty([2, 3], 'i32')), /is i32/);
});

test.run();
