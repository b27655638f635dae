// What plain JavaScript may give a function: whatever it is, the error says which function, and how to call it.

import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import ts from 'typescript';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkedOptions } from '../../runtime/args.ts';
import { errorText, FewmaskError, ShapeError } from '../../runtime/errors.ts';
import * as engine from '../../runtime/index.ts';
import * as ops from '../support/ops.ts';
import { testDevice } from '../support/device.ts';
import { projectProgram } from '../support/publicApi.ts';

type Anything = (...args: unknown[]) => unknown;

const isClass = (f: Anything): boolean => /^class\b/.test(Function.prototype.toString.call(f));

/** The functions and classes of the engine, by name. */
function callables(): [string, Anything][] {
  const all = { ...ops, ...engine, ...engine.schedules } as unknown as Record<string, Anything>;
  const left = (name: string): boolean => OTHERS.includes(name) || /Error$/.test(name);
  return Object.entries(all).filter(([name, f]) => typeof f === 'function' && !left(name));
}

/** Bases and containers, what is made of functions, and tables of what is alive: each has tests of its own. */
const OTHERS = [
  'Module',
  'Optimizer',
  'Tensor',
  'Device',
  'Plan',
  'Shader',
  'GradientSum',
  'Sequential',
  'Rng',
  'lossReduce',
  'counting',
  'deviceDescriptor',
];

const JUNK: readonly unknown[] = [
  undefined,
  null,
  NaN,
  -1.5,
  'junk',
  {},
  [],
  { unknown: 1 },
  [null],
  true,
  () => 0,
  Symbol('s'),
];

test('junk is refused by name', async () => {
  const device = await testDevice();
  const x = device.tensor([1, 2, 3, 4], [2, 2]);
  const image = device.tensor(new Float32Array(64), [1, 4, 4, 4]);
  const labels = device.tensor([0, 1], [2], 'i32');
  const starts: unknown[][] = [
    [],
    [x],
    [image],
    [labels],
    [device],
    [x, x],
    [image, image],
    [x, 1],
    [x, x, x],
    [device, [2]],
    [x, x, x, x],
  ];
  const wrong: string[] = [];
  for (const [name, f] of callables()) {
    for (const start of starts) {
      for (const junk of JUNK) {
        const given = [...start, junk];
        try {
          device.scope(() => {
            if (isClass(f)) void Reflect.construct(f, given);
            else void f(...given);
          });
        } catch (e) {
          const told = e instanceof FewmaskError && e.message.includes(name);
          if (!told) wrong.push(`${name}(${given.map((v) => inspect(v)).join(', ')}): ${String(e)}`);
        }
      }
    }
  }
  const first = new Map(wrong.map((w) => [w.split('(')[0], w]));
  assert.equal([...first.values()], []);
});

/** The names of the options of a function, by the type of its last parameter, in the longest of its forms. */
function declaredOptions(checker: ts.TypeChecker, symbol: ts.Symbol): string[] {
  const type = checker.getTypeOfSymbol(symbol);
  const forms = [...type.getCallSignatures(), ...type.getConstructSignatures()].map((form) => form.parameters);
  const [longest] = forms.sort((a, b) => b.length - a.length);
  const options = checker.getNonNullableType(checker.getTypeOfSymbol(longest[longest.length - 1]));
  return checker.getPropertiesOfType(options).map((m) => m.name);
}

test('the options that are checked are those that the types have', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
  const entries = ['runtime/index.ts', 'runtime/ops/index.ts', 'runtime/optim/schedules.ts'].map((f) => `${root}/${f}`);
  const program = projectProgram(root, entries);
  const checker = program.getTypeChecker();
  const resolved = (s: ts.Symbol): ts.Symbol => (s.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(s) : s);
  const exported = entries.flatMap((f) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(f)!)!;
    return checker.getExportsOfModule(module).map((s) => [s.name, resolved(s)] as const);
  });
  const symbols = new Map(exported);
  const wrong: string[] = [];
  let seen = 0;
  for (const [name, options] of checkedOptions()) {
    const symbol = symbols.get(name);
    if (!symbol) continue;
    const declared = declaredOptions(checker, symbol).sort();
    seen++;
    if (String(declared) === String(options.slice().sort())) continue;
    wrong.push(`${name}: ${declared} are declared, ${options} checked`);
  }
  assert.ok(seen > 60, `${seen}`);
  assert.equal(wrong, []);
});

