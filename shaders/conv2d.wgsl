// Two-dimensional convolution, NHWC x HWIO, as implicit GEMM: y = x * w + b, dx = dy * w^T, dw = x^T * dy.
//
// forward and inputGrad: one thread makes 4 pixels x 4 channels in registers. Neighbouring threads take neighbouring pixels; the
// channel block is the workgroup's, so every load of w is uniform over the workgroup and is a scalar load or a broadcast.
// weightGrad: one thread makes 4 x 4 channels of one tap over a chunk of pixels that its whole workgroup shares (split-K);
// weightReduce adds the chunks in a fixed order. The ...Any entries are for channel counts that 4 does not divide.

const WG: u32 = 64u;
const BIAS: bool = false;

struct Params {
  x_size: vec4<u32>,    // n, h, w, c
  y_size: vec4<u32>,    // n, h, w, c
  kernel: vec4<u32>,    // kh, kw, channels of x in a group, channels of y in a group
  stride: vec2<u32>,
  pad: vec2<u32>,       // top, left
  dilation: vec2<u32>,
  chunk: u32,           // pixels of y in a chunk of weightGrad
  chunks: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> parts: array<vec4<f32>>;
@group(0) @binding(7) var<uniform> params: Params;
@group(0) @binding(8) var<storage, read> partials: array<f32>;
@group(0) @binding(9) var<storage, read_write> dw: array<f32>;

/// Pixel p of a tensor of `size`, as (image, row, column).
fn pixelOf(p: u32, size: vec4<u32>) -> vec3<u32> {
  let row = p / size.z;
  return vec3<u32>(row / size.y, row % size.y, p - row * size.z);
}

/// Index of the first of four channels of x under output pixel `o` and tap `k`, in vec4s; -1 in the padding.
fn under(o: vec3<u32>, k: vec2<u32>) -> i32 {
  let at = vec2<i32>(o.yz * params.stride + k * params.dilation) - vec2<i32>(params.pad);
  let inside = all(at >= vec2<i32>(0)) && all(at < vec2<i32>(params.x_size.yz));
  let i = (i32(o.x * params.x_size.y) + at.x) * i32(params.x_size.z) + at.y;
  return select(-1, i, inside);
}

/// Index of the output pixel that reaches input pixel `i` through tap `k`; -1 if none does.
fn over(i: vec3<u32>, k: vec2<u32>) -> i32 {
  let at = vec2<i32>(i.yz + params.pad) - vec2<i32>(k * params.dilation);
  let step = vec2<i32>(params.stride);
  let o = at / step;
  let inside = all(at >= vec2<i32>(0)) && all(o * step == at) && all(o < vec2<i32>(params.y_size.yz));
  let p = (i32(i.x * params.y_size.y) + o.x) * i32(params.y_size.z) + o.y;
  return select(-1, p, inside);
}

fn loadX(pixel: i32, c: u32) -> vec4<f32> {
  let i = u32(max(pixel, 0)) * (params.x_size.w / 4u) + c;
  return select(vec4<f32>(0.0), x[i], pixel >= 0);
}

fn loadDy(pixel: i32, c: u32) -> vec4<f32> {
  let i = u32(max(pixel, 0)) * (params.y_size.w / 4u) + c;
  return select(vec4<f32>(0.0), dy[i], pixel >= 0);
}

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_id) lane: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
  let size = params.y_size;
  let pixels = size.x * size.y * size.z;
  let first = (group.x + group.z * 32768u) * (WG * 4u) + lane.x;
  let o0 = pixelOf(min(first, pixels - 1u), size);
  let o1 = pixelOf(min(first + WG, pixels - 1u), size);
  let o2 = pixelOf(min(first + 2u * WG, pixels - 1u), size);
  let o3 = pixelOf(min(first + 3u * WG, pixels - 1u), size);
  let co4 = size.w / 4u;
  let cig = params.kernel.z;
  let c0 = (group.y * 4u / params.kernel.w) * (cig / 4u);
  var a0 = vec4<f32>(0.0);
  if (BIAS) {
    a0 = vec4<f32>(b[group.y * 4u], b[group.y * 4u + 1u], b[group.y * 4u + 2u], b[group.y * 4u + 3u]);
  }
  var a1 = a0;
  var a2 = a0;
  var a3 = a0;
  for (var ky = 0u; ky < params.kernel.x; ky++) {
    for (var kx = 0u; kx < params.kernel.y; kx++) {
      let k = vec2<u32>(ky, kx);
      let p0 = under(o0, k);
      let p1 = under(o1, k);
      let p2 = under(o2, k);
      let p3 = under(o3, k);
      var wi = (ky * params.kernel.y + kx) * cig * co4 + group.y;
      for (var c = 0u; c < cig / 4u; c++) {
        let w0 = w[wi];
        let w1 = w[wi + co4];
        let w2 = w[wi + 2u * co4];
        let w3 = w[wi + 3u * co4];
        wi += 4u * co4;
        let x0 = loadX(p0, c0 + c);
        a0 += x0.x * w0 + x0.y * w1 + x0.z * w2 + x0.w * w3;
        let x1 = loadX(p1, c0 + c);
        a1 += x1.x * w0 + x1.y * w1 + x1.z * w2 + x1.w * w3;
        let x2 = loadX(p2, c0 + c);
        a2 += x2.x * w0 + x2.y * w1 + x2.z * w2 + x2.w * w3;
        let x3 = loadX(p3, c0 + c);
        a3 += x3.x * w0 + x3.y * w1 + x3.z * w2 + x3.w * w3;
      }
    }
  }
  if (first < pixels) { y[first * co4 + group.y] = a0; }
  if (first + WG < pixels) { y[(first + WG) * co4 + group.y] = a1; }
  if (first + 2u * WG < pixels) { y[(first + 2u * WG) * co4 + group.y] = a2; }
  if (first + 3u * WG < pixels) { y[(first + 3u * WG) * co4 + group.y] = a3; }
}

