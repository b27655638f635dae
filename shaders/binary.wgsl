// Elementwise functions of two tensors of one shape: y = f(a, b).

const WG: u32 = 64u;
/// 0 add, 1 multiply.
const OP: u32 = 0u;

struct Params {
  n: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

fn f(u: f32, v: f32) -> f32 {
  switch OP {
    case 0u: { return u + v; }
    default: { return u * v; }
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = id.x + id.y * grid.x * WG;
  if (i < params.n) {
    y[i] = f(a[i], b[i]);
  }
}
