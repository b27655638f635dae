// Fills a tensor with one value: n words of 32 bits of any dtype.

// #import grid

const WG: u32 = 64u;

struct Params {
  n: u32,
  word: u32,
}

@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@group(0) @binding(1) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    y[i] = params.word;
  }
}
