// RMSprop and Adagrad in place, in PyTorch's order:
//   g <- s dw + decay w,   v <- keep v + gain g^2,   w <- w - lr g / (sqrt(v) + eps)
// RMSprop has keep = alpha and gain = 1 - alpha, Adagrad has 1 for both. Four elements per thread; what is changed past
// the end is padding.

// #import grid

const WG: u32 = 64u;
/// A clip coefficient multiplies the gradient.
const CLIP: bool = false;

struct Params {
  /// Elements in fours.
  n: u32,
  keep: f32,
  gain: f32,
  eps: f32,
  decay: f32,
  lrScale: f32,
}

@group(0) @binding(0) var<storage, read> dw: array<vec4f>;
/// lr, step, bias corrections 1 and 2, gradient scale (0: nothing is changed), EMA decay: see runtime/optim/hyper.ts.
@group(0) @binding(1) var<storage, read> hyper: array<f32>;
@group(0) @binding(2) var<storage, read> clip: array<f32>;
@group(0) @binding(3) var<storage, read_write> w: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n || hyper[4] == 0.0) {
    return;
  }
  var s = hyper[4];
  if (CLIP) {
    s *= clip[0];
  }
  let g = s * dw[i] + params.decay * w[i];
  let second = params.keep * v[i] + params.gain * g * g;
  v[i] = second;
  w[i] -= hyper[0] * params.lrScale * g / (sqrt(second) + params.eps);
}
