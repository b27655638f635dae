// Image operations as Pillow has them, on 8-bit texels r | g << 8 | b << 16, in integers: every adapter gives the same
// values. Each image has its own row of numbers for each slot; a slot is one pass over the pixels, after the histograms
// and tables of tone.wgsl.
// Row: operation, value, blend, method, affine a..f in 1/65536 (or from there on weights of a blur), box y0, x0, y1,
// x1, 0, 0. Factors are in 1/4096.

// #import grid
// #import operation

const WG: u32 = 64u;

struct Params {
  n: u32,
  height: u32,
  width: u32,
  slot: u32,
  slots: u32,
  /// What fills the place of pixels from outside: a texel, or the bits of a map's element.
  fill: u32,
}

@group(0) @binding(0) var<storage, read> table: array<i32>;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> lut: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

fn texel(v: vec3<i32>) -> u32 {
  let c = vec3<u32>(clamp(v, vec3<i32>(0), vec3<i32>(255)));
  return c.x | (c.y << 8u) | (c.z << 16u);
}

/// Hue moved by `shift` of 256, through Pillow's 8-bit HSV.
fn hue(v: vec3<i32>, shift: i32) -> vec3<i32> {
  let high = max(v.x, max(v.y, v.z));
  let d = high - min(v.x, min(v.y, v.z));
  var h = 0;
  var s = 0;
  if (d > 0) {
    var sector = v.y - v.z;
    if (v.x != high) {
      sector = select(4 * d + v.x - v.y, 2 * d + v.z - v.x, v.y == high);
    }
    h = (255 * ((sector + 6 * d) % (6 * d))) / (6 * d);
    s = (255 * d) / high;
  }
  h = (h + shift) & 255;
  let part = (6 * h) % 255;
  let p = (2 * high * (255 - s) + 255) / 510;
  let q = (2 * high * (65025 - s * part) + 65025) / 130050;
  let t = (2 * high * (65025 - s * (255 - part)) + 65025) / 130050;
  switch ((6 * h / 255) % 6) {
    case 0: { return vec3<i32>(high, t, p); }
    case 1: { return vec3<i32>(q, high, p); }
    case 2: { return vec3<i32>(p, high, t); }
    case 3: { return vec3<i32>(p, q, high); }
    case 4: { return vec3<i32>(t, p, high); }
    default: { return vec3<i32>(high, p, q); }
  }
}

/// A 3x3 (SMOOTH: centre 5, others 1, over 13) or 5x5 filter (BLUR: the outer ring, over 16). Pillow leaves the border
/// as it is.
fn filtered(first: u32, i: i32, j: i32, radius: i32) -> vec3<i32> {
  let w = i32(params.width);
  let centre = channels(x[first + u32(i * w + j)]);
  if (i < radius || j < radius || i >= i32(params.height) - radius || j >= w - radius) {
    return centre;
  }
  var sum = select(vec3<i32>(0), 4 * centre, radius == 1);
  for (var a = i - radius; a <= i + radius; a++) {
    for (var b = j - radius; b <= j + radius; b++) {
      if (radius == 1 || max(abs(a - i), abs(b - j)) == 2) {
        sum += channels(x[first + u32(a * w + b)]);
      }
    }
  }
  return select((sum + 8) >> vec3<u32>(4u), (2 * sum + 13) / 26, radius == 1);
}

/// Gaussian with weights in 1/2048, radius in the row's `method`; the border is repeated.
fn gaussian(first: u32, i: i32, j: i32, row: u32) -> vec3<i32> {
  let radius = table[row + 3u];
  var sum = vec3<i32>(0);
  for (var a = -radius; a <= radius; a++) {
    let line = first + u32(clamp(i + a, 0, i32(params.height) - 1)) * params.width;
    for (var b = -radius; b <= radius; b++) {
      let weight = table[row + 4u + u32(abs(a))] * table[row + 4u + u32(abs(b))];
      sum += weight * channels(x[line + u32(clamp(j + b, 0, i32(params.width) - 1))]);
    }
  }
  return (sum + (1 << 21u)) >> vec3<u32>(22u);
}

fn sinc(t: f32) -> f32 {
  let a = 3.14159265 * t;
  return select(sin(a) / a, 1.0, abs(t) < 1e-6);
}

/// Pillow's resampling filters.
alias METHOD = i32;
const METHOD_LANCZOS: METHOD = 0;
const METHOD_BICUBIC: METHOD = 1;
const METHOD_BILINEAR: METHOD = 2;
const METHOD_BOX: METHOD = 3;
const METHOD_HAMMING: METHOD = 4;
const METHOD_NEAREST: METHOD = 5;

fn reach(method: i32) -> f32 {
  switch (method) {
    case METHOD_LANCZOS: { return 3.0; }
    case METHOD_BICUBIC: { return 2.0; }
    case METHOD_BOX: { return 0.5; }
    default: { return 1.0; }
  }
}

/// The filter's weight at a distance.
fn weigh(method: i32, signed_t: f32) -> f32 {
  let t = abs(signed_t);
  if (t >= reach(method) && method != METHOD_BOX) {
    return 0.0;
  }
  switch (method) {
    case METHOD_LANCZOS: { return sinc(t) * sinc(t / 3.0); }
    case METHOD_BICUBIC: { return select(((2.5 - 0.5 * t) * t - 4.0) * t + 2.0, (1.5 * t - 2.5) * t * t + 1.0, t < 1.0); }
    case METHOD_BILINEAR: { return 1.0 - t; }
    case METHOD_BOX: { return 1.0; }
    default: { return sinc(t) * (0.54 + 0.46 * cos(3.14159265 * t)); }
  }
}