const told =
  (what: RegExp) =>
  (e: unknown): boolean =>
    e instanceof ShapeError && what.test(errorText(e));

test('the right call is in the message', async () => {
  const device = await testDevice();
  const e = engine as unknown as Record<string, Anything>;
  const x = device.tensor([1, 2, 3, 4], [2, 2]);
  const image = device.tensor(new Float32Array(64), [1, 4, 4, 4]);
  const cases: [() => unknown, RegExp][] = [
    [() => e.sum(x, { axis: 1 }), /^sum: axes is .* call sum\(x, axes\?, \{ keepdim\? \}\)$/],
    [() => e.maxPool2d(image, 2), /^maxPool2d: the options are 2, .* call maxPool2d\(x, \{ kernel, stride\?/],
    [() => e.zeros([2, 2]), /^zeros: device is \[2,2\], .* call zeros\(device, shape, dtype\?\)$/],
    [() => e.roll(x, -7, 0), /^roll: shifts is -7, not a list of numbers .* call roll\(x, shifts, axes\?\)$/],
    [() => e.softmax(x, -1, 0.5), /the options are 0.5, not an object .* call softmax\(x, axis\?, \{ scale\? \}\)/],
    [
      () => e.conv2d(image, image, undefined, { strides: 2 }),
      /no option strides — use stride; there are stride, padding/,
    ],
    [() => e.sum(x, 0, { keepDims: true }), /no option keepDims — use keepdim/],
    [() => e.normalize(x, { axis: 1 }), /no option axis — use axes/],
    [() => e.uniform(x, [2], { minval: 0 }), /no option minval — use low/],
    [() => e.crossEntropy(x, x, { weight: x }), /no option weight — use classWeights/],
    [() => Reflect.construct(e.Sgd, [{}, { learning_rate: 0.1 }]), /^Sgd: there is no option learning_rate — use lr/],
    [() => Reflect.construct(e.Conv2d, [3, 8, 3, 1]), /call new Conv2d\(cin, cout, kernel, \{ stride\?/],
    [() => e.pad2d(image, [1, 1, 1, 1]), /give \[\[top, bottom\], \[left, right\]\]/],
    [() => e.affineGrid(device.empty([1, 2, 3]), [1, 3, 8, 8]), /the size is \[1,3,8,8\]/],
    [() => e.gelu(x, { approximate: 'fast' }), /no approximate fast — use none, tanh/],
    [() => e.gridSample(image, image, { paddingMode: 'border' }), /no option paddingMode — use padding/],
    [() => e.dropout(x, 0.5), /seed is 0.5, not a tensor/],
    [() => e.add(x, '1'), /^add: b is "1", not a tensor or a number/],
    [() => e.leakyRelu(x, NaN), /^leakyRelu: slope is NaN/],
  ];
  for (const [call, what] of cases) assert.throws(call, told(what), String(call));
});

test('numbers that a dtype does not hold are refused wherever they enter', async () => {
  const device = await testDevice();
  const { arange, eye, full, linspace, maskedFill, mul, ones, pad, tensor, uniform, where, zeros } = engine;
  const i = zeros(device, [2], 'i32');
  const u = zeros(device, [2], 'u32');
  const h = zeros(device, [2], 'f16');
  const seed = device.tensor(new Uint32Array(4), [4]);
  const cases: [() => unknown, RegExp][] = [
    [() => full(device, [2], 4e9, 'i32'), /^full: 4000000000 is not an i32/],
    [() => full(device, [2], -1, 'u32'), /^full: -1 is not a u32/],
    [() => full(device, [2], 1.5, 'i32'), /^full: 1.5 is not an i32/],
    [() => full(device, [2], NaN, 'u32'), /^full: NaN is not a u32/],
    [() => full(device, [2], 65520, 'f16'), /^full: 65520 is not an f16/],
    [() => full(device, [2], 1e39), /^full: 1e\+39 is not an f32/],
    [() => tensor(device, [1.5], { dtype: 'i32' }), /^tensor: 1.5 is not an i32/],
    [() => tensor(device, [[1], [2 ** 32]], { dtype: 'u32' }), /^tensor: 4294967296 is not a u32/],
    [() => tensor(device, [1e5], { dtype: 'f16' }), /^tensor: 100000 is not an f16/],
    [() => device.tensor([0.5], [1], 'u32'), /0.5 is not a u32/],
    [() => device.tensor(['1'] as never, [1]), /"1" is not an f32/],
    [() => tensor(device, [true] as never), /an element is true/],
    [() => arange(device, 0, 1, 0.25, 'i32'), /^arange: 0.25 is not an i32/],
    [() => linspace(device, 0, NaN, 3), /^linspace/],
    [() => tensor(device, Int32Array.of(1) as never, { dtype: 'u32' }), /Int32Array/],
    [() => mul(i, 0.5), /^mul: 0.5 is not an i32/],
    [() => where(i, u, -1), /^where: -1 is not a u32/],
    [() => maskedFill(h, i, -1e9), /^maskedFill: -1000000000 is not an f16/],
    [() => pad(i, [[1, 1]], { value: 0.5 }), /^pad: 0.5 is not an i32/],
    [() => uniform(seed, [2], { high: 2 ** 33, dtype: 'i32' }), /^uniform: 8589934591 is not an i32/],
    [() => uniform(seed, [2], { low: 2, high: 1 }), /low is 2, high 1/],
  ];
  const before = engine.liveTensors(device).length;
  for (const [call, what] of cases) assert.throws(call, told(what), String(call));
  assert.is(engine.liveTensors(device).length, before, 'nothing was made');
  // What is held stays: the ends, infinities, NaN of real numbers, -0.
  assert.equal([...(await full(device, [1], -(2 ** 31), 'i32').read())], [-(2 ** 31)]);
  assert.equal([...(await tensor(device, [2 ** 32 - 1, 0], { dtype: 'u32' }).read())], [2 ** 32 - 1, 0]);
  assert.equal([...(await tensor(device, [65504, -Infinity, NaN], { dtype: 'f16' }).read())], [65504, -Infinity, NaN]);
  assert.equal([...(await full(device, [1], Infinity).read())], [Infinity]);
  assert.equal([...(await ones(device, [1], 'u32').read()), ...(await eye(device, 1, 1, 'i32').read())], [1, 1]);
});

test('console.log shows one line', async () => {
  const device = await testDevice();
  const x = device.empty([2, 3]);
  const net = new engine.Sequential(new engine.Linear(3, 4), engine.relu);
  assert.is(inspect(x), 'Tensor f32 [2, 3]');
  assert.is(inspect({ x }), '{ x: Tensor f32 [2, 3] }');
  assert.is(inspect(device.empty([], 'i32')), 'Tensor i32 []');
  assert.is(JSON.stringify({ x }), '{"x":{"dtype":"f32","shape":[2,3]}}');
  x.dispose();
  assert.is(inspect(x), 'Tensor f32 [2, 3] (disposed)');
  assert.match(inspect(device), /^Device \w+ ".*", \d+ buffers?, [\d.]+ MiB in use$/);
  assert.is(inspect(net), 'Sequential (2 tensors, 16 trainable values)');
  net.init(device);
  const sgd = new engine.Sgd(net.params, { lr: 0.1 });
  assert.is(inspect(sgd), 'Sgd (2 parameters, 0 steps made)');
  assert.is(inspect(new engine.Parameter([3])), 'Parameter [3] (not on a device yet)');
  const step = engine.plan(device, { a: { shape: [2] } }, ({ a }) => ({ y: engine.relu(a) }));
  assert.match(inspect(step), /^Plan a -> y, 1 command, [\d.]+ MiB$/);
  step.dispose();
  assert.is(inspect(step), 'Plan a -> y (disposed)');
});

test.run();
