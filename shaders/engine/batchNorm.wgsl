// Batch normalisation over all axes but the last, with an optional residual and ReLU:
//   xh = (x - mean) / sqrt(variance + eps),   y = act(xh gamma + beta + residual)

// #import grid
// #import nan
//
// Statistics: each thread takes one channel of a chunk of rows and makes two passes over it (mean, then squared
// deviations), so that a large common offset costs no digits; the chunks are joined in order by Chan's formula.
// Gradients: the same two steps with plain sums.

const WG: u32 = 64u;
const RELU: bool = false;
/// A tensor of the shape of x is added before the ReLU.
const RESIDUAL: bool = false;
/// Or vec4<f32>, where 4 divides the channels: params.c then counts vectors, except where chunks are joined.
alias Element = f32;
/// The bits of an Element: or vec4<u32>.
alias Bits = u32;
/// What x and y hold: Element, or f16 and vec4<f16>.
alias Stored = f32;
/// The statistics came from this batch, so the gradient flows through them.
const TRAIN: bool = true;

struct Params {
  rows: u32,
  c: u32,
  chunk: u32,
  chunks: u32,
  strip: u32,           // forward, inputGrad: a thread takes every strip-th row of its channel
  eps: f32,
  momentum: f32,
  lost: f32,   // what the running variance takes off the number of rows: 1 for the unbiased one
}

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> gamma: array<Element>;
@group(0) @binding(2) var<storage, read> beta: array<Element>;
@group(0) @binding(3) var<storage, read> mean: array<Element>;
@group(0) @binding(4) var<storage, read> variance: array<Element>;
@group(0) @binding(5) var<storage, read_write> y: array<Stored>;
@group(0) @binding(6) var<storage, read> dy: array<Stored>;
@group(0) @binding(7) var<storage, read_write> parts: array<Element>;
@group(0) @binding(8) var<storage, read> partials: array<f32>;
@group(0) @binding(9) var<storage, read_write> new_mean: array<f32>;
@group(0) @binding(10) var<storage, read_write> new_variance: array<f32>;
@group(0) @binding(11) var<storage, read_write> running_mean: array<f32>;
@group(0) @binding(12) var<storage, read_write> running_variance: array<f32>;
/// dgamma of all channels, then dbeta, as gradCombine leaves them and inputGrad reads them: no entry may bind more than
/// eight storage buffers.
@group(0) @binding(13) var<storage, read_write> new_sums: array<f32>;
@group(0) @binding(14) var<storage, read> sums: array<Element>;
@group(0) @binding(15) var<storage, read_write> dx: array<Stored>;
@group(0) @binding(16) var<storage, read> residual: array<Stored>;
@group(0) @binding(17) var<uniform> params: Params;

/// Rows of chunk k.
fn rowsOf(k: u32) -> vec2<u32> {
  let first = k * params.chunk;
  return vec2<u32>(first, min(first + params.chunk, params.rows));
}

/// Two sums of a chunk, at its rows among the parts.
fn keep(k: u32, c: u32, first: Element, second: Element) {
  parts[2u * k * params.c + c] = first;
  parts[(2u * k + 1u) * params.c + c] = second;
}

/// What is kept of chunk k for channel c.
fn kept(k: u32, c: u32) -> vec2<f32> {
  return vec2<f32>(partials[2u * k * params.c + c], partials[(2u * k + 1u) * params.c + c]);
}

@compute @workgroup_size(WG)
fn stats(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.chunks * params.c) {
    let c = i % params.c;
    let rows = rowsOf(i / params.c);
    var sum = Element(0.0);
    for (var r = rows.x; r < rows.y; r++) {
      sum += Element(x[r * params.c + c]);
    }
    let m = sum / f32(rows.y - rows.x);
    var squares = Element(0.0);
    for (var r = rows.x; r < rows.y; r++) {
      let d = Element(x[r * params.c + c]) - m;
      squares += d * d;
    }
    keep(i / params.c, c, m, squares);
  }
}

