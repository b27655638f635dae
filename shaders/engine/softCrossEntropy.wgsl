// Cross-entropy of logits z [n, c] with target distributions q [n, c]. With softmax p, class weights k, pixel weights
// w, smoothing s, q' = (1-s) q + s/C and Q = sum_c k_c q'_c:
//   l = w sum_c k_c q'_c (L - z_c),   L = log sum_c exp z_c
//   dz_c = dl w (Q p_c - k_c q'_c),   dq_c = dl w (1-s) k_c (L - z_c)
// One thread per pixel, neighbouring threads on neighbouring pixels. The forward pass leaves one pair (sum of losses,
// share of the denominator) for each workgroup; lossReduce adds them up.

// #import count
// #import grid
// #import logSum
// #import tree
// #import zero

const WG: u32 = 64u;
alias Sum = vec2f;
const CLASS_WEIGHT: bool = false;
const PIXEL_WEIGHT: bool = false;
/// The losses of the pixels are wanted, not their sum: dy has an element for each pixel.
const MAP: bool = false;

struct Params {
  n: u32,
  c: u32,
  smoothing: f32,
  /// Pixels for each thread of the forward pass.
  items: u32,
  /// `COUNT_VALID` or `COUNT_PIXEL_WEIGHT`: valid is a pixel whose weight is not 0.
  count: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<f32>;
@group(0) @binding(2) var<storage, read> classWeights: array<f32>;
@group(0) @binding(3) var<storage, read> pixelWeight: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read> inverse: array<f32>;
@group(0) @binding(8) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(9) var<storage, read_write> dtargets: array<f32>;
@group(0) @binding(10) var<uniform> params: Params;

fn weightOf(p: u32) -> f32 {
  if (PIXEL_WEIGHT) {
    return pixelWeight[p];
  }
  return 1.0;
}

fn classWeight(c: u32) -> f32 {
  if (CLASS_WEIGHT) {
    return classWeights[c];
  }
  return 1.0;
}

/// k_c q'_c.
fn targetOf(at: u32, c: u32) -> f32 {
  return classWeight(c) * ((1.0 - params.smoothing) * targets[at + c] + params.smoothing / f32(params.c));
}

/// Largest logit of a pixel, and log sum_c exp(z_c - largest).
fn logSum(at: u32) -> vec2f {
  var s = NO_SCORES;
  for (var c = 0u; c < params.c; c++) {
    s = with_score(s, logits[at + c]);
  }
  return log_sum(s);
}

/// Loss of one pixel, before its pixel weight.
fn lossOf(p: u32) -> f32 {
  let at = p * params.c;
  let l = logSum(at);
  var loss = 0.0;
  for (var c = 0u; c < params.c; c++) {
    loss += targetOf(at, c) * (l.y - (logits[at + c] - l.x));
  }
  return loss;
}

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  var sum = vec2f();
  for (var k = 0u; k < params.items; k++) {
    let p = (group.x * params.items + k) * WG + lane;
    if (p >= params.n) {
      break;
    }
    let w = weightOf(p);
    if (is_zero(w)) {
      continue;
    }
    sum += vec2f(w * lossOf(p), select(w, 1.0, params.count == COUNT_VALID));
  }
  let all = tree_sum(lane, sum);
  if (lane == 0u) {
    partials[group.x] = all;
  }
}

@compute @workgroup_size(WG)
fn forwardMap(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  let w = weightOf(p);
  var loss = 0.0;
  if (!is_zero(w)) {
    loss = w * lossOf(p);
  }
  y[p] = loss;
}

/// dl w of a pixel; 0 for the weight 0, whatever dl is.
fn scaleOf(p: u32) -> f32 {
  let w = weightOf(p);
  if (is_zero(w)) {
    return 0.0;
  }
  if (MAP) {
    return w * dy[p];
  }
  return w * dy[0] * inverse[0];
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  let at = p * params.c;
  let scale = scaleOf(p);
  if (is_zero(scale)) {
    for (var c = 0u; c < params.c; c++) {
      dlogits[at + c] = 0.0;
    }
    return;
  }
  let l = logSum(at);
  var total = 0.0;
  for (var c = 0u; c < params.c; c++) {
    total += targetOf(at, c);
  }
  for (var c = 0u; c < params.c; c++) {
    dlogits[at + c] = scale * (total * exp((logits[at + c] - l.x) - l.y) - targetOf(at, c));
  }
}

@compute @workgroup_size(WG)
fn backwardTargets(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  let at = p * params.c;
  let scale = scaleOf(p) * (1.0 - params.smoothing);
  if (is_zero(scale)) {
    for (var c = 0u; c < params.c; c++) {
      dtargets[at + c] = 0.0;
    }
    return;
  }
  let l = logSum(at);
  for (var c = 0u; c < params.c; c++) {
    dtargets[at + c] = scale * classWeight(c) * (l.y - (logits[at + c] - l.x));
  }
}
