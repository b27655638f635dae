// The global norm of a list of gradients, and the coefficient that clips it:
//   norm = sqrt(sum of (s dw)^2),   coefficient = min(1, most / (norm + 1e-6))
// s is the gradient scale of the hyper-parameters: the squares of the gradients of a scaled loss may overflow where
// those of the loss do not. Each tensor leaves the sums of its workgroups in its own part of `partials`; one workgroup
// adds them up, all in a fixed order. As in PyTorch, a norm of NaN makes the coefficient NaN, and an infinite one 0.

// #import nan
// #import tree

const WG: u32 = 64u;
alias Sum = f32;

struct Params {
  /// Elements of the tensor, or of `partials`.
  n: u32,
  /// Elements for each thread of the first pass.
  items: u32,
  /// Where in `partials` the tensor's part begins.
  first: u32,
  most: f32,
}

@group(0) @binding(0) var<storage, read> dw: array<f32>;
@group(0) @binding(1) var<storage, read> hyper: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;
@group(0) @binding(4) var<storage, read_write> coefficient: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn squares(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  var sum = 0.0;
  for (var k = 0u; k < params.items; k++) {
    let i = (group.x * params.items + k) * WG + lane;
    if (i < params.n) {
      let g = hyper[4] * dw[i];
      sum += g * g;
    }
  }
  let all = tree_sum(lane, sum);
  if (lane == 0u) {
    partials[params.first + group.x] = all;
  }
}

@compute @workgroup_size(WG)
fn finish(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = lane; i < params.n; i += WG) {
    sum += partials[i];
  }
  let all = tree_sum(lane, sum);
  if (lane == 0u) {
    let total = sqrt(all);
    norm[0] = total;
    coefficient[0] = min_nan(1.0, params.most / (total + 1e-6));
  }
}
