// Samples pictures at the points of a grid, NHWC. A point (gx, gy) of [-1, 1] lies at pixel (px, py); its value is that
// of the nearest pixel or the bilinear mean of four.
//
// The gradient of x is scattered: any number of points may add to one pixel. So that the sum does not depend on an
// order it is made in whole numbers: each contribution is split into four limbs of `bits` bits below the largest |dy|
// (an exact split of a float), and integer atomics add each limb up. Where a dy is not finite, values have the first
// two limbs alone, and the others count the infinities that a pixel gets, upward ones and downward ones; NaN is both.

// #import grid
// #import nan

const WG: u32 = 64u;
const NEAREST: bool = false;
const PADDING_ZEROS: u32 = 0u;
const PADDING_BORDER: u32 = 1u;
const PADDING_REFLECTION: u32 = 2u;
/// What lies outside of the picture.
const PADDING: u32 = PADDING_ZEROS;
/// -1 and 1 are the centres of the corner pixels (else their outer edges).
const ALIGN: bool = false;

struct Params {
  x_size: vec4<u32>,   // n, h, w, c
  y_size: vec4<u32>,   // n, h, w, c
  bits: i32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> points: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dpoints: array<vec2<f32>>;
/// The bits of the largest finite |dy|, and whether one is not finite.
@group(0) @binding(5) var<storage, read_write> highest: array<atomic<u32>, 2>;
@group(0) @binding(6) var<storage, read_write> limb0: array<atomic<i32>>;
@group(0) @binding(7) var<storage, read_write> limb1: array<atomic<i32>>;
@group(0) @binding(8) var<storage, read_write> limb2: array<atomic<i32>>;
@group(0) @binding(9) var<storage, read_write> limb3: array<atomic<i32>>;
@group(0) @binding(10) var<storage, read_write> dx: array<f32>;
@group(0) @binding(11) var<uniform> params: Params;

/// The position of a coordinate along an axis of `size` pixels, and its derivative. NaN is taken for -1, as in PyTorch.
fn position(at: f32, size: u32) -> vec2<f32> {
  let g = select(at, -1.0, is_nan(at));
  let s = f32(size);
  var p = select(((g + 1.0) * s - 1.0) * 0.5, (g + 1.0) * 0.5 * (s - 1.0), ALIGN);
  var slope = select(0.5 * s, 0.5 * (s - 1.0), ALIGN);
  if (PADDING == PADDING_ZEROS) {
    // Further out nothing changes: no pixel is in reach.
    return vec2<f32>(clamp(p, -2.0, s + 1.0), slope);
  }
  if (PADDING == PADDING_REFLECTION) {
    let low = select(-0.5, 0.0, ALIGN);
    let span = select(s, max(s - 1.0, 1.0), ALIGN);
    var d = p - low;
    if (d < 0.0) {
      d = -d;
      slope = -slope;
    }
    let flips = floor(d / span);
    d -= flips * span;
    if (flips - 2.0 * floor(flips * 0.5) == 1.0) {
      d = span - d;
      slope = -slope;
    }
    p = d + low;
  }
  return select(vec2<f32>(clamp(p, 0.0, s - 1.0), 0.0), vec2<f32>(p, slope), p > 0.0 && p < s - 1.0);
}

/// Row, column, and how they move with the point.
fn locate(i: u32) -> vec4<f32> {
  let g = points[i];
  let v = position(g.y, params.x_size.y);
  let h = position(g.x, params.x_size.z);
  return vec4<f32>(v.x, h.x, v.y, h.y);
}

/// Where pixel (row, column) of the image that point i samples begins; beyond the end of x for a pixel outside of it.
fn pixel(i: u32, at: vec2<f32>) -> u32 {
  let size = params.x_size;
  if (at.x < 0.0 || at.y < 0.0 || at.x >= f32(size.y) || at.y >= f32(size.z)) {
    return size.x * size.y * size.z * size.w;
  }
  let n = i / (params.y_size.y * params.y_size.z);
  return ((n * size.y + u32(at.x)) * size.z + u32(at.y)) * size.w;
}

struct Tap {
  first: u32,
  weight: f32,
}

/// One of the (up to) four pixels that a point takes.
fn tap(i: u32, at: vec2<f32>, corner: u32) -> Tap {
  if (NEAREST) {
    return Tap(pixel(i, round(at)), select(0.0, 1.0, corner == 0u));
  }
  let low = floor(at);
  let f = at - low;
  let step = vec2<f32>(f32(corner >> 1u), f32(corner & 1u));
  let w = select(vec2<f32>(1.0) - f, f, step == vec2<f32>(1.0));
  return Tap(pixel(i, low + step), w.x * w.y);
}

const TAPS: u32 = select(4u, 1u, NEAREST);

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let k = linear_index(id, grid);
  let size = params.y_size;
  if (k < size.x * size.y * size.z * size.w) {
    let i = k / size.w;
    let at = locate(i).xy;
    let end = params.x_size.x * params.x_size.y * params.x_size.z * params.x_size.w;
    var sum = 0.0;
    for (var corner = 0u; corner < TAPS; corner++) {
      let t = tap(i, at, corner);
      // A pixel of no weight is not looked at: it may be NaN.
      if (t.first < end && t.weight != 0.0) {
        sum += t.weight * x[t.first + k % size.w];
      }
    }
    y[k] = sum;
  }
}

