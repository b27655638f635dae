// Two-dimensional convolution, NHWC x HWIO, as implicit GEMM in registers, for adapters that gain nothing by workgroup
// memory (others: conv2dTiles.wgsl): y = x * w + b, and dw = x^T * dy. The input gradient is the convolution of dy with
// the kernel turned round (conv2dTranspose.wgsl), with a stride (BACK) one whose taps fall between the pixels of dy.
//
// forward: one thread makes PX pixels x 4 channels. Neighbouring threads take neighbouring pixels; the channel block is
// the workgroup's, so every load of w is uniform over the workgroup and is a scalar load or a broadcast.
// weightGrad: one thread makes 4 x 4 channels of one tap over a chunk of pixels that its whole workgroup shares
// (split-K); weightReduce adds the chunks in a fixed order. conv2dAny.wgsl is for channel counts that 4 does not
// divide.

const WG: u32 = 64u;
const BACK: bool = false;
/// Pixels that a thread makes, four channels of each.
const PX: u32 = 4u;
/// What tensors hold: or f16. Products are added up in f32.
alias Stored = f32;

// #import conv

@group(0) @binding(0) var<storage, read> x: array<vec4<Stored>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<Stored>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<Stored>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<Stored>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<Stored>>;
@group(0) @binding(5) var<storage, read_write> parts: array<vec4<f32>>;
@group(0) @binding(6) var<uniform> params: Params;
@group(0) @binding(7) var<storage, read> partials: array<f32>;
@group(0) @binding(8) var<storage, read_write> dw: array<Stored>;

/// Pixel p of y, as (image, row, column).
fn pixelOf(p: u32) -> vec3<u32> {
  let row = p / params.y_size.z;
  return vec3<u32>(row / params.y_size.y, row % params.y_size.y, p - row * params.y_size.z);
}

/// Index in x of the first channel of the pixel under pixel `o` of y and tap `k`; -1 where there is none.
fn under(o: vec3<u32>, k: vec2<u32>) -> i32 {
  var at = tapOf(k);
  if (BACK) {
    at += vec2<i32>(o.yz);
  } else {
    at += vec2<i32>(o.yz * params.stride);
  }
  return pixel(o.x, at);
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
    o[i] = pixelOf(min(first + i * WG, pixels - 1u));
  }
  for (var ky = 0u; ky < params.kernel.x; ky++) {
    for (var kx = 0u; kx < params.kernel.y; kx++) {
      var p: array<u32, PX>;
      var m: array<bool, PX>;
      for (var i = 0u; i < PX; i++) {
        let u = under(o[i], vec2<u32>(ky, kx));
        p[i] = u32(max(u, 0)) + c0;
        m[i] = u >= 0;
      }
      var wi = (ky * params.kernel.y + kx) * cig * co4 + group.y;
      for (var c = 0u; c < cig / 4u; c++) {
        let w0 = vec4<f32>(w[wi]);
        let w1 = vec4<f32>(w[wi + co4]);
        let w2 = vec4<f32>(w[wi + 2u * co4]);
        let w3 = vec4<f32>(w[wi + 3u * co4]);
        wi += 4u * co4;
        for (var i = 0u; i < PX; i++) {
          // Chosen, not multiplied: what is loaded for the padding may be NaN or infinite.
          let v = select(vec4<f32>(0.0), vec4<f32>(x[p[i] + c]), m[i]);
          acc[i] += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
        }
      }
    }
  }
  for (var i = 0u; i < PX; i++) {
    if (first + i * WG < pixels) {
      if (params.bias != 0u) {
        acc[i] += vec4<f32>(b[group.y]);
      }
      y[(first + i * WG) * co4 + group.y] = vec4<Stored>(acc[i]);
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
  var at = pixelOf(group.y * params.chunk);
  var a0 = vec4<f32>(0.0);
  var a1 = vec4<f32>(0.0);
  var a2 = vec4<f32>(0.0);
  var a3 = vec4<f32>(0.0);
  for (var p = group.y * params.chunk; p < end; p++) {
    let u = under(at, k);
    let v = select(vec4<f32>(0.0), vec4<f32>(x[u32(max(u, 0)) + cx]), u >= 0);
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
