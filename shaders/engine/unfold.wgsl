// The patches under a sliding window (im2col), and the sum of patches where they overlap (col2im).
// forward: y[n, oy, ox, ky, kx, c] = x[n, oy stride + ky dilation - pad, …, c], 0 outside of x.
// backward: dx[n, iy, ix, c] = the sum over the taps ky, kx of the dy whose window has x's element under that tap.

// #import grid

const WG: u32 = 64u;
/// Or vectors, where 4 divides the channels: sizes then count vectors.
alias Element = u32;
alias Number = f32;

struct Params {
  x_size: vec4<u32>,    // n, h, w, c
  y_size: vec4<u32>,    // oh, ow, kh, kw
  stride: vec2<i32>,
  pad: vec2<i32>,       // top, left
  dilation: vec2<i32>,
}

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> y: array<Element>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> dy: array<Number>;
@group(0) @binding(4) var<storage, read_write> dx: array<Number>;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.y_size;
  let c = params.x_size.w;
  let taps = size.z * size.w;
  if (i >= params.x_size.x * size.x * size.y * taps * c) {
    return;
  }
  let tap = i / c % taps;
  let pixel = i / c / taps;
  let row = pixel / size.y;
  let o = vec2<i32>(vec2<u32>(row % size.x, pixel % size.y));
  let k = vec2<i32>(vec2<u32>(tap / size.w, tap % size.w));
  let at = o * params.stride + k * params.dilation - params.pad;
  if (all(at >= vec2<i32>(0)) && all(at < vec2<i32>(params.x_size.yz))) {
    y[i] = x[((row / size.x * params.x_size.y + u32(at.x)) * params.x_size.z + u32(at.y)) * c + i % c];
  } else {
    y[i] = Element(0);
  }
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.y_size;
  let x_size = params.x_size;
  let c = x_size.w;
  if (i >= x_size.x * x_size.y * x_size.z * c) {
    return;
  }
  let pixel = i / c;
  let row = pixel / x_size.z;
  let origin = vec2<i32>(vec2<u32>(row % x_size.y, pixel % x_size.z)) + params.pad;
  var sum = Number(0);
  for (var ky = 0u; ky < size.z; ky++) {
    for (var kx = 0u; kx < size.w; kx++) {
      let at = origin - vec2<i32>(vec2<u32>(ky, kx)) * params.dilation;
      let o = at / params.stride;
      if (all(at >= vec2<i32>(0)) && all(o * params.stride == at) && all(o < vec2<i32>(size.xy))) {
        let window = (row / x_size.y * size.x + u32(o.x)) * size.y + u32(o.y);
        sum += dy[((window * size.z + ky) * size.w + kx) * c + i % c];
      }
    }
  }
  dx[i] = sum;
}
