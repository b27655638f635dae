// NaN comes out where NaN went in, as IEEE 754 and PyTorch have it. WGSL lets a compiler assume that no value is NaN,
// so `max`, `min`, `clamp`, a comparison and even `v != v` may lose it. These forms recognise NaN by its bits, which no
// compiler may assume anything about. Brought in by a line `// #import nan`; f16 values are converted to f32 before.
//
// Sums, products and functions like exp carry NaN by themselves. What is masked out is left out by select, never
// multiplied by 0: 0 times NaN is NaN. The zeros of a convolution's padding are values, so a weight of NaN may show
// there.

/// Whether v is NaN.
fn is_nan(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

/// max(v, 0) of each component, in a shader that computes in `Element`: f32 with `alias Bits = u32`, or vec4<f32> with
/// vec4<u32>.
fn relu_nan_each(v: Element) -> Element {
  return select(max(v, Element(0.0)), v, (bitcast<Bits>(v) & Bits(0x7fffffffu)) > Bits(0x7f800000u));
}

/// The gradient d behind that ReLU: it passes where v is positive and, as in PyTorch, where v is NaN.
fn relu_grad_each(d: Element, v: Element) -> Element {
  return select(Element(0.0), d, (v > Element(0.0)) | ((bitcast<Bits>(v) & Bits(0x7fffffffu)) > Bits(0x7f800000u)));
}

/// NaN, whatever v is: WGSL has no literal for it.
fn nan_of(v: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(v) | 0x7fc00000u);
}

/// The larger of two values, NaN where either is NaN.
fn max_nan(one: f32, other: f32) -> f32 {
  return select(select(max(one, other), other, is_nan(other)), one, is_nan(one));
}

/// The smaller of two values, NaN where either is NaN.
fn min_nan(one: f32, other: f32) -> f32 {
  return select(select(min(one, other), other, is_nan(other)), one, is_nan(one));
}

/// v between two limits that are numbers.
fn clamp_nan(v: f32, low: f32, high: f32) -> f32 {
  return select(clamp(v, low, high), v, is_nan(v));
}

/// max(v, 0).
fn relu_nan(v: f32) -> f32 {
  return select(max(v, 0.0), v, is_nan(v));
}

/// The square root; NaN below 0, where the built-in one may be anything.
fn root_nan(v: f32) -> f32 {
  return select(sqrt(v), nan_of(v), v < 0.0);
}

/// The logarithm to base 2; NaN below 0. Denormals are made normal first: built-in functions may read no more than
/// their exponent.
fn log2_nan(v: f32) -> f32 {
  let small = v < 1.1754944e-38;
  return select(log2(select(v, 16777216.0 * v, small)) - select(0.0, 24.0, small), nan_of(v), v < 0.0);
}

/// The natural logarithm; as log2_nan.
fn log_nan(v: f32) -> f32 {
  let small = v < 1.1754944e-38;
  return select(log(select(v, 16777216.0 * v, small)) - select(0.0, 16.635532, small), nan_of(v), v < 0.0);
}
