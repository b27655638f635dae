// Pseudo-labels from logits z [n, c]: label = the first class of the largest logit, confidence = its softmax
// probability. One thread per pixel. A pixel with a NaN gets the class of its first NaN and the confidence NaN, which
// no gate accepts. Then the gate, confidence >= tau, and counts of what was accepted.

// #import grid
// #import nan
// #import tree

const WG: u32 = 64u;
alias Sum = vec2f;
/// The input holds probabilities, not logits.
const PROBABILITIES: bool = false;
const VALID: bool = false;
const TRUTH: bool = false;
/// tau comes in a tensor; the one in the params is the most it may be.
const TAU: bool = false;
/// The gate opens below tau, not from it on.
const BELOW: bool = false;
/// `share` gives (1, gate) in place of (gate, 1).
const INVERSE: bool = false;
/// Classes that a workgroup counts by itself.
const LOCAL: u32 = 256u;

struct Params {
  n: u32,
  c: u32,
  /// Label of pixels that are not valid.
  ignore: i32,
  /// Pixels for each thread of `stats` and `share`.
  items: u32,
  tau: f32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> valid: array<f32>;
@group(0) @binding(2) var<storage, read_write> label: array<i32>;
@group(0) @binding(3) var<storage, read_write> confidence: array<f32>;
@group(0) @binding(4) var<storage, read> scores: array<f32>;
@group(0) @binding(5) var<storage, read> taus: array<f32>;
@group(0) @binding(6) var<storage, read_write> gate: array<f32>;
@group(0) @binding(7) var<storage, read> labels: array<i32>;
@group(0) @binding(8) var<storage, read> gates: array<f32>;
@group(0) @binding(9) var<storage, read> truth: array<i32>;
/// Valid, accepted, accepted with a known truth, of these correct; then the accepted of each class.
@group(0) @binding(10) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(11) var<storage, read_write> partials: array<vec2f>;
@group(0) @binding(12) var<uniform> params: Params;

fn isValid(p: u32) -> bool {
  if (VALID) {
    return valid[p] != 0.0;
  }
  return true;
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  if (!isValid(p)) {
    label[p] = params.ignore;
    confidence[p] = 0.0;
    return;
  }
  let at = p * params.c;
  var top = logits[at];
  var best = 0u;
  for (var c = 1u; c < params.c; c++) {
    let z = logits[at + c];
    if (!is_nan(top) && (z > top || is_nan(z))) {
      top = z;
      best = c;
    }
  }
  label[p] = i32(best);
  if (PROBABILITIES || is_nan(top)) {
    confidence[p] = top;
    return;
  }
  var sum = 0.0;
  for (var c = 0u; c < params.c; c++) {
    sum += exp(logits[at + c] - top);
  }
  confidence[p] = 1.0 / sum;
}

/// Entropy of the softmax, - sum_c p_c log p_c = log S - sum_c p_c (z_c - largest).
@compute @workgroup_size(WG)
fn entropy(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  let at = p * params.c;
  var top = logits[at];
  for (var c = 1u; c < params.c; c++) {
    top = max(top, logits[at + c]);
  }
  var sum = 0.0;
  var weighted = 0.0;
  for (var c = 0u; c < params.c; c++) {
    // Below -100 the probability is 0, and its product with an infinite logit would be NaN.
    let d = max_nan(logits[at + c] - top, -100.0);
    let e = exp(d);
    sum += e;
    weighted += e * d;
  }
  confidence[p] = log(sum) - weighted / sum;
}

@compute @workgroup_size(WG)
fn threshold(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  var tau = params.tau;
  if (TAU) {
    tau = min_nan(tau, taus[0]);
  }
  let score = scores[p];
  let comparable = !is_nan(score) && !is_nan(tau);
  gate[p] = select(0.0, 1.0, comparable && (score >= tau) != BELOW && isValid(p));
}

var<workgroup> local: array<atomic<u32>, LOCAL + 4u>;

@compute @workgroup_size(WG)
fn stats(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  for (var k = 0u; k < params.items; k++) {
    let p = (group.x * params.items + k) * WG + lane;
    if (p >= params.n) {
      break;
    }
    let y = labels[p];
    if (y == params.ignore || y < 0 || y >= i32(params.c)) {
      continue;
    }
    atomicAdd(&local[0], 1u);
    if (gates[p] == 0.0 || is_nan(gates[p])) {
      continue;
    }
    atomicAdd(&local[1], 1u);
    atomicAdd(&local[4u + u32(y)], 1u);
    if (TRUTH) {
      let t = truth[p];
      if (t >= 0 && t < i32(params.c) && t != params.ignore) {
        atomicAdd(&local[2], 1u);
        if (t == y) {
          atomicAdd(&local[3], 1u);
        }
      }
    }
  }
  workgroupBarrier();
  for (var i = lane; i < params.c + 4u; i += WG) {
    let sum = atomicLoad(&local[i]);
    if (sum != 0u) {
      atomicAdd(&counts[i], sum);
    }
  }
}

/// Sums of (gate, 1) over the valid pixels, a pair for each workgroup.
@compute @workgroup_size(WG)
fn share(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  var sum = vec2f();
  for (var k = 0u; k < params.items; k++) {
    let p = (group.x * params.items + k) * WG + lane;
    if (p < params.n) {
      sum += select(vec2f(), vec2f(gates[p], 1.0), isValid(p));
    }
  }
  let all = tree_sum(lane, sum);
  if (lane == 0u) {
    partials[group.x] = select(all, all.yx, INVERSE);
  }
}
