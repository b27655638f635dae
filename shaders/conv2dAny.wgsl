// Convolution for channel counts that 4 does not divide (RGB, class scores, depthwise): the kernels of conv2d.wgsl with scalar loads.

const WG: u32 = 64u;
const BIAS: bool = false;
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

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> w: array<Stored>;
@group(0) @binding(2) var<storage, read> dy: array<Stored>;
@group(0) @binding(3) var<storage, read> b: array<Stored>;
@group(0) @binding(4) var<storage, read_write> y: array<Stored>;
@group(0) @binding(5) var<storage, read_write> dx: array<Stored>;
@group(0) @binding(6) var<storage, read_write> parts: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

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

/// Four channels of y, from c on; those from `last` on repeat the last one and are not stored.
@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_id) lane: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
  let size = params.y_size;
  let pixels = size.x * size.y * size.z;
  let cig = params.kernel.z;
  let cog = params.kernel.w;
  let blocks = (cog + 3u) / 4u;
  let g = group.y / blocks;
  let c = g * cog + (group.y % blocks) * 4u;
  let last = (g + 1u) * cog - 1u;
  let c1 = min(c + 1u, last);
  let c2 = min(c + 2u, last);
  let c3 = min(c + 3u, last);
  let first = (group.x + group.z * 32768u) * (WG * 2u) + lane.x;
  let second = first + WG;
  let o0 = pixelOf(min(first, pixels - 1u), size);
  let o1 = pixelOf(min(second, pixels - 1u), size);
  var a0 = vec4<f32>(0.0);
  if (BIAS) {
    a0 = vec4<f32>(vec4<Stored>(b[c], b[c1], b[c2], b[c3]));
  }
  var a1 = a0;
  for (var ky = 0u; ky < params.kernel.x; ky++) {
    for (var kx = 0u; kx < params.kernel.y; kx++) {
      let p0 = under(o0, vec2<u32>(ky, kx));
      let p1 = under(o1, vec2<u32>(ky, kx));
      let x0 = u32(max(p0, 0)) * params.x_size.w + g * cig;
      let x1 = u32(max(p1, 0)) * params.x_size.w + g * cig;
      let in0 = select(0.0, 1.0, p0 >= 0);
      let in1 = select(0.0, 1.0, p1 >= 0);
      var row = (ky * params.kernel.y + kx) * cig * size.w;
      for (var i = 0u; i < cig; i++) {
        let v = vec4<f32>(vec4<Stored>(w[row + c], w[row + c1], w[row + c2], w[row + c3]));
        a0 += in0 * f32(x[x0 + i]) * v;
        a1 += in1 * f32(x[x1 + i]) * v;
        row += size.w;
      }
    }
  }
  if (first < pixels) { store(first * size.w, c, last, a0); }
  if (second < pixels) { store(second * size.w, c, last, a1); }
}

fn store(at: u32, c: u32, last: u32, v: vec4<f32>) {
  y[at + c] = Stored(v.x);
  if (c + 1u <= last) { y[at + c + 1u] = Stored(v.y); }
  if (c + 2u <= last) { y[at + c + 2u] = Stored(v.z); }
  if (c + 3u <= last) { y[at + c + 3u] = Stored(v.w); }
}

@compute @workgroup_size(WG)
fn inputGrad(@builtin(local_invocation_id) lane: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
  let size = params.x_size;
  let pixels = size.x * size.y * size.z;
  let cig = params.kernel.z;
  let cog = params.kernel.w;
  let blocks = (cig + 3u) / 4u;
  let g = group.y / blocks;
  let inGroup = (group.y % blocks) * 4u;
  let i1 = min(inGroup + 1u, cig - 1u);
  let i2 = min(inGroup + 2u, cig - 1u);
  let i3 = min(inGroup + 3u, cig - 1u);
  let p = (group.x + group.z * 32768u) * WG + lane.x;
  let i = pixelOf(min(p, pixels - 1u), size);
  var a = vec4<f32>(0.0);
  if (BIAS) {
    a = vec4<f32>(vec4<Stored>(b[g * cig + inGroup], b[g * cig + i1], b[g * cig + i2], b[g * cig + i3]));
  }
  for (var ky = 0u; ky < params.kernel.x; ky++) {
    for (var kx = 0u; kx < params.kernel.y; kx++) {
      let source = over(i, vec2<u32>(ky, kx));
      if (source >= 0) {
        let at = u32(source) * params.y_size.w + g * cog;
        let row = (ky * params.kernel.y + kx) * cig;
        let w0 = (row + inGroup) * params.y_size.w + g * cog;
        let w1 = (row + i1) * params.y_size.w + g * cog;
        let w2 = (row + i2) * params.y_size.w + g * cog;
        let w3 = (row + i3) * params.y_size.w + g * cog;
        for (var c = 0u; c < cog; c++) {
          a += f32(dy[at + c]) * vec4<f32>(vec4<Stored>(w[w0 + c], w[w1 + c], w[w2 + c], w[w3 + c]));
        }
      }
    }
  }
  if (p < pixels) {
    let to = p * size.w + g * cig;
    dx[to + inGroup] = Stored(a.x);
    if (inGroup + 1u < cig) { dx[to + inGroup + 1u] = Stored(a.y); }
    if (inGroup + 2u < cig) { dx[to + inGroup + 2u] = Stored(a.z); }
    if (inGroup + 3u < cig) { dx[to + inGroup + 3u] = Stored(a.w); }
  }
}

@compute @workgroup_size(WG)
fn weightGrad(@builtin(local_invocation_id) lane: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
  let cig = params.kernel.z;
  let co = params.y_size.w;
  let n = params.kernel.x * params.kernel.y * cig * co;
  let i = (group.x + group.z * 32768u) * WG + lane.x;
  let used = min(i, n - 1u);
  let o = used % co;
  let c = (used / co) % cig;
  let tap = used / (co * cig);
  let k = vec2<u32>(tap / params.kernel.y, tap % params.kernel.y);
  let cx = (o / params.kernel.w) * cig + c;
  let size = params.y_size;
  let end = min((group.y + 1u) * params.chunk, size.x * size.y * size.z);
  var at = pixelOf(group.y * params.chunk, size);
  var a = 0.0;
  for (var p = group.y * params.chunk; p < end; p++) {
    let source = under(at, k);
    let v = f32(x[u32(max(source, 0)) * params.x_size.w + cx]);
    a += select(0.0, v, source >= 0) * f32(dy[p * co + o]);
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
  if (i < n) {
    parts[group.y * n + i] = a;
  }
}
