// Squared error of softmax probabilities. With p = softmax(z) and the target q (probabilities, or the softmax of target
// logits), d = p - q, pixel weights w and a scalar s:
//   l = s w sum_c d_c^2,   dz_c = dl s w 2 p_c (d_c - sum_k p_k d_k)
// The gradient of target logits is the same with z and the target exchanged. One thread per pixel; nothing is kept
// between the passes. The forward pass leaves one pair (sum of w times the losses, share of the denominator) for each
// workgroup; lossReduce adds them up, times s.

// #import grid
// #import logSum
// #import tree
// #import zero

const WG: u32 = 64u;
alias Sum = vec2f;
/// The target holds logits, not probabilities.
const LOGITS: bool = false;
const PIXEL_WEIGHT: bool = false;
const SCALAR: bool = false;

struct Params {
  n: u32,
  c: u32,
  /// Pixels for each thread of the forward pass.
  items: u32,
  /// What a pixel of weight 1 adds to the denominator.
  share: f32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<f32>;
@group(0) @binding(2) var<storage, read> pixelWeight: array<f32>;
@group(0) @binding(3) var<storage, read> scalar: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec2f>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read> inverse: array<f32>;
@group(0) @binding(7) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

fn weightOf(p: u32) -> f32 {
  if (PIXEL_WEIGHT) {
    return pixelWeight[p];
  }
  return 1.0;
}

fn scalarOf() -> f32 {
  if (SCALAR) {
    return scalar[0];
  }
  return 1.0;
}

/// Largest logit, and log sum_c exp(z_c - largest).
fn logSum(at: u32) -> vec2f {
  var s = NO_SCORES;
  for (var c = 0u; c < params.c; c++) {
    s = with_score(s, logits[at + c]);
  }
  return log_sum(s);
}

/// The same of target logits; 0 for probabilities.
fn logSumTarget(at: u32) -> vec2f {
  if (!LOGITS) {
    return vec2f();
  }
  var s = NO_SCORES;
  for (var c = 0u; c < params.c; c++) {
    s = with_score(s, targets[at + c]);
  }
  return log_sum(s);
}

fn target_c(i: u32, l: vec2f) -> f32 {
  if (LOGITS) {
    return exp((targets[i] - l.x) - l.y);
  }
  return targets[i];
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
    let at = p * params.c;
    let l = logSum(at);
    let lt = logSumTarget(at);
    var loss = 0.0;
    for (var c = 0u; c < params.c; c++) {
      let d = exp((logits[at + c] - l.x) - l.y) - target_c(at + c, lt);
      loss += d * d;
    }
    sum += w * vec2f(loss, params.share);
  }
  let all = tree_sum(lane, sum);
  if (lane == 0u) {
    partials[group.x] = all;
  }
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  let at = p * params.c;
  let w = weightOf(p);
  let scale = 2.0 * scalarOf() * w * dy[0] * inverse[0];
  if (is_zero(w) || is_zero(scale)) {
    for (var c = 0u; c < params.c; c++) {
      dlogits[at + c] = 0.0;
    }
    return;
  }
  let l = logSum(at);
  let lt = logSumTarget(at);
  var mean = 0.0;
  for (var c = 0u; c < params.c; c++) {
    let v = exp((logits[at + c] - l.x) - l.y);
    mean += v * (v - target_c(at + c, lt));
  }
  for (var c = 0u; c < params.c; c++) {
    let v = exp((logits[at + c] - l.x) - l.y);
    dlogits[at + c] = scale * v * (v - target_c(at + c, lt) - mean);
  }
}