/// The products of four channels of dy with the four rows of w^T.
fn back(d: vec4<f32>, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(dot(d, w0), dot(d, w1), dot(d, w2), dot(d, w3));
}

@compute @workgroup_size(WG)
fn inputGrad(@builtin(local_invocation_id) lane: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
  let size = params.x_size;
  let pixels = size.x * size.y * size.z;
  let first = (group.x + group.z * 32768u) * (WG * 4u) + lane.x;
  let i0 = pixelOf(min(first, pixels - 1u), size);
  let i1 = pixelOf(min(first + WG, pixels - 1u), size);
  let i2 = pixelOf(min(first + 2u * WG, pixels - 1u), size);
  let i3 = pixelOf(min(first + 3u * WG, pixels - 1u), size);
  let ci4 = size.w / 4u;
  let co4 = params.y_size.w / 4u;
  let cig = params.kernel.z;
  let g = group.y * 4u / cig;
  let inGroup = group.y * 4u - g * cig;
  let c0 = g * (params.kernel.w / 4u);
  var a0 = vec4<f32>(0.0);
  if (BIAS) {
    a0 = vec4<f32>(b[group.y * 4u], b[group.y * 4u + 1u], b[group.y * 4u + 2u], b[group.y * 4u + 3u]);
  }
  var a1 = a0;
  var a2 = a0;
  var a3 = a0;
  for (var ky = 0u; ky < params.kernel.x; ky++) {
    for (var kx = 0u; kx < params.kernel.y; kx++) {
      let k = vec2<u32>(ky, kx);
      let p0 = over(i0, k);
      let p1 = over(i1, k);
      let p2 = over(i2, k);
      let p3 = over(i3, k);
      let row = ((ky * params.kernel.y + kx) * cig + inGroup) * co4 + c0;
      for (var c = 0u; c < params.kernel.w / 4u; c++) {
        let w0 = w[row + c];
        let w1 = w[row + co4 + c];
        let w2 = w[row + 2u * co4 + c];
        let w3 = w[row + 3u * co4 + c];
        a0 += back(loadDy(p0, c0 + c), w0, w1, w2, w3);
        a1 += back(loadDy(p1, c0 + c), w0, w1, w2, w3);
        a2 += back(loadDy(p2, c0 + c), w0, w1, w2, w3);
        a3 += back(loadDy(p3, c0 + c), w0, w1, w2, w3);
      }
    }
  }
  if (first < pixels) { dx[first * ci4 + group.y] = a0; }
  if (first + WG < pixels) { dx[(first + WG) * ci4 + group.y] = a1; }
  if (first + 2u * WG < pixels) { dx[(first + 2u * WG) * ci4 + group.y] = a2; }
  if (first + 3u * WG < pixels) { dx[(first + 3u * WG) * ci4 + group.y] = a3; }
}

@compute @workgroup_size(WG)
fn weightGrad(@builtin(local_invocation_id) lane: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
  let cig4 = params.kernel.z / 4u;
  let co4 = params.y_size.w / 4u;
  let blocks = params.kernel.x * params.kernel.y * cig4 * co4;
  let slot = group.x * WG + lane.x;
  let used = min(slot, blocks - 1u);
  let o = used % co4;
  let c = (used / co4) % cig4;
  let tap = used / (co4 * cig4);
  let k = vec2<u32>(tap / params.kernel.y, tap % params.kernel.y);
  let cx = (o * 4u / params.kernel.w) * cig4 + c;
  let size = params.y_size;
  let end = min((group.y + 1u) * params.chunk, size.x * size.y * size.z);
  var at = pixelOf(group.y * params.chunk, size);
  var a0 = vec4<f32>(0.0);
  var a1 = vec4<f32>(0.0);
  var a2 = vec4<f32>(0.0);
  var a3 = vec4<f32>(0.0);
  for (var p = group.y * params.chunk; p < end; p++) {
    let v = loadX(under(at, k), cx);
    let d = dy[p * co4 + o];
    a0 += v.x * d;
    a1 += v.y * d;
    a2 += v.z * d;
    a3 += v.w * d;
    at.z++;
    if (at.z == size.z) {
      at.z = 0u;
      at.y++;
      if (at.y == size.y) {
        at.y = 0u;
        at.x++;
      }
    }
  }
  if (slot < blocks) {
    let to = ((group.y * params.kernel.x * params.kernel.y + tap) * params.kernel.z + c * 4u) * co4 + o;
    parts[to] = a0;
    parts[to + co4] = a1;
    parts[to + 2u * co4] = a2;
    parts[to + 3u * co4] = a3;
  }
}

@compute @workgroup_size(WG)
fn weightReduce(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = id.x + id.y * grid.x * WG;
  let n = params.kernel.x * params.kernel.y * params.kernel.z * params.y_size.w;
  if (i < n) {
    var sum = 0.0;
    for (var c = 0u; c < params.chunks; c++) {
      sum += partials[c * n + i];
    }
    dw[i] = sum;
  }
}
