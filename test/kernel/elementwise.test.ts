// The shaders of the elementwise operations compile, without a warning, in every specialisation that the code can ask
// for.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SHADERS } from '../../runtime/kernel/generated.ts';
import { specialise, type Constants } from '../../runtime/kernel/kernel.ts';
import { testDevice } from '../support/device.ts';

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const WALKS: Constants[] = [{}, { BROADCAST: true }, { BROADCAST: true, DEEP: true }];
const elements = (op: number): Constants[] => {
  const truth: Constants = op < 12 ? {} : { Result: 'i32' };
  return [
    truth,
    { Element: 'i32', Stored: 'i32', FLOAT: false, Result: 'i32' },
    { Element: 'u32', Stored: 'u32', FLOAT: false, Result: 'u32', ...truth },
    { Stored: 'f16', Result: 'f16', ...truth },
  ];
};

const BOOLS = [false, true];
const CASES: Record<string, Constants[]> = {
  unary: upTo(22).flatMap((OP): Constants[] => [{ OP }, { OP, Element: 'f16' }]),
  activation: upTo(21).flatMap((OP): Constants[] => [{ OP }, { OP, Element: 'f16' }]),
  // Up to 11 the result is of the type of the operands, from 12 on a truth.
  binary: upTo(24).flatMap((OP) =>
    elements(OP).flatMap((e) => [
      ...WALKS.map((w) => ({ OP, ...e, ...w })),
      { OP, ...e, NUMBER: 1 },
      { OP, ...e, NUMBER: 2 },
    ]),
  ),
  where: WALKS.flatMap((w) =>
    BOOLS.flatMap((A_NUMBER) => BOOLS.map((B_NUMBER): Constants => ({ A_NUMBER, B_NUMBER, ...w }))),
  ),
  cast: upTo(4).flatMap((FROM) => upTo(4).map((TO) => ({ FROM, TO }))),
  sumTo: WALKS,
};

for (const [shader, all] of Object.entries(CASES)) {
  test(`${shader} in ${all.length} ways`, async () => {
    const device = await testDevice();
    for (const constants of all.filter((c) => device.f16 || !Object.values(c).includes('f16'))) {
      const { messages } = await device.gpu
        .createShaderModule({ code: specialise(SHADERS[shader], shader, constants) })
        .getCompilationInfo();
      assert.equal(
        messages.map((m) => `${JSON.stringify(constants)} ${m.lineNum}: ${m.message}`),
        [],
      );
    }
  });
}

test.run();
