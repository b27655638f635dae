// Max-pooling, NHWC. forward and backward: the backward pass finds the first maximum of each window again and gathers,
// so that nothing is saved and nothing collides. indexed and backwardIndexed: the places of the maxima are kept, for
// large windows and for callers.

// #import grid

const WG: u32 = 64u;
/// Or vec4<f32> and vec4<i32>, where 4 divides the channels: sizes then count vectors.
alias Element = f32;
/// What tensors hold: Element, or f16 and vec4<f16>.
alias Stored = f32;
alias Index = i32;
/// The windows divide the image into y_size parts; kernel, stride, pad and dilation do not count.
const ADAPTIVE: bool = false;
const LOWEST: f32 = -3.4028234e38;

struct Params {
  x_size: vec4<u32>,   // n, h, w, c
  y_size: vec4<u32>,   // n, h, w, c
  kernel: vec2<u32>,
  stride: vec2<u32>,
  pad: vec2<u32>,
  dilation: vec2<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> dy: array<Stored>;
@group(0) @binding(2) var<storage, read_write> y: array<Stored>;
@group(0) @binding(3) var<storage, read_write> dx: array<Stored>;
@group(0) @binding(4) var<storage, read_write> indices: array<Index>;
@group(0) @binding(5) var<storage, read> chosen: array<Index>;
@group(0) @binding(6) var<uniform> params: Params;

struct Best {
  value: Element,
  /// row * width + column
  at: Index,
}

/// The first maximum, or the last NaN, of the window of output pixel o, in image n, channel c.
fn best(n: u32, o: vec2<u32>, c: u32) -> Best {
  let size = vec2<i32>(params.x_size.yz);
  var corner = vec2<i32>(o * params.stride) - vec2<i32>(params.pad);
  var kernel = params.kernel;
  var dilation = params.dilation;
  if (ADAPTIVE) {
    let parts = params.y_size.yz;
    let first = o * params.x_size.yz / parts;
    corner = vec2<i32>(first);
    kernel = ((o + vec2<u32>(1u)) * params.x_size.yz + parts - vec2<u32>(1u)) / parts - first;
    dilation = vec2<u32>(1u);
  }
  // NaN by its bits (see shared/nan.wgsl), of one lane or four: it wins, and of several the last, as in PyTorch.
  let infinity = Index(0x7f800000);
  var found = Best(Element(LOWEST), Index(-1));
  for (var ky = 0u; ky < kernel.x; ky++) {
    let row = corner.x + i32(ky * dilation.x);
    if (row < 0 || row >= size.x) { continue; }
    for (var kx = 0u; kx < kernel.y; kx++) {
      let column = corner.y + i32(kx * dilation.y);
      if (column < 0 || column >= size.y) { continue; }
      let v = Element(x[((n * params.x_size.y + u32(row)) * params.x_size.z + u32(column)) * params.x_size.w + c]);
      let isNan = (bitcast<Index>(v) & Index(0x7fffffff)) > infinity;
      let hasNan = (bitcast<Index>(found.value) & Index(0x7fffffff)) > infinity;
      let better = isNan | ((v > found.value) & !hasNan) | (found.at < Index(0));
      found = Best(select(found.value, v, better), select(found.at, Index(row * size.y + column), better));
    }
  }
  return found;
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.y_size;
  if (i < size.x * size.y * size.z * size.w) {
    let p = i / size.w;
    let row = p / size.z;
    y[i] = Stored(best(row / size.y, vec2<u32>(row % size.y, p % size.z), i % size.w).value);
  }
}

@compute @workgroup_size(WG)
fn indexed(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.y_size;
  if (i < size.x * size.y * size.z * size.w) {
    let p = i / size.w;
    let row = p / size.z;
    let found = best(row / size.y, vec2<u32>(row % size.y, p % size.z), i % size.w);
    y[i] = Stored(found.value);
    indices[i] = found.at;
  }
}

/// Windows that can hold a pixel: the first row and column of them, and one past the last.
fn reaching(at: vec2<u32>) -> vec4<u32> {
  if (ADAPTIVE) {
    let size = params.x_size.yz;
    return vec4<u32>(at * params.y_size.yz / size, ((at + vec2<u32>(1u)) * params.y_size.yz + size - vec2<u32>(1u)) / size);
  }
  // stride * o - pad <= at <= stride * o - pad + dilation * (kernel - 1)
  let reach = vec2<i32>(params.dilation * (params.kernel - vec2<u32>(1u)));
  let padded = vec2<i32>(at + params.pad);
  let stride = vec2<i32>(params.stride);
  let first = vec2<u32>(max(padded - reach + stride - vec2<i32>(1), vec2<i32>(0)) / stride);
  return vec4<u32>(first, min(vec2<u32>(padded / stride) + vec2<u32>(1u), params.y_size.yz));
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.x_size;
  if (i < size.x * size.y * size.z * size.w) {
    let c = i % size.w;
    let p = i / size.w;
    let n = p / size.z / size.y;
    let at = vec2<u32>(p / size.z % size.y, p % size.z);
    let o = reaching(at);
    let here = Index(i32(at.x * size.z + at.y));
    var sum = Element(0.0);
    for (var oy = o.x; oy < o.z; oy++) {
      for (var ox = o.y; ox < o.w; ox++) {
        let d = Element(dy[((n * params.y_size.y + oy) * params.y_size.z + ox) * params.y_size.w + c]);
        sum += select(Element(0.0), d, best(n, vec2<u32>(oy, ox), c).at == here);
      }
    }
    dx[i] = Stored(sum);
  }
}

/// The same where windows tile the image: each looks for its maximum once.
@compute @workgroup_size(WG)
fn backwardTiled(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.y_size;
  if (i < size.x * size.y * size.z * size.w) {
    let p = i / size.w;
    let row = p / size.z;
    let o = vec2<u32>(row % size.y, p % size.z);
    let found = best(row / size.y, o, i % size.w);
    let d = Element(dy[i]);
    for (var k = 0u; k < params.kernel.x * params.kernel.y; k++) {
      let at = o * params.kernel + vec2<u32>(k / params.kernel.y, k % params.kernel.y);
      let here = at.x * params.x_size.z + at.y;
      let to = (row / size.y * params.x_size.y * params.x_size.z + here) * size.w + i % size.w;
      dx[to] = Stored(select(Element(0.0), d, found.at == Index(i32(here))));
    }
  }
}

@compute @workgroup_size(WG)
fn backwardIndexed(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.x_size;
  if (i < size.x * size.y * size.z * size.w) {
    let p = i / size.w;
    let n = p / size.z / size.y;
    let at = vec2<u32>(p / size.z % size.y, p % size.z);
    let o = reaching(at);
    let here = Index(i32(at.x * size.z + at.y));
    var sum = Element(0.0);
    for (var oy = o.x; oy < o.z; oy++) {
      for (var ox = o.y; ox < o.w; ox++) {
        let k = ((n * params.y_size.y + oy) * params.y_size.z + ox) * params.y_size.w + i % size.w;
        sum += select(Element(0.0), Element(dy[k]), chosen[k] == here);
      }
    }
    dx[i] = Stored(sum);
  }
}
