// Dropout: y = x / (1 - p) where the draw u is at least p, else 0. The gradient is the same function of dy. CHANNELS:
// one draw for all pixels of a channel.

// #import grid

const WG: u32 = 64u;
const CHANNELS: bool = false;

struct Params {
  n: u32,
  p: f32,
  c: u32,        // channels
  sample: u32,   // elements of a sample
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    var draw = i;
    if (CHANNELS) {
      draw = i / params.sample * params.c + i % params.c;
    }
    y[i] = select(0.0, x[i] / (1.0 - params.p), u[draw] >= params.p);
  }
}
