// Last pass of a loss: adds the pairs (sum of losses, share of the denominator) that the workgroups of the first pass
// left, in a fixed order.
//   y = s sum / d, inverse = 1 / d, where d is the added-up denominator or a given one. Where nothing was counted, y is a
// given value and inverse is 0.
// The scalar factor s comes last: an infinite one times the sum 0 of a workgroup whose pixels are all masked would be
// NaN.

// #import tree
// #import zero

const WG: u32 = 64u;
alias Sum = vec2f;
const SCALAR: bool = false;

struct Params {
  n: u32,
  /// The denominator if it is known beforehand, else 0.
  fixed: f32,
  /// Bits of y where nothing was counted: a value that the kernel must not know, as NaN.
  empty: u32,
}

@group(0) @binding(0) var<storage, read> partials: array<vec2f>;
@group(0) @binding(1) var<storage, read> scalar: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> inverse: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_index) lane: u32) {
  var sum = vec2f();
  for (var i = lane; i < params.n; i += WG) {
    sum += partials[i];
  }
  let all = tree_sum(lane, sum);
  if (lane == 0u) {
    let d = select(all.y, params.fixed, params.fixed != 0.0);
    let some = !is_zero(d);
    var total = all.x;
    if (SCALAR) {
      total *= scalar[0];
    }
    inverse[0] = select(0.0, 1.0 / d, some);
    y[0] = select(bitcast<f32>(params.empty), total / d, some);
  }
}
