// y = u a + v b for tensors of one shape, u and v numbers or scalars on the GPU; and the gradient of a term, dx = u dy.

// #import grid

const WG: u32 = 64u;
const SCALAR_A: bool = false;
const SCALAR_B: bool = false;
/// There is a second term.
const SECOND: bool = true;

struct Params {
  n: u32,
  u: f32,
  v: f32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> scalarA: array<f32>;
@group(0) @binding(3) var<storage, read> scalarB: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n) {
    return;
  }
  var u = params.u;
  if (SCALAR_A) {
    u *= scalarA[0];
  }
  var sum = u * a[i];
  if (SECOND) {
    var v = params.v;
    if (SCALAR_B) {
      v *= scalarB[0];
    }
    sum += v * b[i];
  }
  y[i] = sum;
}
