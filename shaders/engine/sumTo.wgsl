// Sums over the axes along which a smaller shape repeats. forward: y[o, k, i] = sum of x[o, r, i] over every `parts`-th
// row r from k on; passes follow until one row is left. Neighbouring invocations read neighbouring elements however few
// columns there are. spread: x repeated to a larger shape, the gradient.

// #import grid

const WG: u32 = 64u;
const BROADCAST: bool = false;
const DEEP: bool = false;

struct Params {
  n: u32,               // elements of y
  rows: u32,
  columns: u32,
  parts: u32,
  size: vec4<u32>,
  outer_size: vec4<u32>,
  x_stride: vec4<u32>,
  x_outer: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n) {
    return;
  }
  let width = params.parts * params.columns;
  let o = i / width;
  let start = o * params.rows * params.columns;
  let end = start + params.rows * params.columns;
  var sum = 0.0;
  for (var k = start + i % width; k < end; k += width) {
    sum += x[k];
  }
  y[i] = sum;
}

fn unravel(i: u32, size: vec4<u32>) -> vec4<u32> {
  let c = i / size.w;
  let b = c / size.z;
  return vec4<u32>(b / size.y, b % size.y, c % size.z, i % size.w);
}

@compute @workgroup_size(WG)
fn spread(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n) {
    return;
  }
  var k = i;
  if (BROADCAST) {
    let inner = params.size.x * params.size.y * params.size.z * params.size.w;
    k = dot(unravel(i % inner, params.size), params.x_stride);
    if (DEEP) {
      k += dot(unravel(i / inner, params.outer_size), params.x_outer);
    }
  }
  y[i] = x[k];
}
