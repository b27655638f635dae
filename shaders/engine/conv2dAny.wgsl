// Convolution for channel counts that 4 does not divide (RGB, class scores), and depthwise: each channel by itself, by
// vectors of four where 4 divides them.
// A thread makes a channel of PX pixels of a row and loads each x once for the KW taps of a row of the kernel. The
// input gradient is such a convolution of dy with the kernel turned round; with a stride (BACK) some taps fall between
// the pixels of dy.

const WG: u32 = 64u;
/// x is dy and y is dx of a convolution with that stride.
const BACK: bool = false;
const PX: u32 = 8u;
/// Taps of a row taken together: 1, or 3 where stride and dilation are 1 and the kernel's width is 3.
const KW: u32 = 1u;
/// Or vec4<f32> for depthwise ones: sizes and steps then count vectors.
alias Element = f32;
/// What tensors hold: Element, or f16 and vec4<f16>. Products are added up in f32.
alias Stored = f32;

struct Params {
  x_size: vec4<u32>,    // n, h, w, c of what is read
  y_size: vec4<u32>,    // of what is made; in weightGrad of dy
  kernel: vec4<u32>,    // kh, kw, channels of x in a group, channels of y in a group
  w_step: vec4<u32>,    // from tap to tap, channel of x to channel, channel of y to channel, group to group
  stride: vec2<u32>,
  pad: vec2<i32>,       // top, left
  dilation: vec2<u32>,
  bias: u32,            // whether b is one
  turned: u32,          // whether the kernel is to be turned round
  chunk: u32,           // runs of PX pixels in a chunk of weightGrad
  chunks: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> w: array<Stored>;
@group(0) @binding(2) var<storage, read> dy: array<Stored>;
@group(0) @binding(3) var<storage, read> b: array<Stored>;
@group(0) @binding(4) var<storage, read_write> y: array<Stored>;
@group(0) @binding(5) var<storage, read_write> parts: array<Element>;
@group(0) @binding(6) var<uniform> params: Params;

/// The place of a run of pixels of y: image, row, first column.
fn placeOf(run: u32) -> vec3<u32> {
  let runs = (params.y_size.z + PX - 1u) / PX;
  let row = run / runs;
  return vec3<u32>(row / params.y_size.y, row % params.y_size.y, run % runs * PX);
}

/// Index in y of channel c, j columns behind the place of its run.
fn pixel(p: vec3<u32>, j: u32, c: u32) -> u32 {
  return ((p.x * params.y_size.y + p.y) * params.y_size.z + p.z + j) * params.y_size.w + c;
}

/// x under that pixel and tap k; zero in the padding, where the index is anything: what it reads is thrown away.
fn under(p: vec3<u32>, j: u32, k: vec2<u32>, c: u32) -> Element {
  let step = vec2<i32>(params.stride);
  let tap = vec2<i32>(k * params.dilation) - params.pad;
  var at = vec2<i32>(vec2<u32>(p.y, p.z + j));
  var inside = true;
  if (BACK) {
    let far = at + tap;
    at = far / step;
    inside = all(at * step == far);
  } else {
    at = at * step + tap;
  }
  inside = inside && all(vec2<u32>(at) < params.x_size.yz);
  let i = (p.x * params.x_size.y + u32(at.x)) * params.x_size.z + u32(at.y);
  return select(Element(0.0), Element(x[i * params.x_size.w + c]), inside);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let at = id.x + id.y * grid.x * WG;
  let size = params.y_size;
  let c = at % size.w;
  let p = placeOf(at / size.w);
  if (p.x >= size.x) {
    return;
  }
  let g = c / params.kernel.w;
  let taps = params.kernel.x * params.kernel.y;
  let first = c % params.kernel.w * params.w_step.z + g * params.w_step.w;
  var acc: array<Element, PX>;
  var v: array<Element, PX + KW - 1u>;
  // One loop: each that ends writes all sums once more.
  for (var s = 0u; s < taps / KW * params.kernel.z; s++) {
    let i = s % params.kernel.z;
    let t = s / params.kernel.z * KW;
    for (var j = 0u; j < PX + KW - 1u; j++) {
      v[j] = under(p, j, vec2<u32>(t / params.kernel.y, t % params.kernel.y), g * params.kernel.z + i);
    }
    for (var k = 0u; k < KW; k++) {
      let tap = Element(w[select(t + k, taps - 1u - t - k, params.turned != 0u) * params.w_step.x + i * params.w_step.y + first]);
      for (var j = 0u; j < PX; j++) {
        acc[j] += v[j + k] * tap;
      }
    }
  }
  var shift = Element(0.0);
  if (params.bias != 0u) {
    shift = Element(b[c]);
  }
  for (var j = 0u; j < PX; j++) {
    if (p.z + j < size.z) {
      y[pixel(p, j, c)] = Stored(acc[j] + shift);
    }
  }
}

/// Sums over a chunk of runs, for KW taps of a pair of channels.
@compute @workgroup_size(WG)
fn weightGrad(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let at = id.x + id.y * grid.x * WG;
  let size = params.y_size;
  let cig = params.kernel.z;
  let c = at % size.w;
  let i = at / size.w % cig;
  let taps = params.kernel.x * params.kernel.y;
  let first = at / (size.w * cig) % (taps / KW) * KW;
  let k = vec2<u32>(first / params.kernel.y, first % params.kernel.y);
  let chunk = at / (size.w * cig * (taps / KW));
  if (chunk >= params.chunks) {
    return;
  }
  let last = min((chunk + 1u) * params.chunk, size.x * size.y * ((size.z + PX - 1u) / PX));
  var acc: array<Element, KW>;
  var v: array<Element, PX + KW - 1u>;
  for (var run = chunk * params.chunk; run < last; run++) {
    let p = placeOf(run);
    for (var j = 0u; j < PX + KW - 1u; j++) {
      v[j] = under(p, j, k, c / params.kernel.w * cig + i);
    }
    for (var j = 0u; j < PX; j++) {
      let d = Element(dy[pixel(p, j, c)]);
      for (var t = 0u; t < KW; t++) {
        // Beyond the row nothing is added: x there may be one of the next pixels, and 0 times NaN is NaN.
        acc[t] += select(Element(0.0), v[j + t] * d, p.z + j < size.z);
      }
    }
  }
  for (var t = 0u; t < KW; t++) {
    parts[((chunk * taps + first + t) * cig + i) * size.w + c] = acc[t];
  }
}
