// Another order of axes, diagonals, and their gradients: element i of the array whose axes are `size` lies at the sum
// of index times stride in the other one. gather: y[i] = x[at(i)]. scatter: y[at(i)] = x[i], into zeros; each i has its
// own place.

// #import grid

const WG: u32 = 64u;

struct Params {
  n: u32,
  size_a: vec4<u32>,    // the axes, eight of them, the last one innermost
  size_b: vec4<u32>,
  stride_a: vec4<u32>,
  stride_b: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

fn at(i: u32) -> u32 {
  var rest = i;
  var place = 0u;
  for (var k = 4u; k > 0u; k--) {
    place += (rest % params.size_b[k - 1u]) * params.stride_b[k - 1u];
    rest /= params.size_b[k - 1u];
  }
  for (var k = 4u; k > 0u; k--) {
    place += (rest % params.size_a[k - 1u]) * params.stride_a[k - 1u];
    rest /= params.size_a[k - 1u];
  }
  return place;
}

@compute @workgroup_size(WG)
fn gather(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    y[i] = x[at(i)];
  }
}

@compute @workgroup_size(WG)
fn scatter(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    y[at(i)] = x[i];
  }
}