@compute @workgroup_size(WG)
fn gridGrad(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.y_size;
  if (i < size.x * size.y * size.z) {
    let at = locate(i);
    let end = params.x_size.x * params.x_size.y * params.x_size.z * params.x_size.w;
    let low = floor(at.xy);
    let f = at.xy - low;
    var d = vec2<f32>(0.0);
    for (var corner = 0u; corner < 4u; corner++) {
      let step = vec2<f32>(f32(corner >> 1u), f32(corner & 1u));
      let first = pixel(i, low + step);
      if (first < end) {
        var sum = 0.0;
        for (var c = 0u; c < size.w; c++) {
          sum += x[first + c] * dy[i * size.w + c];
        }
        // The weight is (row part)(column part): its derivatives.
        let sign = 2.0 * step - vec2<f32>(1.0);
        let other = select(vec2<f32>(1.0) - f, f, step == vec2<f32>(1.0));
        d += sum * sign * other.yx;
      }
    }
    dpoints[i] = vec2<f32>(d.y * at.w, d.x * at.z);
  }
}

@compute @workgroup_size(WG)
fn largest(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let first = linear_index(id, grid) * 16u;
  let size = params.y_size;
  let end = min(first + 16u, size.x * size.y * size.z * size.w);
  var top = 0u;
  var finite = true;
  for (var k = first; k < end; k++) {
    let bits = bitcast<u32>(dy[k]) & 0x7fffffffu;
    top = max(top, select(0u, bits, bits < 0x7f800000u));
    finite &= bits < 0x7f800000u;
  }
  if (top > 0u) {
    atomicMax(&highest[0], top);
  }
  if (!finite) {
    atomicStore(&highest[1], 1u);
  }
}

/// 2^k for k from -126 to 127, exactly.
fn power(k: i32) -> f32 {
  return bitcast<f32>(u32(k + 127) << 23u);
}

/// The k of the factor 2^k that brings the largest |dy| below 2^bits.
fn exponent(top: u32) -> i32 {
  return params.bits - max(i32(top >> 23u) - 126, -96);
}

@compute @workgroup_size(WG)
fn scatter(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let k = linear_index(id, grid);
  let size = params.y_size;
  if (k < size.x * size.y * size.z * size.w) {
    let i = k / size.w;
    let at = locate(i).xy;
    let end = params.x_size.x * params.x_size.y * params.x_size.z * params.x_size.w;
    let unit = power(exponent(atomicLoad(&highest[0])));
    let next = power(params.bits);
    let finite = atomicLoad(&highest[1]) == 0u;
    let bits = bitcast<u32>(dy[k]);
    for (var corner = 0u; corner < TAPS; corner++) {
      let t = tap(i, at, corner);
      if (t.first < end && t.weight != 0.0) {
        let to = t.first + k % size.w;
        if ((bits & 0x7fffffffu) >= 0x7f800000u) {
          let missing = is_nan(dy[k]);
          atomicAdd(&limb2[to], select(0, 1, missing || (bits >> 31u) == 0u));
          atomicAdd(&limb3[to], select(0, 1, missing || (bits >> 31u) == 1u));
          continue;
        }
        let v = dy[k] * t.weight * unit;
        let a = (v - trunc(v)) * next;
        let b = (a - trunc(a)) * next;
        let c = (b - trunc(b)) * next;
        atomicAdd(&limb0[to], i32(trunc(v)));
        atomicAdd(&limb1[to], i32(trunc(a)));
        if (finite) {
          atomicAdd(&limb2[to], i32(trunc(b)));
          atomicAdd(&limb3[to], i32(round(c)));
        }
      }
    }
  }
}

@compute @workgroup_size(WG)
fn collect(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let k = linear_index(id, grid);
  let size = params.x_size;
  if (k < size.x * size.y * size.z * size.w) {
    let next = power(-params.bits);
    let finite = atomicLoad(&highest[1]) == 0u;
    let third = atomicLoad(&limb2[k]);
    let fourth = atomicLoad(&limb3[k]);
    var sum = select(0.0, (f32(third) + f32(fourth) * next) * next, finite);
    sum = (sum + f32(atomicLoad(&limb1[k]))) * next;
    sum = (sum + f32(atomicLoad(&limb0[k]))) * power(-exponent(atomicLoad(&highest[0])));
    if (!finite && (third > 0 || fourth > 0)) {
      // One infinity, or both, whose sum is NaN.
      sum = bitcast<f32>(select(select(0x7f800000u, 0xff800000u, third == 0), 0x7fc00000u, third > 0 && fourth > 0));
    }
    dx[k] = sum;
  }
}
