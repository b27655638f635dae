// Grids of sampling points. base: the homogeneous coordinates (x, y, 1) of the pixels of a picture, from -1 to 1.
// project: (x, y, z) to (x / z, y / z).

// #import grid
// #import nan

const WG: u32 = 64u;
/// -1 and 1 are the centres of the corner pixels (else their outer edges).
const ALIGN: bool = false;

struct Params {
  n: u32,           // pixels
  width: u32,
  height: u32,
}

@group(0) @binding(0) var<storage, read_write> points: array<f32>;
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dp: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

fn coordinate(i: u32, size: u32) -> f32 {
  // One rounding alone: the difference is of whole numbers.
  if (ALIGN) {
    return f32(2 * i32(i) + 1 - i32(size)) / f32(max(size, 2u) - 1u);
  }
  return f32(2 * i32(i) + 1 - i32(size)) / f32(size);
}

@compute @workgroup_size(WG)
fn base(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    points[3u * i] = coordinate(i % params.width, params.width);
    points[3u * i + 1u] = coordinate(i / params.width, params.height);
    points[3u * i + 2u] = 1.0;
  }
}

/// 1 / z, kept finite where z is a number.
fn inverse(z: f32) -> f32 {
  if (is_nan(z)) {
    return z;
  }
  return 1.0 / select(z, select(-1e-12, 1e-12, z >= 0.0), abs(z) < 1e-12);
}

@compute @workgroup_size(WG)
fn project(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    let r = inverse(p[3u * i + 2u]);
    y[2u * i] = p[3u * i] * r;
    y[2u * i + 1u] = p[3u * i + 1u] * r;
  }
}

@compute @workgroup_size(WG)
fn projectGrad(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    let r = inverse(p[3u * i + 2u]);
    let d = vec2<f32>(dy[2u * i], dy[2u * i + 1u]) * r;
    dp[3u * i] = d.x;
    dp[3u * i + 1u] = d.y;
    dp[3u * i + 2u] = -(d.x * p[3u * i] + d.y * p[3u * i + 1u]) * r;
  }
}
