// Sums over all axes but the last: y[c] = sum of x[r, c] over rows r. Two passes: chunks of rows, then the chunks in order.
// backward: dx[r, c] = dy[c].

const WG: u32 = 64u;

struct Params {
  rows: u32,
  c: u32,
  chunk: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>) {
  let c = id.x + id.z * 32768u * WG;
  if (c < params.c) {
    let end = min((id.y + 1u) * params.chunk, params.rows);
    var sum = 0.0;
    for (var r = id.y * params.chunk; r < end; r++) {
      sum += x[r * params.c + c];
    }
    y[id.y * params.c + c] = sum;
  }
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = id.x + id.y * grid.x * WG;
  if (i < params.rows * params.c) {
    dx[i] = dy[i % params.c];
  }
}
