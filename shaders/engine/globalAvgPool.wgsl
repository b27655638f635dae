// Mean over height and width: [n, h, w, c] to [n, 1, 1, c].

// #import grid

const WG: u32 = 64u;

struct Params {
  n: u32,
  pixels: u32,
  c: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n * params.c) {
    let first = (i / params.c) * params.pixels * params.c + i % params.c;
    // Sums of at most 256 terms inside a sum of sums: the error grows with the square root of the pixels only.
    var sum = 0.0;
    for (var p = 0u; p < params.pixels; p += 256u) {
      var part = 0.0;
      for (var q = p; q < min(p + 256u, params.pixels); q++) {
        part += x[first + q * params.c];
      }
      sum += part;
    }
    y[i] = sum / f32(params.pixels);
  }
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n * params.pixels * params.c) {
    dx[i] = dy[i / (params.pixels * params.c) * params.c + i % params.c] / f32(params.pixels);
  }
}
