// Softmax over lines [outer, c, inner], with a scale: y = softmax(scale x); LOG gives its logarithm. One thread per
// line, or a workgroup where lines are few and long (forwardWide, backwardWide).

// #import grid
// #import tree

const WG: u32 = 64u;
alias Sum = f32;
alias Part = f32;
const LOG: bool = false;
/// The lines lie along the last axis: inner is 1.
const LAST: bool = true;

struct Params {
  rows: u32,
  c: u32,
  scale: f32,
  inner: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y_in: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

fn firstOf(row: u32) -> u32 {
  if (LAST) {
    return row * params.c;
  }
  return (row / params.inner) * params.c * params.inner + row % params.inner;
}

fn stride() -> u32 {
  if (LAST) {
    return 1u;
  }
  return params.inner;
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let row = linear_index(id, grid);
  if (row < params.rows) {
    let first = firstOf(row);
    var high = params.scale * x[first];
    for (var i = 1u; i < params.c; i++) {
      high = max(high, params.scale * x[first + i * stride()]);
    }
    var sum = 0.0;
    for (var i = 0u; i < params.c; i++) {
      let e = exp(params.scale * x[first + i * stride()] - high);
      sum += e;
      y[first + i * stride()] = e;
    }
    if (LOG) {
      // The largest score is subtracted first: where scores are huge, log(sum) would drown in it.
      let shift = log(sum);
      for (var i = 0u; i < params.c; i++) {
        y[first + i * stride()] = (params.scale * x[first + i * stride()] - high) - shift;
      }
    } else {
      let inverse = 1.0 / sum;
      for (var i = 0u; i < params.c; i++) {
        y[first + i * stride()] *= inverse;
      }
    }
  }
}

/// dx = scale y (dy - sum y dy); for the logarithm scale (dy - exp(y) sum dy).
@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let row = linear_index(id, grid);
  if (row < params.rows) {
    let first = firstOf(row);
    var sum = 0.0;
    for (var i = 0u; i < params.c; i++) {
      sum += select(y_in[first + i * stride()], 1.0, LOG) * dy[first + i * stride()];
    }
    for (var i = 0u; i < params.c; i++) {
      let v = y_in[first + i * stride()];
      if (LOG) {
        dx[first + i * stride()] = params.scale * (dy[first + i * stride()] - exp(v) * sum);
      } else {
        dx[first + i * stride()] = params.scale * v * (dy[first + i * stride()] - sum);
      }
    }
  }
}

/// The larger of two scores.
fn combine(a: Part, b: Part) -> Part {
  return max(a, b);
}

@compute @workgroup_size(WG)
fn forwardWide(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  let first = firstOf(group.x);
  // Lanes beyond a short line start from its first score: it changes no maximum.
  var high = params.scale * x[first];
  for (var i = lane; i < params.c; i += WG) {
    high = max(high, params.scale * x[first + i * stride()]);
  }
  high = tree_combine(lane, WG, high);
  var sum = 0.0;
  for (var i = lane; i < params.c; i += WG) {
    sum += exp(params.scale * x[first + i * stride()] - high);
  }
  sum = tree_sum(lane, sum);
  let shift = log(sum);
  for (var i = lane; i < params.c; i += WG) {
    let v = params.scale * x[first + i * stride()] - high;
    if (LOG) {
      y[first + i * stride()] = v - shift;
    } else {
      y[first + i * stride()] = exp(v) / sum;
    }
  }
}

@compute @workgroup_size(WG)
fn backwardWide(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  let first = firstOf(group.x);
  var sum = 0.0;
  for (var i = lane; i < params.c; i += WG) {
    sum += select(y_in[first + i * stride()], 1.0, LOG) * dy[first + i * stride()];
  }
  sum = tree_sum(lane, sum);
  for (var i = lane; i < params.c; i += WG) {
    let at = first + i * stride();
    let v = y_in[at];
    if (LOG) {
      dx[at] = params.scale * (dy[at] - exp(v) * sum);
    } else {
      dx[at] = params.scale * v * (dy[at] - sum);
    }
  }
}
