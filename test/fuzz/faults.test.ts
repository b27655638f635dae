// Would the fuzzer find a fault? Wrong elements, wrong gradients, results that differ from run to run and overwritten
// operands are put into random programs.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { defineOp } from '../../runtime/autograd/tape.ts';
import { add, clamp, isNan, mul, scatterAdd, square, sum, where } from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { testDevice } from '../support/device.ts';
import { entry, type Entry } from './call.ts';
import { checkProgram, type Tamper } from './check.ts';
import { checkNanGradient, drawNanGradient } from './nanGradients.ts';
import { OPERATIONS } from './ops/index.ts';
import { drawProgram, drawSingle, leavesOf, type Program } from './program.ts';
import { checkSecond } from './second.ts';
import { seed } from './seed.ts';
import { drawSpecial } from './specials.ts';

const PROGRAMS = 40;

/** A step's f32 output with elements, and the place of one that is not small among the others. */
function target(p: Program, rng: Rng): { step: number; output: number; element: number; largest: number } | null {
  const all = p.steps
    .flatMap((s, step) => s.outputs.map((v, output) => ({ v, step, output })))
    .filter(({ v }) => v.dtype === 'f32' && v.data.length > 0 && v.data.every(Number.isFinite));
  if (all.length === 0) return null;
  const { v, step, output } = rng.choice(all);
  return { step, output, element: rng.int(v.data.length), largest: Math.max(0.1, ...v.data.map(Math.abs)) };
}

/** x with one element moved. */
function nudged(x: Tensor, element: number, by: number): Tensor {
  const { device } = x;
  const off = new Float32Array(x.size);
  off[element] = by;
  return add(x, device.tensor(off, x.shape));
}

/** Runs programs with a fault in each; the share that is found. */
async function found(first: number, programs: number, fault: (p: Program, rng: Rng) => Tamper | null): Promise<number> {
  const device = await testDevice();
  let made = 0;
  let caught = 0;
  for (let i = 0; i < programs; i++) {
    const program = drawProgram(OPERATIONS, first + i);
    const tamper = fault(program, new Rng(first + i, 50));
    if (!tamper) continue;
    made++;
    if (await checkProgram(device, program, { tamper })) caught++;
  }
  assert.ok(made > programs / 4, `${made} programs of ${programs} could be given the fault`);
  return caught / made;
}

test('one element off by a ten-thousandth of the largest', async () => {
  const share = await found(seed, PROGRAMS, (p, rng) => {
    const at = target(p, rng);
    return (
      at &&
      ((step, made) =>
        step === at.step ? made.map((t, k) => (k === at.output ? nudged(t, at.element, 1e-4 * at.largest) : t)) : made)
    );
  });
  assert.ok(share > 0.9, `${share} were found`);
});

/** y = x, with one element of the gradient half as large again. */
const bent = defineOp<{ element: number }>({
  name: 'bent',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }) => x.view(x.shape),
  backward: {
    x: ({ dy, attrs }) =>
      mul(dy, nudged(dy.device.tensor(new Float32Array(dy.size).fill(1), dy.shape), attrs.element, 0.5)),
  },
});

test('a gradient with one wrong element, in a single call of each operation', async () => {
  const device = await testDevice();
  let made = 0;
  let caught = 0;
  for (const [i, operation] of OPERATIONS.entries()) {
    const program = drawSingle(operation, seed + i, true);
    const { call, outputs } = program.steps[0];
    const x = (call.grads ?? call.inputs.map((_, k) => k)).find(
      (k) => call.inputs[k].dtype === 'f32' && call.inputs[k].data.length > 0,
    );
    if (
      x === undefined ||
      outputs[0].dtype !== 'f32' ||
      outputs[0].data.length === 0 ||
      !leavesOf(program).includes(call.inputs[x])
    )
      continue;
    const element = new Rng(seed + i, 51).int(call.inputs[x].data.length);
    const broken: Program = {
      ...program,
      steps: [
        {
          ...program.steps[0],
          call: { ...call, run: (...t) => call.run(...t.map((v, k) => (k === x ? bent({ x: v }, { element }).y : v))) },
        },
      ],
    };
    made++;
    if (await checkProgram(device, broken)) caught++;
  }
  // Elements that nothing depends on (dropped, ignored, cut off) have the gradient 0, right or wrong.
  // By that 6 in 10 are found, and by the seed 4 to 8.
  assert.ok(made > 80 && caught / made > 0.45, `${caught} of ${made} were found`);
});

