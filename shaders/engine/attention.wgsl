// Softmax of attention scores: y = softmax(scale s + mask) over the last axis, without the keys that the mask or
// causality removes. A row without any key becomes zeros. One thread per row.

// #import grid
// #import nan

const WG: u32 = 64u;
const MASK_NONE: u32 = 0u;
/// Whole numbers: 0 removes a score.
const MASK_KEEP: u32 = 1u;
/// Floats that are added: -infinity removes a score.
const MASK_BIAS: u32 = 2u;
/// What the mask holds.
const MASK: u32 = MASK_NONE;
/// Query i sees keys 0 to i.
const CAUSAL: bool = false;
const LOWEST: f32 = -3.4028234e38;

struct Params {
  rows: u32,
  queries: u32,            // rows of one matrix
  keys: u32,               // scores in a row
  scale: f32,
  size: vec4<u32>,         // the axes of the rows
  stride: vec4<u32>,       // of the mask along them, in its elements; 0 repeats it
  column: u32,             // the same along the keys
}

@group(0) @binding(0) var<storage, read> s: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> y_in: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> ds: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

/// Where the mask of a row begins.
fn maskOf(row: u32) -> u32 {
  let size = params.size;
  let c = row / size.w;
  let b = c / size.z;
  return dot(vec4<u32>(b / size.y, b % size.y, c % size.z, row % size.w), params.stride);
}

/// The score of a key; LOWEST where it is removed.
fn score(row: u32, first: u32, k: u32) -> f32 {
  if (CAUSAL && k > row % params.queries) {
    return LOWEST;
  }
  let v = params.scale * s[row * params.keys + k];
  if (MASK == MASK_KEEP) {
    return select(LOWEST, v, mask[first + k * params.column] != 0u);
  }
  if (MASK == MASK_BIAS) {
    return max_nan(v + bitcast<f32>(mask[first + k * params.column]), LOWEST);
  }
  return v;
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let row = linear_index(id, grid);
  if (row < params.rows) {
    let first = maskOf(row);
    var high = LOWEST;
    for (var k = 0u; k < params.keys; k++) {
      high = max(high, score(row, first, k));
    }
    var sum = 0.0;
    for (var k = 0u; k < params.keys; k++) {
      let v = score(row, first, k);
      let e = select(exp(v - high), 0.0, v <= LOWEST && !is_nan(v));
      sum += e;
      y[row * params.keys + k] = e;
    }
    let inverse = select(1.0 / sum, 0.0, sum == 0.0 && !is_nan(sum));
    for (var k = 0u; k < params.keys; k++) {
      y[row * params.keys + k] *= inverse;
    }
  }
}

/// ds = scale y (dy - sum y dy)
@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let row = linear_index(id, grid);
  if (row < params.rows) {
    let first = row * params.keys;
    var sum = 0.0;
    for (var k = 0u; k < params.keys; k++) {
      sum += y_in[first + k] * dy[first + k];
    }
    for (var k = 0u; k < params.keys; k++) {
      ds[first + k] = params.scale * y_in[first + k] * (dy[first + k] - sum);
    }
  }
}
