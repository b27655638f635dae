// Activations and other functions of one tensor that saturate: y = f(x), dx = dy f'(x), ddx = g dy f''(x).
// OP picks f at compile time. Each keeps its relative accuracy where the plain formula would cancel or overflow.

// #import accurate
// #import grid
// #import nan

const WG: u32 = 64u;
const OP_RELU: u32 = 0u;
/// a: the slope.
const OP_LEAKY_RELU: u32 = 1u;
/// a, b: the limits.
const OP_HARDTANH: u32 = 2u;
const OP_HARDSIGMOID: u32 = 3u;
const OP_HARDSWISH: u32 = 4u;
/// c x, or a (e^(b x) - 1).
const OP_ELU: u32 = 5u;
const OP_SOFTSIGN: u32 = 6u;
/// a: beta.
const OP_SOFTPLUS: u32 = 7u;
const OP_LOG_SIGMOID: u32 = 8u;
const OP_SIGMOID: u32 = 9u;
const OP_TANH: u32 = 10u;
const OP_SILU: u32 = 11u;
const OP_GELU: u32 = 12u;
const OP_GELU_TANH: u32 = 13u;
const OP_MISH: u32 = 14u;
const OP_ERF: u32 = 15u;
const OP_EXPM1: u32 = 16u;
const OP_LOG1P: u32 = 17u;
const OP_ASINH: u32 = 18u;
const OP_ACOSH: u32 = 19u;
const OP_ATANH: u32 = 20u;
/// The function f, and what its params are.
const OP: u32 = OP_RELU;
/// What tensors hold: or f16. Computed in f32.
alias Element = f32;

struct Params {
  n: u32,
  a: f32,
  b: f32,
  c: f32,
}

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> y: array<Element>;
@group(0) @binding(2) var<storage, read> dy: array<Element>;
@group(0) @binding(3) var<storage, read_write> dx: array<Element>;
@group(0) @binding(4) var<storage, read> g: array<Element>;
@group(0) @binding(5) var<storage, read_write> ddx: array<Element>;
@group(0) @binding(6) var<uniform> params: Params;

const SQRT_HALF: f32 = 0.70710678;
const BY_SQRT_TWO_PI: f32 = 0.39894228;
// gelu by tanh: x sigmoid(2 K (x + C x^3))
const K: f32 = 0.79788456;
const C: f32 = 0.044715;

fn sigmoid(v: f32) -> f32 {
  let e = exp(-abs(v));
  return select(e, 1.0, v >= 0.0) / (1.0 + e);
}

/// The derivative of the sigmoid.
fn dsigmoid(v: f32) -> f32 {
  let e = exp(-abs(v));
  return e / ((1.0 + e) * (1.0 + e));
}

fn softplus(v: f32) -> f32 {
  return max(v, 0.0) + log1p(exp(-abs(v)));
}

fn stable_tanh(v: f32) -> f32 {
  let e = expm1(-2.0 * abs(v));
  return select(1.0, -1.0, v >= 0.0) * e / (2.0 + e);
}

/// tanh(softplus(v))
fn tanh_softplus(v: f32) -> f32 {
  let e = exp(-abs(v));
  let top = select(e * (e + 2.0), 1.0 + 2.0 * e, v >= 0.0);
  return top / (top + select(2.0, 2.0 * e * e, v >= 0.0));
}

/// The normal distribution and its density.
fn normal_cdf(v: f32) -> f32 {
  let tail = 0.5 * erfc_positive(abs(v) * SQRT_HALF);
  return select(tail, 1.0 - tail, v >= 0.0);
}

fn normal_pdf(v: f32) -> f32 {
  return BY_SQRT_TWO_PI * exp(-0.5 * v * v);
}

