// Activations and other functions of one tensor that saturate: y = f(x), dx = dy f'(x), ddx = g dy f''(x). OP picks f
// at compile time.
// Every one keeps its relative accuracy where the plain formula would cancel or overflow.

// #import accurate
// #import grid
// #import nan

const WG: u32 = 64u;
/// 0 relu, 1 leaky relu (a: slope), 2 hardtanh (a, b: limits), 3 hard sigmoid, 4 hard swish, 5 elu (c x, or a (e^(b x)
/// - 1)), 6 softsign, 7 softplus (a: beta), 8 log sigmoid, 9 sigmoid, 10 tanh, 11 silu, 12 gelu, 13 gelu by tanh, 14
/// mish, 15 erf, 16 expm1, 17 log1p, 18 asinh, 19 acosh, 20 atanh.
const OP: u32 = 0u;
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

/// f(v). NaN is told first, so that no comparison or limit in a function can lose it.
fn f(v: f32) -> f32 {
  if (is_nan(v)) {
    return v;
  }
  switch OP {
    case 0u: { return max(v, 0.0); }
    case 1u: { return select(params.a * v, v, v >= 0.0); }
    case 2u: { return clamp(v, params.a, params.b); }
    case 3u: { return clamp(v / 6.0 + 0.5, 0.0, 1.0); }
    case 4u: { return v * clamp(v / 6.0 + 0.5, 0.0, 1.0); }
    case 5u: { return select(params.a * expm1(params.b * min(v, 0.0)), params.c * v, v > 0.0); }
    case 6u: { return v / (1.0 + abs(v)); }
    // Far out it is v: a v may overflow.
    case 7u: { return select(softplus(params.a * v) / params.a, v, params.a * v > 20.0); }
    case 8u: { return -softplus(-v); }
    case 9u: { return sigmoid(v); }
    case 10u: { return stable_tanh(v); }
    case 11u: { return v * sigmoid(v); }
    case 12u: { return v * normal_cdf(v); }
    case 13u: {
      let c = clamp(v, -20.0, 20.0);
      return v * sigmoid(2.0 * K * (c + C * c * c * c));
    }
    case 14u: { return v * tanh_softplus(v); }
    case 15u: { return erf(v); }
    case 16u: { return expm1(v); }
    case 17u: { return log1p(v); }
    case 18u: { return select(-1.0, 1.0, v >= 0.0) * asinh_positive(abs(v)); }
    case 19u: { return stable_acosh(v); }
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
      case 0u, 2u, 4u: { return 1.0; }
      case 1u: { return params.a; }
      case 3u: { return 0.0; }
      case 5u: { return params.c; }
      default: { return v; }
    }
  }
  switch OP {
    case 0u: { return select(0.0, 1.0, v > 0.0); }
    case 1u: { return select(params.a, 1.0, v > 0.0); }
    case 2u: { return select(0.0, 1.0, v > params.a && v < params.b); }
    case 3u: { return select(0.0, 1.0 / 6.0, v > -3.0 && v < 3.0); }
    case 4u: { return select(select(v / 3.0 + 0.5, 1.0, v > 3.0), 0.0, v < -3.0); }
    case 5u: { return select(params.a * params.b * exp(params.b * min(v, 0.0)), params.c, v > 0.0); }
    case 6u: {
      let r = 1.0 / (1.0 + abs(v));
      return r * r;
    }
    case 7u: { return sigmoid(params.a * v); }
    case 8u: { return sigmoid(-v); }
    case 9u: { return dsigmoid(v); }
    case 10u: { return 4.0 * dsigmoid(2.0 * v); }
    case 11u: { return sigmoid(v) + v * dsigmoid(v); }
    case 12u: { return normal_cdf(v) + v * normal_pdf(clamp(v, -20.0, 20.0)); }
    case 13u: {
      let c = clamp(v, -20.0, 20.0);
      let z = 2.0 * K * (c + C * c * c * c);
      if (abs(v) > 3.4028234e38) {
        return nan_of(v); // an infinite v times 0
      }
      return sigmoid(z) + c * dsigmoid(z) * 2.0 * K * (1.0 + 3.0 * C * c * c);
    }
    case 14u: {
      let t = tanh_softplus(v);
      return t + v * (1.0 - t * t) * sigmoid(v);
    }
    case 15u: { return TWO_BY_SQRT_PI * exp(-v * v); }
    case 16u: { return exp(v); }
    case 17u: { return 1.0 / (1.0 + v); }
    case 18u: { return 1.0 / sqrt(1.0 + v * v); }
    case 19u: { return 1.0 / root_nan((v - 1.0) * (v + 1.0)); }
    default: { return 1.0 / ((1.0 - v) * (1.0 + v)); }
  }
}

/// The second derivative; 0 where it is not written.
fn ddf(v: f32) -> f32 {
  let c = clamp(v, -20.0, 20.0);
  switch OP {
    case 4u: { return select(0.0, 1.0 / 3.0, v > -3.0 && v < 3.0); }
    case 5u: { return select(params.a * params.b * params.b * exp(params.b * min(v, 0.0)), 0.0, v > 0.0); }
    case 6u: {
      let r = 1.0 / (1.0 + abs(v));
      return -2.0 * sign(v) * r * r * r;
    }
    case 7u: { return params.a * dsigmoid(params.a * v); }
    case 8u: { return -dsigmoid(v); }
    case 9u: { return -dsigmoid(v) * stable_tanh(0.5 * v); }
    case 10u: { return -8.0 * dsigmoid(2.0 * v) * stable_tanh(v); }
    case 11u: { return dsigmoid(v) * (2.0 - v * stable_tanh(0.5 * v)); }
    case 12u: { return normal_pdf(c) * (2.0 - c * c); }
    case 13u: {
      let z = 2.0 * K * (c + C * c * c * c);
      let dz = 2.0 * K * (1.0 + 3.0 * C * c * c);
      return dsigmoid(z) * (2.0 * dz + c * (12.0 * K * C * c - stable_tanh(0.5 * z) * dz * dz));
    }
    case 14u: {
      let t = tanh_softplus(v);
      let s = sigmoid(v);
      let r = 1.0 - t * t;
      return 2.0 * r * s + v * (r * dsigmoid(v) - 2.0 * t * r * s * s);
    }
    case 15u: { return -2.0 * c * TWO_BY_SQRT_PI * exp(-c * c); }
    case 16u: { return exp(v); }
    case 17u: { return -1.0 / ((1.0 + v) * (1.0 + v)); }
    case 18u: {
      let q = 1.0 + v * v;
      return -v / (q * sqrt(q));
    }
    case 19u: {
      let q = (v - 1.0) * (v + 1.0);
      return -v / (q * root_nan(q));
    }
    case 20u: {
      let q = (1.0 - v) * (1.0 + v);
      return 2.0 * v / (q * q);
    }
    default: { return 0.0; }
  }
}

/// d times a slope. The flat pieces of functions 0 to 5 give 0 whatever d is, as in PyTorch: 0 is chosen, since 0 times
/// NaN is NaN.
fn scaled(d: f32, slope: f32) -> f32 {
  return select(d * slope, 0.0, OP < 5u && slope == 0.0);
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
