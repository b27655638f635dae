// Scores [n, i, j] of pairs of positions: those with an end that is not valid are set to a constant. The gradient is
// the same function of dy with 0.

// #import grid

const WG: u32 = 64u;

struct Params {
  n: u32,       // elements
  rows: u32,    // i
  columns: u32, // j
  fill: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> valid: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let e = linear_index(id, grid);
  if (e < params.n) {
    let row = e / params.columns;
    let image = row / params.rows;
    // Queries and keys are the same positions of an image, so one mask serves both ends.
    let both = valid[row] > 0.0 && valid[image * params.columns + e % params.columns] > 0.0;
    y[e] = select(params.fill, x[e], both);
  }
}
