// Exponential moving average in place: target <- a target + (1-a) source, with a from the hyper-parameters. The second
// factor is 1-a made on the host in double precision. Four elements per thread; what is changed past the end is
// padding.

// #import grid

const WG: u32 = 64u;

struct Params {
  /// Elements in fours.
  n: u32,
}

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
/// See runtime/optim/hyper.ts.
@group(0) @binding(1) var<storage, read> hyper: array<f32>;
/// What is averaged into.
@group(0) @binding(2) var<storage, read_write> average: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    average[i] = hyper[5] * average[i] + hyper[6] * source[i];
  }
}
