// (x - mean) / std for each of three channels.

// #import grid

const WG: u32 = 64u;

struct Params {
  n: u32,
  mean: vec3<f32>,
  scale: vec3<f32>,   // one over the standard deviation
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    y[i] = (x[i] - params.mean[i % 3u]) * params.scale[i % 3u];
  }
}