/// f(v). NaN is handled first, so that no comparison or limit in a function can lose it.
fn f(v: f32) -> f32 {
  if (is_nan(v)) {
    return v;
  }
  switch OP {
    case OP_RELU: { return max(v, 0.0); }
    case OP_LEAKY_RELU: { return select(params.a * v, v, v >= 0.0); }
    case OP_HARDTANH: { return clamp(v, params.a, params.b); }
    case OP_HARDSIGMOID: { return clamp(v / 6.0 + 0.5, 0.0, 1.0); }
    case OP_HARDSWISH: { return v * clamp(v / 6.0 + 0.5, 0.0, 1.0); }
    case OP_ELU: { return select(params.a * expm1(params.b * min(v, 0.0)), params.c * v, v > 0.0); }
    case OP_SOFTSIGN: { return v / (1.0 + abs(v)); }
    // Far out it is v: a v may overflow.
    case OP_SOFTPLUS: { return select(softplus(params.a * v) / params.a, v, params.a * v > 20.0); }
    case OP_LOG_SIGMOID: { return -softplus(-v); }
    case OP_SIGMOID: { return sigmoid(v); }
    case OP_TANH: { return stable_tanh(v); }
    case OP_SILU: { return v * sigmoid(v); }
    case OP_GELU: { return v * normal_cdf(v); }
    case OP_GELU_TANH: {
      let c = clamp(v, -20.0, 20.0);
      return v * sigmoid(2.0 * K * (c + C * c * c * c));
    }
    case OP_MISH: { return v * tanh_softplus(v); }
    case OP_ERF: { return erf(v); }
    case OP_EXPM1: { return expm1(v); }
    case OP_LOG1P: { return log1p(v); }
    case OP_ASINH: { return select(-1.0, 1.0, v >= 0.0) * asinh_positive(abs(v)); }
    case OP_ACOSH: { return stable_acosh(v); }
    default: {
      let half = select(-0.5, 0.5, v >= 0.0);
      return select(half * log1p(2.0 * abs(v) / (1.0 - abs(v))), nan_of(v), abs(v) > 1.0);
    }
  }
}

/// f'(v). Where v is NaN the piecewise functions have a slope all the same, that of the piece which PyTorch takes; the
/// others have NaN.
fn df(v: f32) -> f32 {
  if (is_nan(v)) {
    switch OP {
      case OP_RELU, OP_HARDTANH, OP_HARDSWISH: { return 1.0; }
      case OP_LEAKY_RELU: { return params.a; }
      case OP_HARDSIGMOID: { return 0.0; }
      case OP_ELU: { return params.c; }
      default: { return v; }
    }
  }
  switch OP {
    case OP_RELU: { return select(0.0, 1.0, v > 0.0); }
    case OP_LEAKY_RELU: { return select(params.a, 1.0, v > 0.0); }
    case OP_HARDTANH: { return select(0.0, 1.0, v > params.a && v < params.b); }
    case OP_HARDSIGMOID: { return select(0.0, 1.0 / 6.0, v > -3.0 && v < 3.0); }
    case OP_HARDSWISH: { return select(select(v / 3.0 + 0.5, 1.0, v > 3.0), 0.0, v < -3.0); }
    case OP_ELU: { return select(params.a * params.b * exp(params.b * min(v, 0.0)), params.c, v > 0.0); }
    case OP_SOFTSIGN: {
      let r = 1.0 / (1.0 + abs(v));
      return r * r;
    }
    case OP_SOFTPLUS: { return sigmoid(params.a * v); }
    case OP_LOG_SIGMOID: { return sigmoid(-v); }
    case OP_SIGMOID: { return dsigmoid(v); }
    case OP_TANH: { return 4.0 * dsigmoid(2.0 * v); }
    case OP_SILU: { return sigmoid(v) + v * dsigmoid(v); }
    case OP_GELU: { return normal_cdf(v) + v * normal_pdf(clamp(v, -20.0, 20.0)); }
    case OP_GELU_TANH: {
      let c = clamp(v, -20.0, 20.0);
      let z = 2.0 * K * (c + C * c * c * c);
      if (abs(v) > 3.4028234e38) {
        return nan_of(v); // an infinite v times 0
      }
      return sigmoid(z) + c * dsigmoid(z) * 2.0 * K * (1.0 + 3.0 * C * c * c);
    }
    case OP_MISH: {
      let t = tanh_softplus(v);
      return t + v * (1.0 - t * t) * sigmoid(v);
    }
    case OP_ERF: { return TWO_BY_SQRT_PI * exp(-v * v); }
    case OP_EXPM1: { return exp(v); }
    case OP_LOG1P: { return 1.0 / (1.0 + v); }
    case OP_ASINH: { return 1.0 / sqrt(1.0 + v * v); }
    case OP_ACOSH: { return 1.0 / root_nan((v - 1.0) * (v + 1.0)); }
    default: { return 1.0 / ((1.0 - v) * (1.0 + v)); }
  }
}

