// Elements of one type as another. Both sides are words of 32 bits, an f16 is half of one: no feature of the adapter is
// needed.

// #import grid
// #import nan

const WG: u32 = 64u;
const FROM_F32: u32 = 0u;
const FROM_F16: u32 = 1u;
const FROM_I32: u32 = 2u;
const FROM_U32: u32 = 3u;
/// Dtypes of x and y.
const FROM: u32 = FROM_F32;
const TO_F32: u32 = 0u;
const TO_F16: u32 = 1u;
const TO_I32: u32 = 2u;
const TO_U32: u32 = 3u;
const TO: u32 = TO_I32;

struct Params {
  words: u32,           // of y
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

/// The bits of an f32 with the value of 16 bits of f16.
fn widen(half: u32) -> u32 {
  let sign = (half & 0x8000u) << 16u;
  let magnitude = half & 0x7fffu;
  if (magnitude < 0x400u) { // denormal: a multiple of 2^-24
    return sign | bitcast<u32>(f32(magnitude) * 5.9604644775390625e-8);
  }
  if (magnitude >= 0x7c00u) { // infinite or no number
    return sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13u);
  }
  return sign | ((magnitude << 13u) + 0x38000000u);
}

/// The 16 bits of the f16 next to an f32, halves to even; what is too large becomes infinite.
fn narrow(bits: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    return sign | 0x7e00u;
  }
  if (magnitude >= 0x477ff000u) {
    return sign | 0x7c00u;
  }
  var kept = magnitude - 0x38000000u;
  var drop = 13u;
  if (magnitude < 0x38800000u) { // denormal: the fraction with its leading one, in steps of 2^-24
    kept = (magnitude & 0x7fffffu) | 0x800000u;
    drop = min(126u - (magnitude >> 23u), 31u);
  }
  let even = (kept >> drop) & 1u;
  return sign | ((kept + (1u << (drop - 1u)) - 1u + even) >> drop);
}

fn as_float(i: u32) -> f32 {
  switch FROM {
    case FROM_F32: { return bitcast<f32>(x[i]); }
    case FROM_F16: { return bitcast<f32>(widen((x[i / 2u] >> (16u * (i % 2u))) & 0xffffu)); }
    case FROM_I32: { return f32(bitcast<i32>(x[i])); }
    default: { return f32(x[i]); }
  }
}

/// The bits of an i32: NaN is 0, what is too large becomes the largest, which a float cannot hold.
fn as_i32(v: f32) -> u32 {
  let number = select(v, 0.0, is_nan(v));
  return select(bitcast<u32>(i32(number)), 0x7fffffffu, number >= 2147483648.0);
}

fn as_u32(v: f32) -> u32 {
  let number = select(v, 0.0, is_nan(v));
  return select(u32(number), 0xffffffffu, number >= 4294967296.0);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.words) {
    return;
  }
  switch TO {
    case TO_F32: { y[i] = bitcast<u32>(as_float(i)); }
    case TO_F16: { y[i] = narrow(bitcast<u32>(as_float(2u * i))) | (narrow(bitcast<u32>(as_float(2u * i + 1u))) << 16u); }
    case TO_I32: {
      if (FROM == FROM_U32) {
        y[i] = x[i];
      } else {
        y[i] = as_i32(as_float(i));
      }
    }
    default: {
      if (FROM == FROM_I32) {
        y[i] = x[i];
      } else {
        y[i] = as_u32(as_float(i));
      }
    }
  }
}
