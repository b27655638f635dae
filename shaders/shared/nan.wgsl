// NaN comes out where NaN went in, as IEEE 754 and PyTorch have it. WGSL lets a compiler assume that no value is NaN, so `max`, `min`, `clamp`, a comparison
// and even `v != v` may lose it. These forms recognise NaN by its bits, which no compiler may assume anything about. Brought in by a line `// #import nan`;
// f16 values are converted to f32 before.

/// Whether v is NaN.
fn is_nan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

/// Whether each component of v is NaN.
fn is_nan4(v: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
}

/// NaN, whatever v is: WGSL has no literal for it.
fn nan_of(v: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(v) | 0x7fc00000u);
}

/// The larger of two values, NaN where either is NaN.
fn max_nan(a: f32, b: f32) -> f32 {
  return select(select(max(a, b), b, is_nan(b)), a, is_nan(a));
}

/// The smaller of two values, NaN where either is NaN.
fn min_nan(a: f32, b: f32) -> f32 {
  return select(select(min(a, b), b, is_nan(b)), a, is_nan(a));
}

/// v between two limits that are numbers.
fn clamp_nan(v: f32, low: f32, high: f32) -> f32 {
  return select(clamp(v, low, high), v, is_nan(v));
}

/// max(v, 0).
fn relu_nan(v: f32) -> f32 {
  return select(max(v, 0.0), v, is_nan(v));
}

/// max(v, 0) of each component.
fn relu_nan4(v: vec4<f32>) -> vec4<f32> {
  return select(max(v, vec4<f32>(0.0)), v, is_nan4(v));
}