/// The second derivative; 0 where it is not written.
fn ddf(v: f32) -> f32 {
  let c = clamp(v, -20.0, 20.0);
  switch OP {
    case OP_HARDSWISH: { return select(0.0, 1.0 / 3.0, v > -3.0 && v < 3.0); }
    case OP_ELU: { return select(params.a * params.b * params.b * exp(params.b * min(v, 0.0)), 0.0, v > 0.0); }
    case OP_SOFTSIGN: {
      let r = 1.0 / (1.0 + abs(v));
      return -2.0 * sign(v) * r * r * r;
    }
    case OP_SOFTPLUS: { return params.a * dsigmoid(params.a * v); }
    case OP_LOG_SIGMOID: { return -dsigmoid(v); }
    case OP_SIGMOID: { return -dsigmoid(v) * stable_tanh(0.5 * v); }
    case OP_TANH: { return -8.0 * dsigmoid(2.0 * v) * stable_tanh(v); }
    case OP_SILU: { return dsigmoid(v) * (2.0 - v * stable_tanh(0.5 * v)); }
    case OP_GELU: { return normal_pdf(c) * (2.0 - c * c); }
    case OP_GELU_TANH: {
      let z = 2.0 * K * (c + C * c * c * c);
      let dz = 2.0 * K * (1.0 + 3.0 * C * c * c);
      return dsigmoid(z) * (2.0 * dz + c * (12.0 * K * C * c - stable_tanh(0.5 * z) * dz * dz));
    }
    case OP_MISH: {
      let t = tanh_softplus(v);
      let s = sigmoid(v);
      let r = 1.0 - t * t;
      return 2.0 * r * s + v * (r * dsigmoid(v) - 2.0 * t * r * s * s);
    }
    case OP_ERF: { return -2.0 * c * TWO_BY_SQRT_PI * exp(-c * c); }
    case OP_EXPM1: { return exp(v); }
    case OP_LOG1P: { return -1.0 / ((1.0 + v) * (1.0 + v)); }
    case OP_ASINH: {
      let q = 1.0 + v * v;
      return -v / (q * sqrt(q));
    }
    case OP_ACOSH: {
      let q = (v - 1.0) * (v + 1.0);
      return -v / (q * root_nan(q));
    }
    case OP_ATANH: {
      let q = (1.0 - v) * (1.0 + v);
      return 2.0 * v / (q * q);
    }
    default: { return 0.0; }
  }
}

/// d times a slope. The flat pieces of the functions before elu give 0 whatever d is, as in PyTorch: 0 is chosen, since
/// 0 times NaN is NaN.
fn scaled(d: f32, slope: f32) -> f32 {
  return select(d * slope, 0.0, OP < OP_ELU && slope == 0.0);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    y[i] = Element(f(f32(x[i])));
  }
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    dx[i] = Element(scaled(f32(dy[i]), df(f32(x[i]))));
  }
}

@compute @workgroup_size(WG)
fn second(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    ddx[i] = Element(scaled(f32(g[i]) * f32(dy[i]), ddf(f32(x[i]))));
  }
}
