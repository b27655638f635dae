// Boxes of tensors of up to four axes. forward: y[i] = x[i + start], or a constant outside of x: slices and constant padding.
// place: y[i + start] = x[i]: the parts of a concatenation.

const WG: u32 = 64u;
/// Or vec4<u32>, where 4 divides everything along the last axis: sizes and start of that axis then count vectors.
alias Element = u32;

struct Params {
  x_size: vec4<u32>,
  y_size: vec4<u32>,
  start: vec4<i32>,
  value: u32,           // its bits
}

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> y: array<Element>;
@group(0) @binding(2) var<uniform> params: Params;

fn unravel(i: u32, size: vec4<u32>) -> vec4<u32> {
  let c = i / size.w;
  let b = c / size.z;
  return vec4<u32>(b / size.y, b % size.y, c % size.z, i % size.w);
}

fn ravel(at: vec4<u32>, size: vec4<u32>) -> u32 {
  return ((at.x * size.y + at.y) * size.z + at.z) * size.w + at.w;
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = id.x + id.y * grid.x * WG;
  let size = params.y_size;
  if (i < size.x * size.y * size.z * size.w) {
    let at = vec4<i32>(unravel(i, size)) + params.start;
    if (all(at >= vec4<i32>(0)) && all(at < vec4<i32>(params.x_size))) {
      y[i] = x[ravel(vec4<u32>(at), params.x_size)];
    } else {
      y[i] = Element(params.value);
    }
  }
}

@compute @workgroup_size(WG)
fn place(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = id.x + id.y * grid.x * WG;
  let size = params.x_size;
  if (i < size.x * size.y * size.z * size.w) {
    y[ravel(unravel(i, size) + vec4<u32>(params.start), params.y_size)] = x[i];
  }
}
