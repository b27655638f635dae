// Gradient accumulation in place: total <- total + s dw.
// Four elements per thread; what is changed past the end is padding.

// #import grid

const WG: u32 = 64u;
/// The first batch: total <- s dw.
const FIRST: bool = false;
/// A tensor holds a further factor.
const SCALE: bool = false;

struct Params {
  /// Elements in fours.
  n: u32,
  factor: f32,
}

@group(0) @binding(0) var<storage, read> dw: array<vec4f>;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read_write> total: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n) {
    return;
  }
  var d = params.factor * dw[i];
  if (SCALE) {
    d *= scale[0];
  }
  if (FIRST) {
    total[i] = d;
  } else {
    total[i] += d;
  }
}
