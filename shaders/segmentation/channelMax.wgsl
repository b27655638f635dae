// The largest value of each pixel (row of the last axis). The gradient is shared equally by the channels that have it,
// as TensorFlow and PyTorch's amax do: without evidence for any class all are equal, and the first must not win. A row
// with NaN has NaN for both.

// #import grid
// #import nan

const WG: u32 = 64u;

struct Params {
  rows: u32,
  c: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn largest(first: u32) -> f32 {
  var top = x[first];
  for (var c = 1u; c < params.c; c++) {
    top = max_nan(top, x[first + c]);
  }
  return top;
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let row = linear_index(id, grid);
  if (row < params.rows) {
    y[row] = largest(row * params.c);
  }
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let row = linear_index(id, grid);
  if (row < params.rows) {
    let first = row * params.c;
    let top = largest(first);
    var equals = 0.0;
    for (var c = 0u; c < params.c; c++) {
      equals += select(0.0, 1.0, x[first + c] == top);
    }
    for (var c = 0u; c < params.c; c++) {
      let share = select(0.0, dy[row] / equals, x[first + c] == top);
      dx[first + c] = select(share, top, is_nan(top));
    }
  }
}
