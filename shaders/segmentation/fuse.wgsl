// Fusion of two logit maps a, b [n, c] into one distribution, as PseudoSeg does: both are divided by a common norm,
// their softmaxes are mixed, and the mixture is sharpened:
//   q' = g softmax(a/r) + (1-g) softmax(b/r),   q_c = q'_c^(1/T) / sum_k q'_k^(1/T)
// r is the root mean square of both maps together (sqrt(mean + 1e-8)), or the Euclidean norm of (a, b) in the pixel.
// No gradient.

// #import grid
// #import nan
// #import tree

const WG: u32 = 64u;
alias Sum = f32;
/// The norm of the pixel, not of the batch.
const PIXEL_NORM: bool = false;

struct Params {
  /// Elements of `squares`, partial sums of `finish`, pixels of `forward` and `sharpen`.
  n: u32,
  c: u32,
  /// Elements for each thread of `squares`.
  items: u32,
  /// Elements of both maps.
  count: f32,
  gamma: f32,
  /// 1 / T.
  power: f32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;
@group(0) @binding(4) var<storage, read> r: array<f32>;
@group(0) @binding(5) var<storage, read_write> q: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn squares(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  var sum = 0.0;
  for (var k = 0u; k < params.items; k++) {
    let i = (group.x * params.items + k) * WG + lane;
    if (i < params.n) {
      sum += a[i] * a[i] + b[i] * b[i];
    }
  }
  let all = tree_sum(lane, sum);
  if (lane == 0u) {
    partials[group.x] = all;
  }
}

@compute @workgroup_size(WG)
fn finish(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = lane; i < params.n; i += WG) {
    sum += partials[i];
  }
  let all = tree_sum(lane, sum);
  if (lane == 0u) {
    norm[0] = sqrt(all / params.count + 1e-8);
  }
}

/// p^(1/T) for probabilities relative to the largest of the pixel.
fn sharp(v: f32) -> f32 {
  if (params.power == 1.0) {
    return v;
  }
  return select(select(0.0, pow(max(v, 1e-38), params.power), v > 0.0), v, is_nan(v));
}

/// Sharpens the pixel in q in place. The largest becomes 1 before the division, so that only a pixel of zeros has the
/// sum 0: it stays as it is.
fn sharpenPixel(at: u32) {
  var top = 1e-30;
  for (var c = 0u; c < params.c; c++) {
    top = max_nan(top, q[at + c]);
  }
  var sum = 0.0;
  for (var c = 0u; c < params.c; c++) {
    let v = sharp(q[at + c] / top);
    q[at + c] = v;
    sum += v;
  }
  for (var c = 0u; c < params.c; c++) {
    q[at + c] /= max_nan(sum, 1e-30);
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  let at = p * params.c;
  var scale = 1.0 / r[0];
  if (PIXEL_NORM) {
    var sum = 0.0;
    for (var c = 0u; c < params.c; c++) {
      sum += a[at + c] * a[at + c] + b[at + c] * b[at + c];
    }
    scale = 1.0 / sqrt(max_nan(sum, 1e-16));
  }
  var topA = a[at];
  var topB = b[at];
  for (var c = 1u; c < params.c; c++) {
    topA = max(topA, a[at + c]);
    topB = max(topB, b[at + c]);
  }
  var sumA = 0.0;
  var sumB = 0.0;
  for (var c = 0u; c < params.c; c++) {
    sumA += exp((a[at + c] - topA) * scale);
    sumB += exp((b[at + c] - topB) * scale);
  }
  for (var c = 0u; c < params.c; c++) {
    q[at + c] = params.gamma * exp((a[at + c] - topA) * scale) / sumA + (1.0 - params.gamma) * exp((b[at + c] - topB) * scale) / sumB;
  }
  sharpenPixel(at);
}

@compute @workgroup_size(WG)
fn sharpen(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  let at = p * params.c;
  for (var c = 0u; c < params.c; c++) {
    q[at + c] = a[at + c];
  }
  sharpenPixel(at);
}
