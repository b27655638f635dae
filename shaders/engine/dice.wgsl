// Soft Dice loss of logits z [n, c] with integer labels. With p = softmax(z), t the one-hot label and sums over all
// valid pixels,
//   D_c = (2 sum p_c t_c + s) / (sum p_c + sum t_c + s),   l = 1 - mean_c D_c
//   dz_c = -dl/C p_c (g_c - sum_k p_k g_k),   g_c = (2 t_c - D_c) / (sum p_c + sum t_c + s).
// First the normaliser of every pixel; then one thread for each chunk of pixels and each class adds up p t, p and t,
// neighbouring threads on neighbouring classes; then one workgroup adds up the chunks and forms D and the divisors.

// #import grid
// #import logSum
// #import nan
// #import tree

const WG: u32 = 64u;
alias Sum = f32;

struct Params {
  n: u32,
  c: u32,
  ignore: i32,
  smoothing: f32,
  /// Pixels of a chunk.
  chunk: u32,
  chunks: u32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
/// Largest logit of each pixel, and log sum_c exp(z_c - largest).
@group(0) @binding(2) var<storage, read_write> shifts: array<vec2f>;
@group(0) @binding(3) var<storage, read> shift: array<vec2f>;
/// (sum p t, sum p, sum t, -) of each chunk and class.
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
/// (D, 1 / divisor) of each class.
@group(0) @binding(6) var<storage, read_write> scores: array<vec2f>;
@group(0) @binding(7) var<storage, read> score: array<vec2f>;
@group(0) @binding(8) var<storage, read> dy: array<f32>;
@group(0) @binding(9) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(10) var<uniform> params: Params;

fn valid(label: i32) -> bool {
  return label != params.ignore && label >= 0 && label < i32(params.c);
}

@compute @workgroup_size(WG)
fn normaliser(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  let at = p * params.c;
  var s = NO_SCORES;
  for (var c = 0u; c < params.c; c++) {
    s = with_score(s, logits[at + c]);
  }
  shifts[p] = log_sum(s);
}

@compute @workgroup_size(WG)
fn sums(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.chunks * params.c) {
    return;
  }
  let c = i % params.c;
  let first = (i / params.c) * params.chunk;
  var sum = vec4f();
  for (var p = first; p < min(first + params.chunk, params.n); p++) {
    let label = labels[p];
    if (valid(label)) {
      let v = exp((logits[p * params.c + c] - shift[p].x) - shift[p].y);
      sum += select(vec4f(0.0, v, 0.0, 0.0), vec4f(v, v, 1.0, 0.0), label == i32(c));
    }
  }
  partials[i] = sum;
}

@compute @workgroup_size(WG)
fn finish(@builtin(local_invocation_index) lane: u32) {
  var total = 0.0;
  for (var c = lane; c < params.c; c += WG) {
    var sum = vec4f();
    for (var k = 0u; k < params.chunks; k++) {
      sum += partials[k * params.c + c];
    }
    let divisor = max_nan(sum.y + sum.z + params.smoothing, 1e-30);
    let d = (2.0 * sum.x + params.smoothing) / divisor;
    scores[c] = vec2f(d, 1.0 / divisor);
    total += d;
  }
  let all = tree_sum(lane, total);
  if (lane == 0u) {
    y[0] = 1.0 - all / f32(params.c);
  }
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  let at = p * params.c;
  let label = labels[p];
  if (!valid(label)) {
    for (var c = 0u; c < params.c; c++) {
      dlogits[at + c] = 0.0;
    }
    return;
  }
  let scale = -dy[0] / f32(params.c);
  var mean = 0.0;
  for (var c = 0u; c < params.c; c++) {
    let g = (select(0.0, 2.0, label == i32(c)) - score[c].x) * score[c].y;
    mean += exp((logits[at + c] - shift[p].x) - shift[p].y) * g;
  }
  for (var c = 0u; c < params.c; c++) {
    let g = (select(0.0, 2.0, label == i32(c)) - score[c].x) * score[c].y;
    dlogits[at + c] = scale * exp((logits[at + c] - shift[p].x) - shift[p].y) * (g - mean);
  }
}