/// Mean and summed squared deviations of channel c over all chunks.
fn joined(c: u32) -> vec2<f32> {
  var n = 0.0;
  var m = 0.0;
  var squares = 0.0;
  for (var k = 0u; k < params.chunks; k++) {
    let part = kept(k, c);
    let rows = rowsOf(k);
    let count = f32(rows.y - rows.x);
    let d = part.x - m;
    let total = n + count;
    m += d * (count / total);
    squares += part.y + d * d * (n * count / total);
    n = total;
  }
  return vec2<f32>(m, squares);
}

@compute @workgroup_size(WG)
fn combine(@builtin(global_invocation_id) id: vec3<u32>) {
  let c = id.x;
  if (c < params.c) {
    let s = joined(c);
    new_mean[c] = s.x;
    new_variance[c] = s.y / f32(params.rows);
  }
}

/// The same, and the running statistics move (the unbiased variance in PyTorch, the biased one in TensorFlow).
@compute @workgroup_size(WG)
fn combineAndUpdate(@builtin(global_invocation_id) id: vec3<u32>) {
  let c = id.x;
  if (c < params.c) {
    let s = joined(c);
    new_mean[c] = s.x;
    new_variance[c] = s.y / f32(params.rows);
    running_mean[c] += params.momentum * (s.x - running_mean[c]);
    running_variance[c] += params.momentum * (s.y / max(f32(params.rows) - params.lost, 1.0) - running_variance[c]);
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.strip * params.c) {
    let c = i % params.c;
    let m = mean[c];
    let scale = gamma[c] / sqrt(variance[c] + params.eps);
    let shift = beta[c];
    for (var r = i / params.c; r < params.rows; r += params.strip) {
      let at = r * params.c + c;
      var v = (Element(x[at]) - m) * scale + shift;
      if (RESIDUAL) {
        v += Element(residual[at]);
      }
      y[at] = Stored(select(v, relu_nan_each(v), RELU));
    }
  }
}

/// The gradient that reaches the normalised value: d, masked by the ReLU.
fn masked(d: Element, v: Element) -> Element {
  return select(d, relu_grad_each(d, v), RELU);
}

@compute @workgroup_size(WG)
fn gradStats(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.chunks * params.c) {
    let c = i % params.c;
    let rows = rowsOf(i / params.c);
    let m = mean[c];
    let scale = 1.0 / sqrt(variance[c] + params.eps);
    let g = gamma[c];
    let shift = beta[c];
    var first = Element(0.0);
    var second = Element(0.0);
    for (var r = rows.x; r < rows.y; r++) {
      let at = r * params.c + c;
      let xh = (Element(x[at]) - m) * scale;
      let d = masked(Element(dy[at]), xh * g + shift);
      first += d * xh;
      second += d;
    }
    keep(i / params.c, c, first, second);
  }
}

@compute @workgroup_size(WG)
fn gradCombine(@builtin(global_invocation_id) id: vec3<u32>) {
  let c = id.x;
  if (c < params.c) {
    var sum = vec2<f32>(0.0);
    for (var k = 0u; k < params.chunks; k++) {
      sum += kept(k, c);
    }
    new_mean[c] = sum.x;
    new_variance[c] = sum.y;
    new_sums[c] = sum.x;
    new_sums[params.c + c] = sum.y;
  }
}

@compute @workgroup_size(WG)
fn inputGrad(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.strip * params.c) {
    let c = i % params.c;
    let m = mean[c];
    let scale = 1.0 / sqrt(variance[c] + params.eps);
    let g = gamma[c];
    let shift = beta[c];
    var through = Element(0.0);
    var across = Element(0.0);
    if (TRAIN) {
      through = sums[params.c + c] / f32(params.rows);
      across = sums[c] / f32(params.rows);
    }
    for (var r = i / params.c; r < params.rows; r += params.strip) {
      let at = r * params.c + c;
      let xh = (Element(x[at]) - m) * scale;
      dx[at] = Stored((masked(Element(dy[at]), xh * g + shift) - through - xh * across) * (g * scale));
    }
  }
}
