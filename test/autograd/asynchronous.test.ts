// Callbacks that are asynchronous by mistake: a clear error for who awaits, no unhandled rejection, nothing left
// behind.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import { defineOp, noGrad } from '../../runtime/autograd/tape.ts';
import { parameter, tensor } from '../../runtime/create.ts';
import { errorText, FewmaskError } from '../../runtime/errors.ts';
import { mixedPrecision } from '../../runtime/modules/precision.ts';
import { exp, mul, square, sum } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';

const unhandled: unknown[] = [];
const note = (e: unknown): void => void unhandled.push(e);
const pause = (): Promise<void> => new Promise((done) => setTimeout(done, 5));
const refused = (e: unknown, what: RegExp): boolean =>
  e instanceof FewmaskError && /must not be asynchronous/.test(errorText(e)) && what.test(errorText(e));

test.before(() => void process.on('unhandledRejection', note));
test.after(() => void process.off('unhandledRejection', note));
test.after.each(async () => {
  await pause();
  await pause();
  assert.equal(unhandled, []);
});

test('scope, noGrad and mixedPrecision reject when the body is declared async, and do not call it', async () => {
  const device = await testDevice();
  const x = tensor(device, [1, 2]);
  let calls = 0;
  const body = async (): Promise<Tensor> => {
    calls++;
    const y = exp(x);
    await pause();
    return mul(y, y);
  };
  const uses: [RegExp, () => Promise<Tensor>][] = [
    [/scope/, () => device.scope(body)],
    [/noGrad/, () => noGrad(body)],
    ...(device.f16 ? [[/mixedPrecision/, () => mixedPrecision(device, body)] as [RegExp, () => Promise<Tensor>]] : []),
  ];
  for (const [what, use] of uses) {
    const error = await use().then(
      () => null,
      (e: unknown) => e,
    );
    assert.ok(refused(error, what), String(error));
  }
  assert.is(calls, 0);
});

test('a body that returns a promise is refused, and how that ends disturbs nobody', async () => {
  const device = await testDevice();
  const x = tensor(device, [1, 2]);
  const before = device.pool.stats.inUse;
  const body = (): Promise<Tensor> => {
    const y = exp(x);
    return pause().then(() => mul(y, y));
  };
  assert.throws(
    () => device.scope(body),
    (e: unknown) => refused(e, /scope/),
  );
  await pause();
  await pause();
  assert.is(device.pool.stats.inUse, before);
  assert.throws(
    () => noGrad(() => Promise.reject(new Error('mine'))),
    (e: unknown) => refused(e, /noGrad/),
  );
  const w = parameter(tensor(device, [3, 4]));
  assert.equal([...(await grad(sum(square(w)), [w])[0].read())], [6, 8]);
});

test('forward and backward of an operation of the user', async () => {
  const device = await testDevice();
  const x = parameter(tensor(device, [1, 2]));
  const forward = defineOp({
    name: 'late',
    inputs: ['x'],
    outputs: ['y'],
    forward: (async ({ x: input }: Record<string, Tensor>) => exp(input)) as never,
    backward: { x: null },
  });
  assert.throws(
    () => forward({ x }, undefined),
    (e: unknown) => refused(e, /late: forward/),
  );
  const backward = defineOp({
    name: 'late',
    inputs: ['x'],
    outputs: ['y'],
    forward: ({ x: input }) => exp(input),
    backward: { x: (async () => Promise.reject(new Error('mine'))) as never },
  });
  const { y } = backward({ x }, undefined);
  assert.throws(
    () => grad(sum(y), [x]),
    (e: unknown) => refused(e, /late: backward/),
  );
});

test.run();
