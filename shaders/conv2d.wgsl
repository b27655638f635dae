// Two-dimensional convolution, NHWC x HWIO, as implicit GEMM: y = x * w + b, dx = dy * w^T, dw = x^T * dy.
//
// forward and inputGrad: one thread makes PX pixels x 4 channels in registers. Neighbouring threads take neighbouring pixels; the
// channel block is the workgroup's, so every load of w is uniform over the workgroup and is a scalar load or a broadcast.
// weightGrad: one thread makes 4 x 4 channels of one tap over a chunk of pixels that its whole workgroup shares (split-K);
// weightReduce adds the chunks in a fixed order. conv2dAny.wgsl is for channel counts that 4 does not divide.

const WG: u32 = 64u;
const BIAS: bool = false;
/// Pixels that a thread makes, four channels of each.
const PX: u32 = 4u;
/// What tensors hold: or f16. Products are added up in f32.
alias Stored = f32;

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

@group(0) @binding(0) var<storage, read> x: array<vec4<Stored>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<Stored>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<Stored>>;
@group(0) @binding(3) var<storage, read> b: array<Stored>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<Stored>>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<Stored>>;
@group(0) @binding(6) var<storage, read_write> parts: array<vec4<f32>>;
@group(0) @binding(7) var<uniform> params: Params;
@group(0) @binding(8) var<storage, read> partials: array<f32>;
@group(0) @binding(9) var<storage, read_write> dw: array<Stored>;

/// Pixel p of a tensor of `size`, as (image, row, column).
fn pixelOf(p: u32, size: vec4<u32>) -> vec3<u32> {
  let row = p / size.z;
  return vec3<u32>(row / size.y, row % size.y, p - row * size.z);
}

/// Index of the pixel of x under output pixel `o` and tap `k`; -1 in the padding.
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

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_id) lane: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
  let size = params.y_size;
  let pixels = size.x * size.y * size.z;
  let first = (group.x + group.z * 32768u) * (WG * PX) + lane.x;
  let co4 = size.w / 4u;
  let cig = params.kernel.z;
  let c0 = (group.y * 4u / params.kernel.w) * (cig / 4u);
  var o: array<vec3<u32>, PX>;
  var acc: array<vec4<f32>, PX>;
  for (var i = 0u; i < PX; i++) {
    o[i] = pixelOf(min(first + i * WG, pixels - 1u), size);
  }
  for (var ky = 0u; ky < params.kernel.x; ky++) {
    for (var kx = 0u; kx < params.kernel.y; kx++) {
      var p: array<u32, PX>;
      var m: array<f32, PX>;
      for (var i = 0u; i < PX; i++) {
        let u = under(o[i], vec2<u32>(ky, kx));
        p[i] = u32(max(u, 0)) * (params.x_size.w / 4u) + c0;
        m[i] = select(0.0, 1.0, u >= 0);
      }
      var wi = (ky * params.kernel.y + kx) * cig * co4 + group.y;
      for (var c = 0u; c < cig / 4u; c++) {
        let w0 = vec4<f32>(w[wi]);
        let w1 = vec4<f32>(w[wi + co4]);
        let w2 = vec4<f32>(w[wi + 2u * co4]);
        let w3 = vec4<f32>(w[wi + 3u * co4]);
        wi += 4u * co4;
        for (var i = 0u; i < PX; i++) {
          let v = m[i] * vec4<f32>(x[p[i] + c]);
          acc[i] += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
        }
      }
    }
  }
  for (var i = 0u; i < PX; i++) {
    if (first + i * WG < pixels) {
      var bias = vec4<f32>(0.0);
      if (BIAS) {
        let k = group.y * 4u;
        bias = vec4<f32>(vec4<Stored>(b[k], b[k + 1u], b[k + 2u], b[k + 3u]));
      }
      y[(first + i * WG) * co4 + group.y] = vec4<Stored>(acc[i] + bias);
    }
  }
}

@compute @workgroup_size(WG)
fn inputGrad(@builtin(local_invocation_id) lane: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
  let size = params.x_size;
  let pixels = size.x * size.y * size.z;
  let first = (group.x + group.z * 32768u) * (WG * PX) + lane.x;
  let co4 = params.y_size.w / 4u;
  let cig = params.kernel.z;
  let g = group.y * 4u / cig;
  let c0 = g * (params.kernel.w / 4u);
  var at: array<vec3<u32>, PX>;
  var acc: array<vec4<f32>, PX>;
  for (var i = 0u; i < PX; i++) {
    at[i] = pixelOf(min(first + i * WG, pixels - 1u), size);
  }
  for (var ky = 0u; ky < params.kernel.x; ky++) {
    for (var kx = 0u; kx < params.kernel.y; kx++) {
      var p: array<u32, PX>;
      var m: array<f32, PX>;
      for (var i = 0u; i < PX; i++) {
        let o = over(at[i], vec2<u32>(ky, kx));
        p[i] = u32(max(o, 0)) * co4 + c0;
        m[i] = select(0.0, 1.0, o >= 0);
      }
      let row = ((ky * params.kernel.y + kx) * cig + group.y * 4u - g * cig) * co4 + c0;
      for (var c = 0u; c < params.kernel.w / 4u; c++) {
        let w0 = vec4<f32>(w[row + c]);
        let w1 = vec4<f32>(w[row + co4 + c]);
        let w2 = vec4<f32>(w[row + 2u * co4 + c]);
        let w3 = vec4<f32>(w[row + 3u * co4 + c]);
        for (var i = 0u; i < PX; i++) {
          let d = m[i] * vec4<f32>(dy[p[i] + c]);
          acc[i] += vec4<f32>(dot(d, w0), dot(d, w1), dot(d, w2), dot(d, w3));
        }
      }
    }
  }
  for (var i = 0u; i < PX; i++) {
    if (first + i * WG < pixels) {
      var bias = vec4<f32>(0.0);
      if (BIAS) {
        let k = group.y * 4u;
        bias = vec4<f32>(vec4<Stored>(b[k], b[k + 1u], b[k + 2u], b[k + 3u]));
      }
      dx[(first + i * WG) * (size.w / 4u) + group.y] = vec4<Stored>(acc[i] + bias);
    }
  }
}

@compute @workgroup_size(WG)
fn weightGrad(@builtin(local_invocation_id) lane: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
  let cig4 = params.kernel.z / 4u;
  let co4 = params.y_size.w / 4u;
  let blocks = params.kernel.x * params.kernel.y * cig4 * co4;
  let slot = (group.x + group.z * 32768u) * WG + lane.x;
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
    let u = under(at, k);
    let v = select(0.0, 1.0, u >= 0) * vec4<f32>(x[u32(max(u, 0)) * (params.x_size.w / 4u) + cx]);
    let d = vec4<f32>(dy[p * co4 + o]);
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
    dw[i] = Stored(sum);
  }
}
