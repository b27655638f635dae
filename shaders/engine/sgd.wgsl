// Stochastic gradient descent in place, in PyTorch's order:
//   g <- s dw + decay w
//   v <- momentum v + (1 - dampening) g   (v <- g in the first step)
//   w <- w - lr v                         (g + momentum v in place of v with Nesterov)
// Four elements per thread; what is changed past the end is padding.

// #import grid

const WG: u32 = 64u;
const NESTEROV: bool = false;
/// A clip coefficient multiplies the gradient.
const CLIP: bool = false;

struct Params {
  /// Elements in fours.
  n: u32,
  momentum: f32,
  dampening: f32,
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
fn plain(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n || hyper[4] == 0.0) {
    return;
  }
  var s = hyper[4];
  if (CLIP) {
    s *= clip[0];
  }
  let g = s * dw[i] + params.decay * w[i];
  w[i] -= hyper[0] * params.lrScale * g;
}

@compute @workgroup_size(WG)
fn momentum(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n || hyper[4] == 0.0) {
    return;
  }
  var s = hyper[4];
  if (CLIP) {
    s *= clip[0];
  }
  let g = s * dw[i] + params.decay * w[i];
  var buf = g;
  if (hyper[1] > 1.0) {
    buf = params.momentum * v[i] + (1.0 - params.dampening) * g;
  }
  v[i] = buf;
  let d = select(buf, g + params.momentum * buf, NESTEROV);
  w[i] -= hyper[0] * params.lrScale * d;
}
