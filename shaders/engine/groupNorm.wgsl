// Normalisation within one sample: y = (x - mean) / sqrt(variance + eps) gamma + beta, with statistics over the pixels
// of a sample and the channels of a group. Layer norm has one group; instance norm has groups of one channel; RMS norm
// takes the mean for 0.
//
// x is [n, pixels, groups, width]. A segment is a chunk of the pixels of one (sample, group); LANES invocations share
// it and add up in a fixed tree.
// As in batchNorm two passes are made over it (mean, then squared deviations), and chunks are joined in order by Chan's
// formula.

// #import grid

const WG: u32 = 64u;
/// A power of two that divides WG.
const LANES: u32 = 64u;
const GAMMA: bool = true;
const BETA: bool = true;
/// Take the mean off (else RMS norm).
const CENTRE: bool = true;

struct Params {
  n: u32,
  pixels: u32,
  groups: u32,
  width: u32,
  channels: u32,   // of gamma and beta: they repeat after as many elements
  chunk: u32,      // pixels in a segment
  chunks: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
@group(0) @binding(2) var<storage, read> beta: array<f32>;
@group(0) @binding(3) var<storage, read> stats: array<vec2<f32>>;    // mean and variance of each (sample, group)
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> parts: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read> partials: array<vec2<f32>>;
@group(0) @binding(8) var<storage, read_write> joined: array<vec2<f32>>;
@group(0) @binding(9) var<storage, read> sums: array<vec2<f32>>;     // of gamma dy and of gamma dy xh
@group(0) @binding(10) var<storage, read_write> dx: array<f32>;
@group(0) @binding(11) var<storage, read_write> scaled: array<f32>;
@group(0) @binding(12) var<uniform> params: Params;

var<workgroup> tree: array<vec2<f32>, WG>;

/// The sum over the lanes of a segment, in the lane that comes first.
fn total(value: vec2<f32>, thread: u32) -> vec2<f32> {
  tree[thread] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (thread % LANES < half) {
      tree[thread] += tree[thread + half];
    }
    workgroupBarrier();
  }
  let sum = tree[thread - thread % LANES];
  workgroupBarrier();
  return sum;
}

/// Elements in a segment; 0 past the last one.
fn sizeOf(segment: u32) -> u32 {
  let first = (segment % params.chunks) * params.chunk;
  let pixels = min(params.chunk, params.pixels - first);
  return select(0u, pixels * params.width, segment < params.n * params.groups * params.chunks);
}

/// Where element k of a segment lies.
fn elementOf(segment: u32, k: u32) -> u32 {
  let group = segment / params.chunks;
  let pixel = (segment % params.chunks) * params.chunk + k / params.width;
  return (((group / params.groups) * params.pixels + pixel) * params.groups + group % params.groups) * params.width + k % params.width;
}

fn gammaOf(c: u32) -> f32 {
  if (GAMMA) {
    return gamma[c];
  }
  return 1.0;
}

@compute @workgroup_size(WG)
fn statistics(
  @builtin(local_invocation_index) thread: u32,
  @builtin(workgroup_id) at: vec3<u32>,
  @builtin(num_workgroups) grid: vec3<u32>,
) {
  let segment = (at.x + at.y * grid.x) * (WG / LANES) + thread / LANES;
  let count = sizeOf(segment);
  var mean = 0.0;
  if (CENTRE) {
    var sum = 0.0;
    for (var k = thread % LANES; k < count; k += LANES) {
      sum += x[elementOf(segment, k)];
    }
    mean = total(vec2<f32>(sum, 0.0), thread).x / f32(max(count, 1u));
  }
  var squares = 0.0;
  for (var k = thread % LANES; k < count; k += LANES) {
    let d = x[elementOf(segment, k)] - mean;
    squares += d * d;
  }
  let sum = total(vec2<f32>(squares, 0.0), thread).x;
  if (thread % LANES == 0u && count > 0u) {
    parts[segment] = vec2<f32>(mean, sum);
  }
}

@compute @workgroup_size(WG)
fn combine(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n * params.groups) {
    var n = 0.0;
    var mean = 0.0;
    var squares = 0.0;
    for (var k = 0u; k < params.chunks; k++) {
      let part = partials[i * params.chunks + k];
      let count = f32(sizeOf(i * params.chunks + k));
      let d = part.x - mean;
      mean += d * (count / (n + count));
      squares += part.y + d * d * (n * count / (n + count));
      n += count;
    }
    joined[i] = vec2<f32>(mean, squares / n);
  }
}

/// The (sample, group) of an element.
fn groupOf(i: u32) -> u32 {
  let row = i / params.width;
  return row / params.groups / params.pixels * params.groups + row % params.groups;
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n * params.pixels * params.groups * params.width) {
    let c = i % params.channels;
    let s = stats[groupOf(i)];
    var v = (x[i] - s.x) / sqrt(s.y + params.eps) * gammaOf(c);
    if (BETA) {
      v += beta[c];
    }
    y[i] = v;
  }
}

@compute @workgroup_size(WG)
fn gradSums(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let segment = (at.x + at.y * grid.x) * (WG / LANES) + thread / LANES;
  let count = sizeOf(segment);
  let s = stats[min(segment / params.chunks, params.n * params.groups - 1u)];
  let scale = 1.0 / sqrt(s.y + params.eps);
  var sum = vec2<f32>(0.0);
  for (var k = thread % LANES; k < count; k += LANES) {
    let i = elementOf(segment, k);
    let d = dy[i] * gammaOf(i % params.channels);
    sum += vec2<f32>(d, d * (x[i] - s.x) * scale);
  }
  sum = total(sum, thread);
  if (thread % LANES == 0u && count > 0u) {
    parts[segment] = sum;
  }
}

@compute @workgroup_size(WG)
fn gradCombine(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n * params.groups) {
    var sum = vec2<f32>(0.0);
    for (var k = 0u; k < params.chunks; k++) {
      sum += partials[i * params.chunks + k];
    }
    joined[i] = sum;
  }
}

/// dx = (gamma dy - mean of that - xh mean of (gamma dy xh)) / sqrt(variance + eps)
@compute @workgroup_size(WG)
fn inputGrad(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n * params.pixels * params.groups * params.width) {
    let at = groupOf(i);
    let s = stats[at];
    let scale = 1.0 / sqrt(s.y + params.eps);
    let through = sums[at] / (f32(params.pixels) * f32(params.width));
    let d = dy[i] * gammaOf(i % params.channels);
    dx[i] = (d - select(0.0, through.x, CENTRE) - (x[i] - s.x) * scale * through.y) * scale;
  }
}

/// dy xh: summed over all but the channels it is the gradient of gamma.
@compute @workgroup_size(WG)
fn scale(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n * params.pixels * params.groups * params.width) {
    let s = stats[groupOf(i)];
    scaled[i] = dy[i] * ((x[i] - s.x) / sqrt(s.y + params.eps));
  }
}
