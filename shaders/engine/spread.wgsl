// The way back from a reduction to its elements: y[i] = f(x[i], u[k], v[k], dy[k]), where k is the result that element
// i went into.

// #import grid
// #import nan
// #import zero

const WG: u32 = 64u;
/// scale dy: sum, mean.
const KIND_EXPAND: u32 = 0u;
/// dy / v where x = u: largest and smallest (u: the result, v: how many share it; NaN everywhere for NaN).
const KIND_SHARE: u32 = 1u;
/// scale dy (x - u): variance (u: mean).
const KIND_VARIANCE: u32 = 2u;
/// scale dy (x - u) / v: standard deviation (u: mean, v: the result).
const KIND_STD: u32 = 3u;
/// dy exp(x - u): logarithm of the sum of exponentials (u: the result).
const KIND_LOGSUMEXP: u32 = 4u;
/// dy times the other factors: product (u: product without zeros, v: how many zeros).
const KIND_PROD: u32 = 5u;
/// dy sign(x) (|x| / u)^(p-1): norm (u: the result).
const KIND_NORM: u32 = 6u;
/// dy sign(x) / v where |x| = u: norms of infinite p.
const KIND_INF_NORM: u32 = 7u;
/// x / max(u, scale): normalisation (u: the norm).
const KIND_DIVIDE: u32 = 8u;
/// -x / u where u > scale: normalisation, for the norm.
const KIND_BY_NORM: u32 = 9u;
/// The function f.
const KIND: u32 = KIND_EXPAND;

struct Params {
  n: u32,
  scale: f32,
  p: f32,
  size_a: vec4<u32>,
  size_b: vec4<u32>,
  stride_a: vec4<u32>,
  stride_b: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

fn inner(i: u32, size: vec4<u32>, stride: vec4<u32>) -> u32 {
  let z = i / size.w;
  let rest = z / size.z;
  return (i % size.w) * stride.w + (z % size.z) * stride.z + (rest % size.y) * stride.y + (rest / size.y) * stride.x;
}

/// The result that element i went into.
fn resultOf(i: u32) -> u32 {
  let s = params.size_b;
  if (all(params.size_a == vec4<u32>(1u))) {
    return inner(i, s, params.stride_b);
  }
  let last = s.x * s.y * s.z * s.w;
  return inner(i / last, params.size_a, params.stride_a) + inner(i % last, s, params.stride_b);
}

/// x / norm to the power of p - 1, with the sign of x; 0 where x is 0.
fn direction(w: f32, norm: f32) -> f32 {
  if (is_nan(w) || (is_nan(norm) && params.p != 1.0)) {
    return nan_of(w);
  }
  if (is_zero(w) || is_zero(norm)) {
    return 0.0;
  }
  if (params.p == 1.0) {
    return sign(w);
  }
  if (params.p == 2.0) {
    return w / norm;
  }
  return sign(w) * pow(abs(w) / norm, params.p - 1.0);
}

fn others(w: f32, product: f32, zeros: f32) -> f32 {
  if (is_nan(product)) {
    return product;
  }
  let rest = select(product / w, product, is_zero(w));
  if (zeros == select(0.0, 1.0, is_zero(w))) {
    return rest;
  }
  // A zero among them: 0, but times an infinity NaN.
  return select(0.0, nan_of(rest), (bitcast<u32>(rest) & 0x7f800000u) == 0x7f800000u);
}

fn f(i: u32, k: u32) -> f32 {
  switch KIND {
    case KIND_EXPAND: { return params.scale * dy[k]; }
    case KIND_SHARE: { return select(select(0.0, dy[k] / v[k], x[i] == u[k]), u[k], is_nan(u[k])); }
    case KIND_VARIANCE: { return params.scale * dy[k] * (x[i] - u[k]); }
    case KIND_STD: { return select(params.scale * dy[k] * ((x[i] - u[k]) / v[k]), 0.0, is_zero(v[k])); }
    case KIND_LOGSUMEXP: { return dy[k] * exp(x[i] - u[k]); }
    case KIND_PROD: { return dy[k] * others(x[i], u[k], v[k]); }
    case KIND_NORM: { return dy[k] * direction(x[i], u[k]); }
    case KIND_INF_NORM: { return select(select(0.0, dy[k] * sign(x[i]) / v[k], abs(x[i]) == u[k]), u[k], is_nan(u[k])); }
    case KIND_DIVIDE: { return x[i] / max_nan(u[k], params.scale); }
    default: { return select(0.0, -x[i] / u[k], u[k] > params.scale || is_nan(u[k])); }
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    dx[i] = f(i, resultOf(i));
  }
}
