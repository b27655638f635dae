// The lower or upper triangle of matrices [..., rows, columns]: y = x on and below (above) a diagonal, else 0.
// It is its own adjoint.

// #import grid

const WG: u32 = 64u;
const LOWER: bool = true;

struct Params {
  n: u32,
  rows: u32,
  columns: u32,
  diagonal: i32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    let row = i32(i / params.columns % params.rows);
    let above = i32(i % params.columns) - row - params.diagonal;
    y[i] = select(0u, x[i], select(above >= 0, above <= 0, LOWER));
  }
}