test('results that are not the same each time', async () => {
  let calls = 0;
  const share = await found(seed, 12, (p, rng) => {
    const at = target(p, rng);
    return (
      at &&
      ((step, made) =>
        step === at.step
          ? made.map((t, k) => (k === at.output ? nudged(t, at.element, (calls++ % 2) * 1e-6 * at.largest) : t))
          : made)
    );
  });
  assert.ok(share > 0.6, `${share} were found`);
});

test('a NaN that is lost, one that leaks, and an infinity that is not one', async () => {
  const device = await testDevice();
  const lost = entry('lost', (s) => ({
    inputs: [s.tensor({ shape: [6], specials: [NaN] })],
    bound: 'exact',
    run: (x) => where(isNan(x), 0, x),
    reference: (x) => x,
  }));
  assert.match((await checkProgram(device, drawSpecial(lost, seed)!))!.message, /expected NaN/);
  const leaked = entry('leaked', (s) => ({
    inputs: [s.tensor({ shape: [6], specials: [NaN] })],
    bound: 'exact',
    run: (x) => add(x, mul(sum(x), 0)),
    reference: (x) => x,
  }));
  assert.match((await checkProgram(device, drawSpecial(leaked, seed)!))!.message, /is NaN, expected/);
  const finite = entry('finite', (s) => ({
    inputs: [s.tensor({ shape: [6], specials: [Infinity] })],
    run: (x) => clamp(x, { min: -1e30, max: 1e30 }),
    reference: (x) => x,
  }));
  assert.match((await checkProgram(device, drawSpecial(finite, seed)!))!.message, /expected Infinity/);
});

test('a gradient that loses a NaN, and one that spreads it', async () => {
  const device = await testDevice();
  const gradientOf = (name: string, backward: (dy: Tensor) => Tensor): Entry =>
    entry(name, (s) => {
      const op = defineOp<null>({
        name,
        inputs: ['x'],
        outputs: ['y'],
        forward: ({ x }) => x.view(x.shape),
        backward: { x: ({ dy }) => backward(dy) },
      });
      return { inputs: [s.tensor({ shape: [6] })], run: (x) => op({ x }, null).y, reference: (x) => x };
    });
  const lost = gradientOf('lost', (dy) => where(isNan(dy), 0, dy));
  assert.match((await checkNanGradient(device, drawNanGradient(lost, seed)!))!.message, /expected NaN/);
  const spread = gradientOf('spread', (dy) => add(dy, mul(sum(dy), 0)));
  assert.match((await checkNanGradient(device, drawNanGradient(spread, seed)!))!.message, /does not depend/);
  const right = gradientOf('right', (dy) => mul(dy, 1));
  assert.is(await checkNanGradient(device, drawNanGradient(right, seed)!), null);
});

test('an operand that is written to', async () => {
  const device = await testDevice();
  const operation = entry('spoil', (s) => ({
    inputs: [s.tensor({ shape: [5] })],
    reference: (x) => ({ shape: x.shape, data: x.data.map((v) => v * v) }),
    bound: 'elementwise',
    run: (x) => {
      const y = square(x);
      device.copy(scatterAdd(x, 0, x.device.tensor(Int32Array.of(2), [1]), x.device.tensor([1], [1])), x);
      return y;
    },
  }));
  assert.match((await checkProgram(device, drawSingle(operation, seed, false)))!.message, /has changed/);
});

/** y = x^2 whose gradient 2 x dy has a wrong gradient of its own. */
const wrongTwice = defineOp<null>({
  name: 'wrongTwice',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }) => square(x),
  backward: { x: ({ dy, inputs: { x } }) => mul(dy, half({ x: mul(x, 2) }, null).y) },
  twice: true,
});
const half = defineOp<null>({
  name: 'half',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }) => x.view(x.shape),
  backward: { x: ({ dy }) => mul(dy, 0.9) },
  twice: true,
});

test('a wrong second derivative behind a right first one', async () => {
  const operation = entry('wrongTwice', (s) => ({
    inputs: [s.tensor({ shape: [7] })],
    reference: (x) => ({ shape: x.shape, data: x.data.map((v) => v * v) }),
    run: (x) => wrongTwice({ x }, null).y,
  }));
  const program = drawSingle(operation, seed, true);
  assert.is(await checkProgram(await testDevice(), program), null);
  assert.match((await checkSecond(await testDevice(), program))!.message!, /the second derivative/);
});

test.run();
