// Arithmetic of two tensors, or of a tensor and a number, by broadcasting.

import { operandArgs } from '../args.ts';
import type { BackwardContext, OpRecord } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import {
  pairwise,
  type Operand,
  type Paired,
  type PairedReal,
  type Pairwise,
  type RankOf,
} from '../kernel/pairwise.ts';
import { Tensor } from '../tensor.ts';
import { defineReal, real } from './cast.ts';
import { eq, ge, logicalAnd } from './compare.ts';
import { full } from './fill.ts';
import { sumTo } from './sumTo.ts';
import { log, neg, square, trunc } from './unary.ts';
import { where } from './where.ts';

export type { Operand, Paired, PairedReal, RankOf };

interface Attrs {
  /** The operand that is a number. */
  a?: number;
  b?: number;
}
type Context = BackwardContext<Attrs, 'a' | 'b'>;

/** An operation from its gradients in the shape of y: those of a repeated operand are summed. */
function define(
  name: Pairwise,
  da: ((ctx: Context) => Tensor) | null,
  db: ((ctx: Context) => Tensor) | null,
): (a: Operand, b: Operand) => Tensor {
  const record: OpRecord<Attrs, 'a' | 'b'> = {
    name,
    inputs: ['a', 'b'],
    outputs: ['y'],
    forward: ({ a, b }, attrs) => pairwise(name, a ?? attrs.a!, b ?? attrs.b!),
    backward: {
      a: da && ((ctx) => sumTo(da(ctx), ctx.inputs.a.shape)),
      b: db && ((ctx) => sumTo(db(ctx), ctx.inputs.b.shape)),
    },
    twice: true,
  };
  const op = defineReal(record, { halves: ['a', 'b'], wide: true });
  const split = (v: Operand): [Tensor | undefined, number | undefined] =>
    v instanceof Tensor ? [v, undefined] : [undefined, v];
  return (u, v) => {
    operandArgs(name, u, v);
    const [a, na] = split(u);
    const [b, nb] = split(v);
    if (a && b && a.dtype !== b.dtype)
      throw new ShapeError(name, `b [${b.shape}] is ${b.dtype}, a ${a}`, 'cast one of them');
    return op({ a, b }, { a: na, b: nb }).y;
  };
}

const reals = (a: Operand, b: Operand): [Operand, Operand] => [
  a instanceof Tensor ? real(a) : a,
  b instanceof Tensor ? real(b) : b,
];

/** The operands as they were given. */
const aOf = ({ inputs, attrs }: Context): Operand => inputs.a ?? attrs.a!;
const bOf = ({ inputs, attrs }: Context): Operand => inputs.b ?? attrs.b!;

/**
 * dy where u > v, half of it where they are equal, 0 where u < v whatever dy is; dy where one of them is NaN, as in
 * PyTorch.
 */
const won = (dy: Tensor, u: Operand, v: Operand): Tensor => ops.gate(dy, pairwise('step', u, v));

/** dy / (a^2 + b^2) */
const overSquares = (ctx: Context): Tensor =>
  ctx.once('squares', () => {
    const [a, b] = [aOf(ctx), bOf(ctx)].map((v) => (v instanceof Tensor ? square(v) : v * v));
    return div(ctx.dy, add(a, b));
  });

/** dy b a^(b - 1); 0 where b is 0, whatever the others are. */
function powerByBase(dy: Tensor, a: Operand, b: Operand): Tensor {
  if (b instanceof Tensor) return where(eq(b, 0), 0, mul(dy, mul(b, pow(a, sub(b, 1)))));
  return b === 0 ? full(dy.device, dy.shape, 0, dy.dtype) : mul(dy, mul(pow(a, b - 1), b) as Tensor);
}

/** dy y log(a); 0 where a is 0 and b is not negative, as PyTorch has it. */
function powerByExponent({ dy, outputs: { y }, inputs: { b } }: Context, a: Operand): Tensor {
  const none = a instanceof Tensor ? logicalAnd(eq(a, 0), ge(b, 0)) : a === 0 ? ge(b, 0) : undefined;
  const slope = mul(y, a instanceof Tensor ? log(a) : Math.log(a));
  return mul(dy, none ? where(none, 0, slope) : slope);
}

const ops = {
  add: define(
    'add',
    ({ dy }) => dy,
    ({ dy }) => dy,
  ),
  sub: define(
    'sub',
    ({ dy }) => dy,
    ({ dy }) => neg(dy),
  ),
  mul: define(
    'mul',
    (c) => mul(c.dy, bOf(c)),
    (c) => mul(c.dy, aOf(c)),
  ),
  div: define(
    'div',
    (c) => div(c.dy, bOf(c)),
    (c) => neg(div(mul(c.dy, c.outputs.y), bOf(c))),
  ),
  /** a b, but 0 where b is 0. */
  gate: define('gate', (c): Tensor => ops.gate(c.dy, bOf(c)), null),
  maximum: define(
    'maximum',
    (c) => won(c.dy, aOf(c), bOf(c)),
    (c) => won(c.dy, bOf(c), aOf(c)),
  ),
  minimum: define(
    'minimum',
    (c) => won(c.dy, bOf(c), aOf(c)),
    (c) => won(c.dy, aOf(c), bOf(c)),
  ),
  pow: define(
    'pow',
    (c) => powerByBase(c.dy, aOf(c), bOf(c)),
    (c) => powerByExponent(c, aOf(c)),
  ),
  atan2: define(
    'atan2',
    (c) => mul(overSquares(c), bOf(c)),
    (c) => neg(mul(overSquares(c), aOf(c))),
  ),
  fmod: define(
    'fmod',
    ({ dy }) => dy,
    (c) => neg(mul(c.dy, trunc(div(aOf(c), bOf(c))))),
  ),
  remainder: define(
    'remainder',
    ({ dy }) => dy,
    (c) => neg(mul(c.dy, pairwise('floorDivide', aOf(c), bOf(c)))),
  ),
  floorDivide: define('floorDivide', null, null),
};

