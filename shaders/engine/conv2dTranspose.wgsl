// Weights for the input gradient of a convolution, which is a convolution with them: see conv2dTexture.wgsl.

const WG: u32 = 64u;
/// Or f16.
alias Stored = f32;

struct Params {
  x_size: vec4<u32>,    // n, h, w, c of what w is applied to
  y_size: vec4<u32>,    // n, h, w, c of what it makes
  kernel: vec4<u32>,    // kh, kw, channels of x in a group, channels of y in a group
}

@group(0) @binding(0) var<storage, read> w: array<Stored>;
@group(0) @binding(1) var<storage, read_write> y: array<Stored>;
@group(0) @binding(2) var<uniform> params: Params;

/// y [last tap to first, channel of y in its group, channel of x] from w [tap, channel of x in its group, channel of
/// y]; sizes as in w's convolution.
/// A thread moves eight channels of y, for the divisions cost more than the moves.
@compute @workgroup_size(WG)
fn transpose(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) launched: vec3<u32>) {
  let i = id.x + id.y * launched.x * WG;
  let ci = params.kernel.z;
  let co = params.kernel.w;
  let cx = params.x_size.w;
  let taps = params.kernel.x * params.kernel.y;
  let eighths = (co + 7u) / 8u;
  if (i < taps * eighths * cx) {
    let c = i % cx;
    let first = i / cx % eighths * 8u;
    let tap = i / (cx * eighths);
    let row = ((taps - 1u - tap) * ci + c % ci) * params.y_size.w + c / ci * co;
    for (var o = first; o < min(first + 8u, co); o++) {
      y[(tap * co + o) * cx + c] = w[row + o];
    }
  }
}
