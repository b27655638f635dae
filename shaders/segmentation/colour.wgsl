// Strong colour augmentation of images in [0, 1], NHWC with three channels. Each image has its own row of draws and its
// own order of the four operations, so they run in four rounds: in each, every image applies its own. Contrast needs
// the mean of the image as it stands, which `sums` and `means` make before each round. Then greyscale; the blur is
// separable, with the image's own sigma.

// #import grid

const WG: u32 = 64u;
const TENSORFLOW: bool = false;
const GREY = vec3<f32>(0.2989, 0.587, 0.114);
const CHUNK: u32 = 256u;

struct Params {
  n: u32,
  height: u32,
  width: u32,
  round: u32,
  chunks: u32,
  vertical: u32,
}

/// Rows: order of the operations; brightness, contrast, saturation, hue; jitter on, grey on, sigma, 0.
@group(0) @binding(0) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> parts: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> partials: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> mean: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> means_in: array<vec4<f32>>;
@group(0) @binding(7) var<uniform> params: Params;

fn load(p: u32) -> vec3<f32> {
  return vec3<f32>(x[3u * p], x[3u * p + 1u], x[3u * p + 2u]);
}

fn save(p: u32, v: vec3<f32>) {
  y[3u * p] = v.x;
  y[3u * p + 1u] = v.y;
  y[3u * p + 2u] = v.z;
}

/// Sums over a chunk of an image: the three channels, and the grey value.
@compute @workgroup_size(WG)
fn sums(@builtin(global_invocation_id) id: vec3<u32>) {
  let i = id.x;
  if (i < params.n * params.chunks) {
    let pixels = params.height * params.width;
    let base = i / params.chunks * pixels;
    let first = i % params.chunks * CHUNK;
    var sum = vec4<f32>(0.0);
    for (var p = first; p < min(first + CHUNK, pixels); p++) {
      let v = load(base + p);
      sum += vec4<f32>(v, dot(v, GREY));
    }
    parts[i] = sum;
  }
}

@compute @workgroup_size(WG)
fn means(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < params.n) {
    var sum = vec4<f32>(0.0);
    for (var c = 0u; c < params.chunks; c++) {
      sum += partials[id.x * params.chunks + c];
    }
    mean[id.x] = sum / f32(params.height * params.width);
  }
}

fn toHsv(v: vec3<f32>) -> vec3<f32> {
  let high = max(v.x, max(v.y, v.z));
  let d = high - min(v.x, min(v.y, v.z));
  if (d == 0.0) {
    return vec3<f32>(0.0, 0.0, high);
  }
  var h: f32;
  if (v.x == high) {
    h = (v.y - v.z) / d;
  } else if (v.y == high) {
    h = 2.0 + (v.z - v.x) / d;
  } else {
    h = 4.0 + (v.x - v.y) / d;
  }
  return vec3<f32>(fract(h / 6.0 + 1.0), d / high, high);
}

fn toRgb(v: vec3<f32>) -> vec3<f32> {
  let k = fract(vec3<f32>(v.x, v.x + 2.0 / 3.0, v.x + 1.0 / 3.0)) * 6.0;
  let ramp = clamp(abs(k - 3.0) - 1.0, vec3<f32>(0.0), vec3<f32>(1.0));
  return v.z * mix(vec3<f32>(1.0), ramp, v.y);
}

fn clipped(v: vec3<f32>) -> vec3<f32> {
  return clamp(v, vec3<f32>(0.0), vec3<f32>(1.0));
}

/// The four operations, in the order that the table gives.
alias JITTER = u32;
const JITTER_BRIGHTNESS: JITTER = 0u;
const JITTER_CONTRAST: JITTER = 1u;
const JITTER_SATURATION: JITTER = 2u;
const JITTER_HUE: JITTER = 3u;

@compute @workgroup_size(WG)
fn jitter(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  let pixels = params.height * params.width;
  if (p >= params.n * pixels) {
    return;
  }
  let k = p / pixels;
  let order = table[3u * k];
  let value = table[3u * k + 1u];
  let v = load(p);
  let op = u32(select(select(select(order.w, order.z, params.round == 2u), order.y, params.round == 1u), order.x, params.round == 0u));
  var out = v;
  if (table[3u * k + 2u].x != 0.0) {
    if (op == JITTER_BRIGHTNESS) {
      out = clipped(select(v * value.x, v + value.x, TENSORFLOW));
    } else if (op == JITTER_CONTRAST) {
      let m = select(vec3<f32>(means_in[k].w), means_in[k].xyz, TENSORFLOW);
      out = clipped(m + (v - m) * value.y);
    } else if (op == JITTER_SATURATION) {
      if (TENSORFLOW) {
        let hsv = toHsv(v);
        out = clipped(toRgb(vec3<f32>(hsv.x, clamp(hsv.y * value.z, 0.0, 1.0), hsv.z)));
      } else {
        let m = vec3<f32>(dot(v, GREY));
        out = clipped(m + (v - m) * value.z);
      }
    } else {
      let hsv = toHsv(v);
      out = clipped(toRgb(vec3<f32>(fract(hsv.x + value.w + 1.0), hsv.yz)));
    }
  }
  if (params.round == 3u && table[3u * k + 2u].y != 0.0) {
    out = vec3<f32>(dot(out, GREY));
  }
  save(p, out);
}

/// One direction of a Gaussian blur with radius ceil(3 sigma); the border is repeated.
@compute @workgroup_size(WG)
fn blur(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  let pixels = params.height * params.width;
  if (p >= params.n * pixels) {
    return;
  }
  let k = p / pixels;
  let sigma = table[3u * k + 2u].z;
  if (sigma == 0.0) {
    save(p, load(p));
    return;
  }
  let row = p / params.width % params.height;
  let column = p % params.width;
  let radius = i32(ceil(3.0 * sigma));
  var sum = vec3<f32>(0.0);
  var total = 0.0;
  for (var d = -radius; d <= radius; d++) {
    let weight = exp(-0.5 * f32(d * d) / (sigma * sigma));
    var at = p;
    if (params.vertical == 1u) {
      at = p + u32(clamp(i32(row) + d, 0, i32(params.height) - 1)) * params.width - row * params.width;
    } else {
      at = p + u32(clamp(i32(column) + d, 0, i32(params.width) - 1)) - column;
    }
    sum += weight * load(at);
    total += weight;
  }
  save(p, sum / total);
}