/// The image's box, enlarged to the whole image: along the lines, rounded to 8 bits, then along the columns.
fn enlarged(first: u32, i: i32, j: i32, row: u32) -> vec3<i32> {
  let method = table[row + 3u];
  let corner = vec2<i32>(table[row + 10u], table[row + 11u]);
  let size = vec2<i32>(table[row + 12u], table[row + 13u]) - corner;
  let centre = (vec2<f32>(f32(i), f32(j)) + 0.5) * vec2<f32>(size) / vec2<f32>(f32(params.height), f32(params.width));
  let low = max(vec2<i32>(centre - reach(method) + 0.5), vec2<i32>(0));
  let high = min(vec2<i32>(centre + reach(method) + 0.5), size);
  var sum = vec3<f32>(0.0);
  var total = 0.0;
  for (var a = low.x; a < high.x; a++) {
    var line = vec3<f32>(0.0);
    var along = 0.0;
    for (var b = low.y; b < high.y; b++) {
      let weight = weigh(method, f32(b) + 0.5 - centre.y);
      line += weight * vec3<f32>(channels(x[first + u32(corner.x + a) * params.width + u32(corner.y + b)]));
      along += weight;
    }
    let weight = weigh(method, f32(a) + 0.5 - centre.x);
    sum += weight * clamp(floor(line / along + 0.5), vec3<f32>(0.0), vec3<f32>(255.0));
    total += weight;
  }
  return vec3<i32>(floor(sum / total + 0.5));
}

/// Where pixel (i, j) comes from under the row's affine map, nearest; -1 outside the image.
fn source(i: i32, j: i32, row: u32) -> i32 {
  let column = (table[row + 4u] * j + table[row + 5u] * i + table[row + 6u]) >> 16u;
  let line = (table[row + 7u] * j + table[row + 8u] * i + table[row + 9u]) >> 16u;
  let inside = column >= 0 && line >= 0 && column < i32(params.width) && line < i32(params.height);
  return select(-1, line * i32(params.width) + column, inside);
}

fn inBox(i: i32, j: i32, row: u32) -> bool {
  return i >= table[row + 10u] && j >= table[row + 11u] && i < table[row + 12u] && j < table[row + 13u];
}

@compute @workgroup_size(WG)
fn apply(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  let pixels = params.height * params.width;
  if (p >= params.n * pixels) {
    return;
  }
  let k = p / pixels;
  let first = k * pixels;
  let row = row_of(k);
  let i = i32((p - first) / params.width);
  let j = i32((p - first) % params.width);
  let value = table[row + 1u];
  let v = channels(x[p]);
  // The result lies between (or beyond) two colours: a + blend (b - a).
  var a = v;
  var b = v;
  switch (table[row]) {
    case OPERATION_AUTOCONTRAST, OPERATION_EQUALIZE: {
      let at = k * BINS;
      b = vec3<i32>(i32(lut[at + u32(v.x)]), i32(lut[at + 256u + u32(v.y)]), i32(lut[at + 512u + u32(v.z)]));
    }
    case OPERATION_INVERT: { b = 255 - v; }
    case OPERATION_SOLARIZE: { b = select(255 - v, v, v < vec3<i32>(value)); }
    case OPERATION_SOLARIZE_ADD: { b = select(v, min(v + value, vec3<i32>(255)), v < vec3<i32>(128)); }
    case OPERATION_POSTERIZE: { b = v & vec3<i32>(-(1 << u32(8 - value))); }
    case OPERATION_COLOR: { a = vec3<i32>(grey(v)); }
    case OPERATION_CONTRAST: { a = vec3<i32>(i32(lut[k * BINS + 768u])); }
    case OPERATION_BRIGHTNESS: { a = vec3<i32>(0); }
    case OPERATION_SHARPNESS: { a = filtered(first, i, j, 1); }
    case OPERATION_SMOOTH: { b = filtered(first, i, j, 1); }
    case OPERATION_BLUR: { b = filtered(first, i, j, 2); }
    case OPERATION_GAUSSIAN: { b = gaussian(first, i, j, row); }
    case OPERATION_HUE: { b = hue(v, value); }
    case OPERATION_AFFINE: {
      let from_pixel = source(i, j, row);
      b = channels(params.fill);
      if (from_pixel >= 0) {
        b = channels(x[first + u32(from_pixel)]);
      }
    }
    case OPERATION_RESCALE: {
      if (table[row + 3u] == METHOD_NEAREST) {
        b = channels(x[first + u32(source(i, j, row))]);
      } else {
        b = enlarged(first, i, j, row);
      }
    }
    case OPERATION_CUTOUT: { b = select(v, channels(params.fill), inBox(i, j, row)); }
    default: {}
  }
  let blend = table[row + 2u];
  y[p] = texel(clamp(4096 * a + blend * (b - a), vec3<i32>(0), vec3<i32>(255 * 4096)) >> vec3<u32>(12u));
}

/// Moves a map of labels, confidence or validity as `apply` moves the image.
@compute @workgroup_size(WG)
fn warp(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  let pixels = params.height * params.width;
  if (p >= params.n * pixels) {
    return;
  }
  let first = p / pixels * pixels;
  let row = row_of(p / pixels);
  let i = i32((p - first) / params.width);
  let j = i32((p - first) % params.width);
  let op = table[row];
  var from_pixel = i32(p - first);
  if (op == OPERATION_AFFINE || op == OPERATION_RESCALE) {
    from_pixel = source(i, j, row);
  } else if (op == OPERATION_CUTOUT && inBox(i, j, row)) {
    from_pixel = -1;
  }
  if (from_pixel >= 0) {
    y[p] = x[first + u32(from_pixel)];
  } else {
    y[p] = params.fill;
  }
}
