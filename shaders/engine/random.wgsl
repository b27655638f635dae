// Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011), the same generator as runtime/random.ts. Thread
// i makes the four words of counter (i, step, 0, 0) under the key (seed, stream), so that a draw depends on seed,
// stream, step and index alone.

// #import grid

const WG: u32 = 64u;

struct Params {
  n: u32,
}

@group(0) @binding(0) var<storage, read> seed: array<u32>;   // seed, stream, step
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

/// High 32 bits of the product: WGSL has no 64-bit integers.
fn mulhi(a: u32, b: u32) -> u32 {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let mid = ah * bl + ((al * bl) >> 16u);
  let low = al * bh + (mid & 0xffffu);
  return ah * bh + (mid >> 16u) + (low >> 16u);
}

fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    c = vec4<u32>(
      mulhi(0xcd9e8d57u, c.z) ^ c.y ^ k.x,
      0xcd9e8d57u * c.z,
      mulhi(0xd2511f53u, c.x) ^ c.w ^ k.y,
      0xd2511f53u * c.x,
    );
    k += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

/// U[0, 1) with 24 bits.
fn fraction(word: u32) -> f32 {
  return f32(word >> 8u) / 16777216.0;
}

/// log(1 - t) for t in [0, 1); near 0, where 1 - t has lost t, by its series.
fn log_below_one(t: f32) -> f32 {
  if (t < 0.0625) {
    return -t * (1.0 + t * (0.5 + t * (1.0 / 3.0 + t * (0.25 + t * (0.2 + t / 6.0)))));
  }
  return log(1.0 - t);
}

/// cos(2 pi t) for t in [0, 1) to some 1e-7: built-in functions may have few right digits.
fn cosine_of_turn(t: f32) -> f32 {
  let q = floor(4.0 * t + 0.5);
  let rest = (4.0 * t - q) * 1.57079633;
  let z = rest * rest;
  let s = rest + rest * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
  let c = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
  let quarter = u32(q) & 3u;
  let r = select(c, s, (quarter & 1u) == 1u);
  return select(r, -r, quarter == 1u || quarter == 2u);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (4u * i < params.n) {
    let words = philox(vec4<u32>(i, seed[2], 0u, 0u), vec2<u32>(seed[0], seed[1]));
    for (var k = 0u; k < min(4u, params.n - 4u * i); k++) {
      y[4u * i + k] = fraction(words[k]);
    }
  }
}

/// Standard normal numbers (Box and Muller 1958), two for the four words of a counter.
@compute @workgroup_size(WG)
fn normal(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (2u * i < params.n) {
    let words = philox(vec4<u32>(i, seed[2], 0u, 0u), vec2<u32>(seed[0], seed[1]));
    for (var k = 0u; k < min(2u, params.n - 2u * i); k++) {
      y[2u * i + k] = sqrt(-2.0 * log_below_one(fraction(words[2u * k]))) * cosine_of_turn(fraction(words[2u * k + 1u]));
    }
  }
}
