// Images between [0, 1] and 8-bit texels r | g << 8 | b << 16.

// #import grid

const WG: u32 = 64u;

struct Params {
  n: u32,
}

@group(0) @binding(0) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<u32>;
@group(0) @binding(3) var<storage, read_write> result: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

/// To the nearest of 256 levels.
@compute @workgroup_size(WG)
fn quantise(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p < params.n) {
    let v = vec3<f32>(image[3u * p], image[3u * p + 1u], image[3u * p + 2u]);
    let c = vec3<u32>(clamp(floor(v * 255.0 + 0.5), vec3<f32>(0.0), vec3<f32>(255.0)));
    y[p] = c.x | (c.y << 8u) | (c.z << 16u);
  }
}

@compute @workgroup_size(WG)
fn scale(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p < params.n) {
    let v = unpack4x8unorm(x[p]);
    result[3u * p] = v.x;
    result[3u * p + 1u] = v.y;
    result[3u * p + 2u] = v.z;
  }
}
