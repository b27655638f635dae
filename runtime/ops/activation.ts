// Activations and other functions of one tensor that saturate.

import { args, tensorArg } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import { pointwise } from '../autograd/pointwise.ts';
import { checkNumber } from '../device/elements.ts';
import { ShapeError } from '../errors.ts';
import { ACTIVATION_OP } from '../kernel/generated.ts';
import { pairwise } from '../kernel/pairwise.ts';
import { checkReal, type DType, type Real, type Tensor } from '../tensor.ts';
import { mul } from './binary.ts';
import { defineReal, real } from './cast.ts';
import { gt } from './compare.ts';
import { where } from './where.ts';

const activation = pointwise(defineReal, 'activation', ACTIVATION_OP);

function apply<D extends DType, R extends number>(
  op: Parameters<typeof activation>[1],
  x: Tensor<D, R>,
  a = 0,
  b = 0,
  c = 0,
): Tensor<D, R> {
  tensorArg(op, x);
  return activation(x, op, { a, b, c });
}

/** The same of integers too, which are made f32. */
function applyReal<D extends DType, R extends number>(
  op: Parameters<typeof activation>[1],
  x: Tensor<D, R>,
): Tensor<Real<D>, R> {
  tensorArg(op, x);
  return apply(op, real(x));
}

const integer = (x: Tensor): boolean => x.dtype === 'i32' || x.dtype === 'u32';

/**
 * max(x, 0); the gradient at 0 is 0, as in PyTorch. Integers too. `relu` says what holds for every function here.
 * @param x f32 or f16 (computed in f32) of any shape; integers where it is said
 * @returns shape and dtype of x
 * @throws ShapeError when x is of another dtype
 * @example const y = relu(conv2d(x, w));
 */
export function relu<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  tensorArg('relu', x);
  return integer(x) ? (pairwise('maximum', x, 0) as Tensor<D, R>) : apply('relu', x);
}

/**
 * x where x >= 0, else slope * x; the gradient at 0 is the slope, as in PyTorch. See {@link relu}.
 * @example const y = leakyRelu(x, 0.1); // -2 -> -0.2
 */
export function leakyRelu<D extends DType, R extends number>(x: Tensor<D, R>, slope = 0.01): Tensor<D, R> {
  args('leakyRelu x slope?:n', arguments);
  return apply('leakyRelu', x, slope);
}

/**
 * x above 0, else slope x, by broadcasting; gradients for both. Integers too.
 * @param slope of the dtype of x, for channels [c]
 * @returns the common shape, dtype of x
 * @throws ShapeError when the shapes do not meet, or dtypes differ
 * Source: https://arxiv.org/abs/1502.01852
 * @example const y = prelu(x, slopes);
 */
export function prelu(x: Tensor, slope: Tensor): Tensor {
  args('prelu x slope', arguments);
  return composed(x.device, () => {
    // What is chosen does not meet the slope: the gradient 0 times an infinite x would be NaN.
    const above = gt(x, 0);
    return where(above, x, mul(where(above, 0, x), slope));
  });
}

/**
 * x kept between min and max; at both ends the gradient is 0, as in PyTorch. Integers too. See {@link relu}.
 * @throws ShapeError also when min is above max
 * @example const y = hardtanh(x, 0, 1); // -1, 0.5, 2 -> 0, 0.5, 1
 */
export function hardtanh<D extends DType, R extends number>(x: Tensor<D, R>, min = -1, max = 1): Tensor<D, R> {
  args('hardtanh x min?:n max?:n', arguments);
  for (const v of [min, max]) if (integer(x)) checkNumber('hardtanh', v, x.dtype);
  if (!(min <= max)) throw new ShapeError('hardtanh', `min is ${min}, max ${max}`, 'min must not be above max');
  return integer(x)
    ? (pairwise('minimum', pairwise('maximum', x, min), max) as Tensor<D, R>)
    : apply('hardtanh', x, min, max);
}

/**
 * x kept between 0 and 6. See {@link hardtanh}.
 * @example const y = relu6(x); // 7 -> 6
 */
export function relu6<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  args('relu6 x', arguments);
  return hardtanh(x, 0, 6);
}

/**
 * x / 6 + 1/2 kept between 0 and 1. See {@link relu}.
 * @example const gate = hardsigmoid(x);
 */
export function hardsigmoid<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  return apply('hardsigmoid', x);
}

/**
 * x hardsigmoid(x). See {@link relu}. Source: https://arxiv.org/abs/1905.02244
 * @example const y = hardswish(x);
 */
export function hardswish<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  return apply('hardswish', x);
}

/**
 * x above 0, else alpha (e^x - 1). See {@link relu}. Source: https://arxiv.org/abs/1511.07289
 * @example const y = elu(x); // -1 -> -0.632
 */
export function elu<D extends DType, R extends number>(x: Tensor<D, R>, alpha = 1): Tensor<D, R> {
  args('elu x alpha?:n', arguments);
  return apply('elu', x, alpha, 1, 1);
}

