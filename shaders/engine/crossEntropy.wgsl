// Cross-entropy of logits z [n, c] with integer labels [n]. With softmax p, class weights k, pixel weights w, smoothing
// s and K = sum_c k_c:
//   l = w ((1-s) k_y (L - z_y) + s/C sum_c k_c (L - z_c)),   L = log sum_c exp z_c
//   dz_c = dl w (((1-s) k_y + s/C K) p_c - (1-s) k_y [c = y] - s/C k_c)
// The focal loss (without smoothing) multiplies l by (1 - p_y)^g, and its gradient by
//   (1 - p_y)^g + g (1 - p_y)^(g-1) p_y (L - z_y)
// For negative log-likelihood z holds log-probabilities: L is then the constant 0.
// A pixel whose label is `ignore` or not a class has l = 0 and dz = 0. One thread per pixel, neighbouring threads on
// neighbouring pixels.
// The forward pass leaves a pair (sum of losses, share of the denominator) for each workgroup; lossReduce adds them up.

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
/// The logits are log-probabilities.
const LOG_PROBS: bool = false;

struct Params {
  n: u32,
  c: u32,
  ignore: i32,
  smoothing: f32,
  /// Exponent of the focal loss, 0 for none.
  focal: f32,
  /// Pixels for each thread of the forward pass.
  items: u32,
  count: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read> classWeights: array<f32>;
@group(0) @binding(3) var<storage, read> pixelWeight: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read> dy: array<f32>;
@group(0) @binding(7) var<storage, read> inverse: array<f32>;
@group(0) @binding(8) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(9) var<uniform> params: Params;

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

fn valid(label: i32) -> bool {
  return label != params.ignore && label >= 0 && label < i32(params.c);
}

/// Largest logit of a pixel, and log sum_c exp(z_c - largest).
fn logSum(at: u32) -> vec2f {
  if (LOG_PROBS) {
    return vec2f();
  }
  var s = NO_SCORES;
  for (var c = 0u; c < params.c; c++) {
    s = with_score(s, logits[at + c]);
  }
  return log_sum(s);
}

/// (1 - p)^g for p = exp(-loss).
fn easiness(loss: f32, exponent: f32) -> f32 {
  return pow(max(1.0 - exp(-loss), 1e-30), exponent);
}

/// Loss of one pixel with a valid label, before its pixel weight.
fn lossOf(p: u32, label: u32) -> f32 {
  let at = p * params.c;
  let l = logSum(at);
  let loss = l.y - (logits[at + label] - l.x);
  let hard = classWeight(label) * loss;
  if (params.focal != 0.0) {
    return easiness(loss, params.focal) * hard;
  }
  if (params.smoothing == 0.0) {
    return hard;
  }
  var soft = 0.0;
  for (var c = 0u; c < params.c; c++) {
    soft += classWeight(c) * (l.y - (logits[at + c] - l.x));
  }
  return (1.0 - params.smoothing) * hard + params.smoothing / f32(params.c) * soft;
}

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  var sum = vec2f();
  for (var k = 0u; k < params.items; k++) {
    let p = (group.x * params.items + k) * WG + lane;
    if (p >= params.n) {
      break;
    }
    let label = labels[p];
    if (!valid(label)) {
      continue;
    }
    let w = weightOf(p);
    if (!is_zero(w)) {
      sum.x += w * lossOf(p, u32(label));
    }
    switch params.count {
      case COUNT_VALID: { sum.y += 1.0; }
      case COUNT_CLASS_WEIGHT: { sum.y += classWeight(u32(label)); }
      case COUNT_PIXEL_WEIGHT: { sum.y += w; }
      default: {}
    }
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
  let label = labels[p];
  var loss = 0.0;
  if (valid(label)) {
    let w = weightOf(p);
    if (!is_zero(w)) {
      loss = w * lossOf(p, u32(label));
    }
  }
  y[p] = loss;
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  let at = p * params.c;
  let label = labels[p];
  var scale = 0.0;
  let w = weightOf(p);
  if (valid(label) && !is_zero(w)) {
    if (MAP) {
      scale = w * dy[p];
    } else {
      scale = w * dy[0] * inverse[0];
    }
  }
  if (is_zero(scale)) {
    for (var c = 0u; c < params.c; c++) {
      dlogits[at + c] = 0.0;
    }
    return;
  }
  let l = logSum(at);
  var hard = scale * (1.0 - params.smoothing) * classWeight(u32(label));
  if (params.focal != 0.0) {
    let loss = l.y - (logits[at + u32(label)] - l.x);
    // p log p is 0 for p = 0, where the loss is infinite.
    let share = select(exp(-loss) * loss, 0.0, loss > 200.0);
    hard *= easiness(loss, params.focal) + params.focal * easiness(loss, params.focal - 1.0) * share;
  }
  let soft = scale * params.smoothing / f32(params.c);
  let smooth = params.smoothing != 0.0;
  var total = hard;
  if (smooth) {
    for (var c = 0u; c < params.c; c++) {
      total += soft * classWeight(c);
    }
  }
  for (var c = 0u; c < params.c; c++) {
    var target_c = select(0.0, hard, c == u32(label));
    if (smooth) {
      target_c += soft * classWeight(c);
    }
    if (LOG_PROBS) {
      dlogits[at + c] = -target_c;
    } else {
      dlogits[at + c] = total * exp((logits[at + c] - l.x) - l.y) - target_c;
    }
  }
}
