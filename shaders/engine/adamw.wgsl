// Adam and AdamW in place, in PyTorch's order, with the bias corrections c = 1 - b^step:
//   w <- (1 - lr decay) w   (AdamW: decoupled decay),   or   g <- g + decay w   (Adam: coupled decay)
//   m <- b1 m + (1-b1) g,   v <- b2 v + (1-b2) g^2,   w <- w - lr/c1 m / (sqrt(v)/sqrt(c2) + eps)
// Four elements a thread; what is changed past the end is padding.

// #import grid

const WG: u32 = 64u;
const DECOUPLED: bool = true;
/// A clip coefficient multiplies the gradient.
const CLIP: bool = false;

struct Params {
  /// Elements in fours.
  n: u32,
  beta1: f32,
  beta2: f32,
  /// 1 - beta, made in double precision.
  alpha1: f32,
  alpha2: f32,
  eps: f32,
  decay: f32,
  lrScale: f32,
}

@group(0) @binding(0) var<storage, read> dw: array<vec4f>;
/// lr, step, bias corrections 1 and 2, gradient scale (0: nothing is changed), EMA decay: see runtime/optim/hyper.ts.
@group(0) @binding(1) var<storage, read> hyper: array<f32>;
@group(0) @binding(2) var<storage, read> clip: array<f32>;
@group(0) @binding(3) var<storage, read_write> w: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n || hyper[4] == 0.0) {
    return;
  }
  let lr = hyper[0] * params.lrScale;
  var s = hyper[4];
  if (CLIP) {
    s *= clip[0];
  }
  var g = s * dw[i];
  var weight = w[i];
  if (DECOUPLED) {
    weight -= lr * params.decay * weight;
  } else {
    g += params.decay * weight;
  }
  let first = params.beta1 * m[i] + params.alpha1 * g;
  let second = params.beta2 * v[i] + params.alpha2 * g * g;
  m[i] = first;
  v[i] = second;
  w[i] = weight - lr / hyper[2] * first / (sqrt(second) / sqrt(hyper[3]) + params.eps);
}
