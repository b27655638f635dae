// Losses of two tensors element by element: l = s w f(a, b), summed. KIND picks f, w is a weight for each pixel (row of
// c elements), and s a scalar. The forward pass leaves a pair (sum of w f, share of the denominator) for each
// workgroup; lossReduce adds them up and multiplies by s.

// #import grid
// #import nan
// #import tree
// #import zero

const WG: u32 = 64u;
alias Sum = vec2f;
const KIND_MSE: u32 = 0u;
const KIND_L1: u32 = 1u;
const KIND_SMOOTH_L1: u32 = 2u;
/// a: logits, b: targets.
const KIND_BCE_WITH_LOGITS: u32 = 3u;
/// a: log p, b: q.
const KIND_KL_DIV: u32 = 4u;
/// The function f.
const KIND: u32 = KIND_MSE;
const PIXEL_WEIGHT: bool = false;
const SCALAR: bool = false;
const CLASS_WEIGHT: bool = false;
/// The losses of the elements are wanted, not their sum: dy has an element for each of them.
const MAP: bool = false;

struct Params {
  n: u32,
  c: u32,
  /// Elements for each thread of the forward pass.
  items: u32,
  /// What an element of weight 1 adds to the denominator.
  share: f32,
  /// Where smooth L1 turns from quadratic to linear.
  beta: f32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> pixelWeight: array<f32>;
@group(0) @binding(3) var<storage, read> scalar: array<f32>;
/// Binary cross-entropy: weights of the positive targets, [c].
@group(0) @binding(4) var<storage, read> classWeights: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(7) var<storage, read> dy: array<f32>;
@group(0) @binding(8) var<storage, read> inverse: array<f32>;
@group(0) @binding(9) var<storage, read_write> dx: array<f32>;
@group(0) @binding(10) var<uniform> params: Params;

fn weightOf(i: u32) -> f32 {
  if (PIXEL_WEIGHT) {
    return pixelWeight[i / params.c];
  }
  return 1.0;
}

fn scalarOf() -> f32 {
  if (SCALAR) {
    return scalar[0];
  }
  return 1.0;
}

/// Weight of positive targets less one.
fn positive(i: u32) -> f32 {
  if (CLASS_WEIGHT) {
    return classWeights[i % params.c] - 1.0;
  }
  return 0.0;
}

/// log(1 + exp(-|v|)). The logarithm of nearly 1 by the series of 2 artanh(e / (2 + e)): the loss of a certain
/// prediction is small, not 0.
fn tail(v: f32) -> f32 {
  let e = exp(-abs(v));
  let s = e / (2.0 + e);
  let q = s * s;
  let far = 1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0 + q / 15.0)));
  let series = 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * far)));
  return select(log(1.0 + e), series, e < 0.5);
}

/// log(1 + exp(v)).
fn softplus(v: f32) -> f32 {
  return max(v, 0.0) + tail(v);
}

/// 1 / (1 + exp(-v)).
fn logistic(v: f32) -> f32 {
  let e = exp(-abs(v));
  return select(e, 1.0, v >= 0.0) / (1.0 + e);
}

/// v log v, and 0 for 0; it is not defined below.
fn entropy(v: f32) -> f32 {
  return select(select(v * log(max(v, 1e-38)), 0.0, is_zero(v)), nan_of(v), v < 0.0 || is_nan(v));
}

fn f(i: u32) -> f32 {
  let u = a[i];
  let v = b[i];
  let d = u - v;
  switch KIND {
    case KIND_MSE: { return d * d; }
    case KIND_L1: { return abs(d); }
    case KIND_SMOOTH_L1: {
      return select(abs(d) - 0.5 * params.beta, 0.5 * d * d / params.beta, abs(d) < params.beta);
    }
    case KIND_BCE_WITH_LOGITS: {
      // (1 - v) u + (1 + (w - 1) v) log(1 + exp(-u)), without terms that cancel: w is the weight of positive targets.
      return select(-u * v * (1.0 + positive(i)), (1.0 - v) * u, u >= 0.0) + (1.0 + positive(i) * v) * tail(u);
    }
    default: { return entropy(v) - v * u; }
  }
}

fn dfa(i: u32) -> f32 {
  let u = a[i];
  let v = b[i];
  let d = u - v;
  switch KIND {
    case KIND_MSE: { return 2.0 * d; }
    case KIND_L1: { return select(sign(d), d, is_nan(d)); }
    case KIND_SMOOTH_L1: { return clamp_nan(d / params.beta, -1.0, 1.0); }
    case KIND_BCE_WITH_LOGITS: { return (1.0 - v) - (1.0 + positive(i) * v) * logistic(-u); }
    default: { return -v; }
  }
}

fn dfb(i: u32) -> f32 {
  switch KIND {
    case KIND_BCE_WITH_LOGITS: { return positive(i) * softplus(-a[i]) - a[i]; }
    case KIND_KL_DIV: { return select(0.0, log(max(b[i], 1e-38)) + 1.0, b[i] > 0.0) - a[i] + select(0.0, b[i], is_nan(b[i])); }
    default: { return -dfa(i); }
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  var sum = vec2f();
  for (var k = 0u; k < params.items; k++) {
    let i = (group.x * params.items + k) * WG + lane;
    if (i < params.n) {
      let w = weightOf(i);
      if (!is_zero(w)) {
        sum += w * vec2f(f(i), params.share);
      }
    }
  }
  let all = tree_sum(lane, sum);
  if (lane == 0u) {
    partials[group.x] = all;
  }
}

@compute @workgroup_size(WG)
fn forwardMap(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    let w = weightOf(i);
    var loss = 0.0;
    if (!is_zero(w)) {
      loss = w * f(i);
    }
    y[i] = scalarOf() * loss;
  }
}

/// dl s w of an element; 0 for the weight 0, whatever dl is.
fn scaleOf(i: u32) -> f32 {
  let w = weightOf(i);
  if (is_zero(w)) {
    return 0.0;
  }
  if (MAP) {
    return scalarOf() * w * dy[i];
  }
  return scalarOf() * w * dy[0] * inverse[0];
}

@compute @workgroup_size(WG)
fn backwardA(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    let s = scaleOf(i);
    dx[i] = select(s * dfa(i), 0.0, is_zero(s));
  }
}

@compute @workgroup_size(WG)
fn backwardB(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    let s = scaleOf(i);
    dx[i] = select(s * dfb(i), 0.0, is_zero(s));
  }
}