/**
 * scale elu(x, alpha) with the two constants that keep mean 0 and variance 1. See {@link relu}. Source:
 * https://arxiv.org/abs/1706.02515
 * @example const y = selu(x);
 */
export function selu<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  args('selu x', arguments);
  checkReal('selu', { x });
  const alpha = 1.6732632423543772;
  const scale = 1.0507009873554805;
  return apply('elu', x, scale * alpha, 1, scale);
}

/**
 * x above 0, else alpha (e^(x / alpha) - 1). See {@link relu}. Source: https://arxiv.org/abs/1704.07483
 * @throws ShapeError also when alpha is 0
 * @example const y = celu(x, 2);
 */
export function celu<D extends DType, R extends number>(x: Tensor<D, R>, alpha = 1): Tensor<D, R> {
  args('celu x alpha?:n', arguments);
  checkReal('celu', { x });
  if (alpha === 0) throw new ShapeError('celu', 'alpha is 0', 'it divides x');
  return apply('elu', x, alpha, 1 / alpha, 1);
}

/**
 * x / (1 + |x|). See {@link relu}.
 * @example const y = softsign(x); // 3 -> 0.75
 */
export function softsign<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  return apply('softsign', x);
}

/**
 * log(1 + e^(beta x)) / beta, without overflow and without loss for small values. See {@link relu}.
 * @throws ShapeError also when beta is not positive
 * @example const variance = softplus(x); // 0 -> 0.693
 */
export function softplus<D extends DType, R extends number>(x: Tensor<D, R>, beta = 1): Tensor<D, R> {
  args('softplus x beta?:n', arguments);
  if (!(beta > 0)) throw new ShapeError('softplus', `beta is ${beta}`, 'give a positive number');
  return apply('softplus', x, beta);
}

/**
 * log(sigmoid(x)), without overflow and without loss for small values. See {@link relu}.
 * @example const logP = logSigmoid(logits);
 */
export function logSigmoid<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  return apply('logSigmoid', x);
}

/**
 * 1 / (1 + e^-x). Integers are made f32 first, here and in tanh, erf, expm1, log1p, asinh, acosh and atanh. See
 * {@link relu}.
 * @example const p = sigmoid(logits); // 0 -> 0.5
 */
export function sigmoid<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return applyReal('sigmoid', x);
}

/**
 * The hyperbolic tangent. See {@link relu}.
 * @example const y = tanh(x);
 */
export function tanh<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return applyReal('tanh', x);
}

/**
 * x sigmoid(x), also called swish. See {@link relu}. Source: https://arxiv.org/abs/1710.05941
 * @example const y = silu(x); // 1 -> 0.731
 */
export function silu<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  return apply('silu', x);
}

/**
 * x P(X <= x) for a standard normal X. See {@link relu}. Source: https://arxiv.org/abs/1606.08415
 * @param options.approximate 'tanh' for x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))); default 'none', by the error
 *   function
 * @throws ShapeError when x is of a dtype that it does not take
 * @example const y = gelu(x, { approximate: 'tanh' });
 */
export function gelu<D extends DType, R extends number>(
  x: Tensor<D, R>,
  options: { approximate?: 'none' | 'tanh' } = {},
): Tensor<D, R> {
  args('gelu x {approximate:none|tanh}', arguments);
  return apply(options.approximate === 'tanh' ? 'geluTanh' : 'gelu', x);
}

/**
 * x tanh(softplus(x)). See {@link relu}. Source: https://arxiv.org/abs/1908.08681
 * @example const y = mish(x);
 */
export function mish<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<D, R> {
  return apply('mish', x);
}

/**
 * The error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x. See {@link relu}.
 * @example const y = erf(x); // 1 -> 0.843
 */
export function erf<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return applyReal('erf', x);
}

/**
 * e^x - 1, without loss near 0. See {@link relu}.
 * @example const y = expm1(x); // exact near 0
 */
export function expm1<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return applyReal('expm1', x);
}

/**
 * log(1 + x), without loss near 0. See {@link relu}.
 * @example const y = log1p(x); // exact near 0
 */
export function log1p<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return applyReal('log1p', x);
}

/**
 * The number whose sinh is x, without loss near 0. See {@link relu}.
 * @example const y = asinh(x); // 1 -> 0.881
 */
export function asinh<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return applyReal('asinh', x);
}

/**
 * The positive number whose cosh is x; NaN below 1. See {@link relu}.
 * @example const y = acosh(x); // 1 -> 0
 */
export function acosh<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return applyReal('acosh', x);
}

/**
 * The number whose tanh is x, without loss near 0; NaN beyond -1 and 1. See {@link relu}.
 * @example const y = atanh(x); // 0.5 -> 0.549
 */
export function atanh<D extends DType, R extends number>(x: Tensor<D, R>): Tensor<Real<D>, R> {
  return applyReal('atanh', x);
}
