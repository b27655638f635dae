// Test-time augmentation: class probabilities of a scaled, possibly mirrored image are brought back to the image's own
// size and added up. y[i, j] += weight * p at (i (h_p - 1) / (h - 1), j' (w_p - 1) / (w - 1)), bilinear, corners
// aligned; j' = w - 1 - j where mirrored.

// #import grid

const WG: u32 = 64u;

struct Params {
  y_size: vec4<u32>,     // images, height, width, classes
  p_size: vec4<u32>,
  scale: vec2<f32>,
  mirrored: u32,
  weight: f32,
}

@group(0) @binding(0) var<storage, read> p: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

/// The point t of the way from a to b. Where t is 0 it is a, whatever b is: a neighbour of no weight may be NaN.
fn between(a: f32, b: f32, t: f32) -> f32 {
  return select(mix(a, b, t), a, t == 0.0);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let at = linear_index(id, grid);
  let size = params.y_size;
  if (at >= size.x * size.y * size.z * size.w) {
    return;
  }
  let c = at % size.w;
  let column = at / size.w % size.z;
  let i = at / (size.w * size.z) % size.y;
  let k = at / (size.w * size.z * size.y);
  let j = select(column, size.z - 1u - column, params.mirrored != 0u);
  let from_point = vec2<f32>(f32(i), f32(j)) * params.scale;
  let last = params.p_size.yz - vec2<u32>(1u);
  let low = min(vec2<u32>(from_point), last);
  let high = min(low + vec2<u32>(1u), last);
  let f = from_point - vec2<f32>(low);
  let stride = params.p_size.w;
  let top = (k * params.p_size.y + low.x) * params.p_size.z;
  let below = (k * params.p_size.y + high.x) * params.p_size.z;
  let a = between(p[(top + low.y) * stride + c], p[(top + high.y) * stride + c], f.y);
  let b = between(p[(below + low.y) * stride + c], p[(below + high.y) * stride + c], f.y);
  y[at] += params.weight * between(a, b, f.x);
}
