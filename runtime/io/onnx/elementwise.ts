// ONNX's operators that work element by element.

import * as ops from '../../ops/index.ts';
import type { Tensor } from '../../tensor.ts';
import { equalShapes, second, slope } from './legacy.ts';
import type { Call } from './operator.ts';
import { added, bool, isReal, plain, toReal, type Operator, type Value } from './operator.ts';
import { codeOf, typeOf, type OnnxType } from './tensor.ts';

/** x in another type. */
function converted(x: Tensor, from: OnnxType, to: OnnxType): Value {
  if (to === 'bool') return { type: to, tensor: ops.ne(x, 0) };
  if (to === 'f16') return { type: to, tensor: ops.cast(ops.cast(toReal(x), 'f16'), 'f32') };
  if (isReal(to)) return { type: to, tensor: toReal(x) };
  const tensor = ops.cast(x, 'i32');
  return { type: to, tensor: to === 'u8' && from !== 'bool' ? ops.remainder(tensor, 256) : tensor };
}

/** Integers of u8 wrap around at 256. */
const wrapped = (c: Call, y: Tensor): Tensor => (c.value(0).type === 'u8' ? ops.remainder(y, 256) : y);

/** Whole numbers divide towards zero. */
function quotient(a: Tensor, b: Tensor): Tensor {
  if (a.dtype === 'f32') return ops.div(a, b);
  return ops.mul(ops.mul(ops.sign(a), ops.sign(b)), ops.floorDivide(ops.abs(a), ops.abs(b)));
}

function power(c: Call): Tensor {
  const a = c.x();
  const b = second(c);
  if (a.dtype === b.dtype) return ops.pow(a, b);
  const y = ops.pow(toReal(a), toReal(b));
  return a.dtype === 'f32' ? y : ops.cast(y, a.dtype);
}

const unary = (f: (x: Tensor) => Tensor): Operator => plain((c) => f(c.x()));
const binary = (f: (a: Tensor, b: Tensor) => Tensor): Operator => plain((c) => wrapped(c, f(c.x(), second(c))));
const relation = (f: (a: Tensor, b: Tensor) => Tensor): Operator => plain((c) => bool(f(c.x(), second(c))));
/** All inputs; one at the least. */
const all = (c: Call): Tensor[] => equalShapes(c, [c.x(), ...c.values.slice(1).map((_, i) => c.x(i + 1))]);
const several = (f: (a: Tensor, b: Tensor) => Tensor): Operator =>
  plain((c) => (c.values.length === 1 ? c.x().view(c.x().shape) : all(c).reduce(f)));

function shrink(c: Call): Tensor {
  const x = c.x();
  const lambd = c.number('lambd', 0.5);
  const bias = c.number('bias', 0);
  return ops.where(ops.lt(x, -lambd), ops.add(x, bias), ops.where(ops.gt(x, lambd), ops.sub(x, bias), 0));
}

function isInf(c: Call): Value {
  const x = c.x();
  const up = c.number('detect_positive', 1);
  const down = c.number('detect_negative', 1);
  const found = ops.isInf(x);
  return bool(up && down ? found : ops.logicalAnd(found, up ? ops.gt(x, 0) : down ? ops.lt(x, 0) : ops.ne(x, x)));
}

/** The type that Cast makes: its name before opset 6, its number from then on. */
function castTo(c: Call): OnnxType {
  const to = c.attribute('to');
  if (typeof to !== 'string') return typeOf(c.number('to', 0), 'Cast');
  const code = codeOf(to);
  return code > 0 ? typeOf(code, 'Cast') : c.wrong(`there is no element type ${to}`);
}

/** Bounds are attributes before opset 11, and inputs from then on. */
function clip(c: Call): Tensor {
  const x = c.x();
  const bound = (i: number, name: string): Tensor | number | undefined =>
    c.maybe(i) ?? (c.has(name) ? c.number(name, 0) : undefined);
  const min = bound(1, 'min');
  const max = bound(2, 'max');
  const raised = min === undefined ? x.view(x.shape) : ops.maximum(x, min);
  return max === undefined ? raised : ops.minimum(raised, max);
}

