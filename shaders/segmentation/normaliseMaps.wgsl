// Activation maps to [0, 1]: each channel of each image is rectified, and divided by its largest value, or stretched
// from its least to its largest. A map without any spread becomes 0, a map with a NaN becomes NaN. One workgroup per
// channel of an image. No gradient.

// #import nan
// #import tree

const WG: u32 = 64u;
/// (minimum, maximum).
alias Part = vec2f;
/// The least spread: denormals count as 0, even on adapters that keep them.
const LEAST: f32 = 1.1754944e-38;
/// Subtract the least value first.
const MIN_MAX: bool = false;
/// There is a factor for each channel of each image.
const PRESENT: bool = false;

struct Params {
  pixels: u32,
  c: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> present: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

/// The lower of two minima, and the higher of two maxima.
fn combine(a: Part, b: Part) -> Part {
  return vec2f(min_nan(a.x, b.x), max_nan(a.y, b.y));
}

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  let channel = group.x;
  let first = group.y * params.pixels * params.c + channel;
  var low = 3.4028234e38;
  var high = 0.0;
  for (var p = lane; p < params.pixels; p += WG) {
    let v = relu_nan(x[first + p * params.c]);
    low = min_nan(low, v);
    high = max_nan(high, v);
  }
  let range = tree_combine(lane, WG, vec2f(low, high));
  var base = 0.0;
  if (MIN_MAX) {
    base = range.x;
  }
  let spread = range.y - base;
  var factor = 1.0;
  if (PRESENT) {
    factor = present[group.y * params.c + channel];
  }
  for (var p = lane; p < params.pixels; p += WG) {
    let at = first + p * params.c;
    // Dividing, instead of multiplying by an inverse, which overflows for a tiny spread.
    let part = min_nan((max(x[at], 0.0) - base) / max(spread, LEAST), 1.0);
    y[at] = select(select(0.0, factor * part, spread >= LEAST), spread, is_nan(spread));
  }
}
