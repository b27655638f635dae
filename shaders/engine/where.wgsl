// y = a where the condition is not 0, else b: words of 32 bits of any dtype, which meet by broadcasting.

// #import grid

const WG: u32 = 64u;
/// Which of a and b is the number in params: 0 none, 1 a, 2 b, 3 both. Other memory is bound in its place.
const A_NUMBER: bool = false;
const B_NUMBER: bool = false;
/// Operands have steps of their own along each axis, and there are more than four axes.
const BROADCAST: bool = false;
const DEEP: bool = false;

struct Params {
  n: u32,
  a_number: u32,        // their bits
  b_number: u32,
  size: vec4<u32>,
  outer_size: vec4<u32>,
  cond_stride: vec4<u32>,
  cond_outer: vec4<u32>,
  a_stride: vec4<u32>,
  a_outer: vec4<u32>,
  b_stride: vec4<u32>,
  b_outer: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> cond: array<u32>;
@group(0) @binding(1) var<storage, read> a: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

fn unravel(i: u32, size: vec4<u32>) -> vec4<u32> {
  let c = i / size.w;
  let b = c / size.z;
  return vec4<u32>(b / size.y, b % size.y, c % size.z, i % size.w);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n) {
    return;
  }
  var ic = i;
  var ia = i;
  var ib = i;
  if (BROADCAST) {
    let inner = params.size.x * params.size.y * params.size.z * params.size.w;
    let at = unravel(i % inner, params.size);
    ic = dot(at, params.cond_stride);
    ia = dot(at, params.a_stride);
    ib = dot(at, params.b_stride);
    if (DEEP) {
      let outside = unravel(i / inner, params.outer_size);
      ic += dot(outside, params.cond_outer);
      ia += dot(outside, params.a_outer);
      ib += dot(outside, params.b_outer);
    }
  }
  if (cond[ic] != 0u) {
    if (A_NUMBER) {
      y[i] = params.a_number;
    } else {
      y[i] = a[ia];
    }
  } else {
    if (B_NUMBER) {
      y[i] = params.b_number;
    } else {
      y[i] = b[ib];
    }
  }
}
