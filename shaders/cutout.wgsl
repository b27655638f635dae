// CutOut: a box of each image is filled, with one colour or with noise of its own in every pixel; maps get a fixed value there.
// Boxes are [y0, x0, y1, x1], end exclusive; an empty one has y0 = y1. Noise: Philox4x32-10 as runtime/random.ts, counter (pixel, step).

const WG: u32 = 64u;
const NOISE: bool = false;

struct Params {
  size: vec3<u32>,       // images, height, width
  value: u32,            // bits of what a map gets in its box
  colour: vec3<f32>,
}

@group(0) @binding(0) var<storage, read> boxes: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> seed: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read> values: array<u32>;
@group(0) @binding(5) var<storage, read_write> covered: array<u32>;
@group(0) @binding(6) var<uniform> params: Params;

/// High half of a product of two 32-bit integers.
fn mulHigh(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let mid = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
  let other = (a & 0xffffu) * (b >> 16u) + (mid & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (mid >> 16u) + (other >> 16u);
}

fn philox(start: vec4<u32>, first_key: vec2<u32>) -> vec4<u32> {
  var c = start;
  var key = first_key;
  for (var round = 0u; round < 10u; round++) {
    c = vec4<u32>(mulHigh(0xcd9e8d57u, c.z) ^ c.y ^ key.x, 0xcd9e8d57u * c.z, mulHigh(0xd2511f53u, c.x) ^ c.w ^ key.y, 0xd2511f53u * c.x);
    key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

fn inside(p: u32) -> bool {
  let box = boxes[p / (params.size.y * params.size.z)];
  let at = vec2<i32>(vec2<u32>(p / params.size.z % params.size.y, p % params.size.z));
  return all(at >= box.xy) && all(at < box.zw);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = id.x + id.y * grid.x * WG;
  if (p >= params.size.x * params.size.y * params.size.z) {
    return;
  }
  var v = vec3<f32>(x[3u * p], x[3u * p + 1u], x[3u * p + 2u]);
  if (inside(p)) {
    v = params.colour;
    if (NOISE) {
      let bits = philox(vec4<u32>(p, seed[2], 0u, 0u), vec2<u32>(seed[0], seed[1]));
      v = vec3<f32>(bits.xyz >> vec3<u32>(8u)) / 16777216.0;
    }
  }
  y[3u * p] = v.x;
  y[3u * p + 1u] = v.y;
  y[3u * p + 2u] = v.z;
}

@compute @workgroup_size(WG)
fn cover(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = id.x + id.y * grid.x * WG;
  if (p < params.size.x * params.size.y * params.size.z) {
    if (inside(p)) {
      covered[p] = params.value;
    } else {
      covered[p] = values[p];
    }
  }
}
