// Elementwise functions of one tensor: y = f(x), dx = dy * f'(x). OP picks f at compile time.

const WG: u32 = 64u;
/// 0 relu, 1 leaky relu (a: slope).
const OP: u32 = 0u;

struct Params {
  n: u32,
  a: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn f(v: f32) -> f32 {
  switch OP {
    case 0u: { return max(v, 0.0); }
    default: { return select(params.a * v, v, v >= 0.0); }
  }
}

fn df(v: f32) -> f32 {
  switch OP {
    case 0u: { return select(0.0, 1.0, v > 0.0); }
    default: { return select(params.a, 1.0, v > 0.0); }
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = id.x + id.y * grid.x * WG;
  if (i < params.n) {
    y[i] = f(x[i]);
  }
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = id.x + id.y * grid.x * WG;
  if (i < params.n) {
    dx[i] = dy[i] * df(x[i]);
  }
}