/**
 * a + b by broadcasting: axes are aligned at the last one, and those of one element repeat.
 * @param a f32, f16, i32, u32 of any shape, or a number; `add` says what holds for every function of two operands
 * @param b of the dtype of a, or a number that stands for a scalar of it; one of both is a tensor
 * @returns of the same dtype in the common shape; integers wrap around; f16 is computed in f32
 * @throws ShapeError when the shapes do not meet, dtypes differ, or a number is none of the dtype
 * @example const y = add(x, bias); // [8, 32, 32, 64] and [64]
 */
export function add<A extends Operand, B extends Operand>(a: A, b: B): Paired<A | B> {
  return ops.add(a, b) as Paired<A | B>;
}

/**
 * a - b by broadcasting. Operands and errors as in {@link add}.
 * @example const y = sub(x, 1);
 */
export function sub<A extends Operand, B extends Operand>(a: A, b: B): Paired<A | B> {
  return ops.sub(a, b) as Paired<A | B>;
}

/**
 * a b, element by element, by broadcasting. Operands and errors as in {@link add}.
 * @example const y = mul(x, gain); // [8, 32, 32, 64] and [64]
 */
export function mul<A extends Operand, B extends Operand>(a: A, b: B): Paired<A | B> {
  return ops.mul(a, b) as Paired<A | B>;
}

/**
 * a / b by broadcasting; integers are made f32 first, as in PyTorch. Operands and errors as in {@link add}.
 * @example const y = div(x, 255);
 */
export function div<A extends Operand, B extends Operand>(a: A, b: B): PairedReal<A | B> {
  return ops.div(...reals(a, b)) as PairedReal<A | B>;
}

/**
 * The larger of both by broadcasting; NaN where either is NaN. Where they are equal each gets half of the gradient, and
 * both all of it beside NaN, as in PyTorch.
 * Operands and errors as in {@link add}.
 * @example const y = maximum(x, 0);
 */
export function maximum<A extends Operand, B extends Operand>(a: A, b: B): Paired<A | B> {
  return ops.maximum(a, b) as Paired<A | B>;
}

/**
 * The smaller of both; else as {@link maximum}.
 * @example const y = minimum(a, b);
 */
export function minimum<A extends Operand, B extends Operand>(a: A, b: B): Paired<A | B> {
  return ops.minimum(a, b) as Paired<A | B>;
}

/**
 * a to the power of b by broadcasting. A negative base has whole powers only (else NaN); x^0 and 1^x are 1 for NaN,
 * too. Integers by multiplication: a negative power of anything but 1 and -1 is 0. Operands and errors as in
 * {@link add}.
 * @example const cube = pow(x, 3);
 */
export function pow<A extends Operand, B extends Operand>(a: A, b: B): Paired<A | B> {
  return ops.pow(a, b) as Paired<A | B>;
}

/**
 * The angle of the point (b, a) in radians, -pi to pi, by broadcasting; integers are made f32 first. Operands and
 * errors as in {@link add}.
 * @example const angle = atan2(y, x);
 */
export function atan2<A extends Operand, B extends Operand>(a: A, b: B): PairedReal<A | B> {
  return ops.atan2(...reals(a, b)) as PairedReal<A | B>;
}

/**
 * The rest of a / b with the sign of a, exact, by broadcasting. By zero: NaN, for integers 0. Operands and errors as in
 * {@link add}.
 * @example const y = fmod(x, 3); // -4 -> -1
 */
export function fmod<A extends Operand, B extends Operand>(a: A, b: B): Paired<A | B> {
  return ops.fmod(a, b) as Paired<A | B>;
}

/**
 * The rest of a / b with the sign of b (Python's %). By zero: NaN, for integers 0. Operands and errors as in
 * {@link add}.
 * @example const y = remainder(x, 3); // -4 -> 2
 */
export function remainder<A extends Operand, B extends Operand>(a: A, b: B): Paired<A | B> {
  return ops.remainder(a, b) as Paired<A | B>;
}

/**
 * The largest whole number not above a / b; it has no gradient. By zero: a / b, for integers a. Operands and errors as
 * in {@link add}.
 * @example const row = floorDivide(positions, columns);
 */
export function floorDivide<A extends Operand, B extends Operand>(a: A, b: B): Paired<A | B> {
  return ops.floorDivide(a, b) as Paired<A | B>;
}