/** The defaults of the first version have five digits. */
function selu(c: Call): Tensor {
  const [alpha, gamma] = c.opset < 6 ? [1.6732, 1.0507] : [1.6732632423543772, 1.0507009873554805];
  return ops.mul(ops.elu(c.x(), c.number('alpha', alpha)), c.number('gamma', gamma));
}

export const ELEMENTWISE: Record<string, Operator> = {
  Abs: unary(ops.abs),
  Acos: unary(ops.acos),
  Acosh: unary(ops.acosh),
  Add: binary(ops.add),
  And: relation(ops.logicalAnd),
  Asin: unary(ops.asin),
  Asinh: unary(ops.asinh),
  Atan: unary(ops.atan),
  Atanh: unary(ops.atanh),
  Cast: plain((c) => converted(c.x(), c.value(0).type, castTo(c))),
  CastLike: plain((c) => converted(c.x(), c.value(0).type, c.value(1).type)),
  Ceil: unary(ops.ceil),
  Celu: plain((c) => ops.celu(c.x(), c.number('alpha', 1))),
  Clip: plain(clip),
  Cos: unary(ops.cos),
  Cosh: unary(ops.cosh),
  Div: binary(quotient),
  Elu: plain((c) => ops.elu(c.x(), c.number('alpha', 1))),
  Equal: relation(ops.eq),
  Erf: unary(ops.erf),
  Exp: unary(ops.exp),
  Floor: unary(ops.floor),
  Gelu: plain((c) => ops.gelu(c.x(), { approximate: c.text('approximate', 'none') === 'tanh' ? 'tanh' : 'none' })),
  Greater: relation(ops.gt),
  GreaterOrEqual: relation(ops.ge),
  HardSigmoid: plain((c) => ops.hardtanh(ops.add(ops.mul(c.x(), c.number('alpha', 0.2)), c.number('beta', 0.5)), 0, 1)),
  HardSwish: unary(ops.hardswish),
  Identity: plain((c) => ({ ...c.value(0), tensor: c.x().view(c.x().shape) })),
  IsInf: plain(isInf),
  IsNaN: plain((c) => bool(ops.isNan(c.x()))),
  LeakyRelu: plain((c) => ops.leakyRelu(c.x(), c.number('alpha', 0.01))),
  Less: relation(ops.lt),
  LessOrEqual: relation(ops.le),
  Log: unary(ops.log),
  Max: several(ops.maximum),
  Mean: plain((c) => ops.div(added(all(c)), c.values.length)),
  Min: several(ops.minimum),
  Mish: unary(ops.mish),
  Mod: plain((c) => (c.number('fmod', 0) ? ops.fmod : ops.remainder)(c.x(), c.x(1))),
  Mul: binary(ops.mul),
  Neg: unary(ops.neg),
  Not: plain((c) => bool(ops.logicalNot(c.x()))),
  Or: relation(ops.logicalOr),
  PRelu: plain((c) => ops.where(ops.lt(c.x(), 0), ops.mul(c.x(), slope(c)), c.x())),
  Pow: plain(power),
  Reciprocal: unary(ops.reciprocal),
  Relu: unary(ops.relu),
  Round: unary(ops.round),
  Selu: plain(selu),
  Shrink: plain(shrink),
  Sigmoid: unary(ops.sigmoid),
  Sign: unary(ops.sign),
  Sin: unary(ops.sin),
  Sinh: unary(ops.sinh),
  Softplus: unary((x) => ops.softplus(x)),
  Softsign: unary(ops.softsign),
  Sqrt: unary(ops.sqrt),
  Sub: binary(ops.sub),
  Sum: several(ops.add),
  Swish: plain((c) => ops.mul(c.x(), ops.sigmoid(ops.mul(c.x(), c.number('alpha', 1))))),
  Tan: unary(ops.tan),
  Tanh: unary(ops.tanh),
  ThresholdedRelu: plain((c) => ops.where(ops.gt(c.x(), c.number('alpha', 1)), c.x(), 0)),
  Where: plain((c) => ({ type: c.value(1).type, tensor: ops.where(c.x(), c.x(1), c.x(2)) })),
  Xor: relation(ops.logicalXor),
};
