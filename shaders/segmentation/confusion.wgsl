// Confusion counts [c, c], rows = truth, added to what is there, by integer atomics (exact in any order). Pixels whose
// truth or prediction is not a class are dropped. A workgroup counts by itself while the matrix is small enough, to
// keep most atomics out of global memory. Counts saturate at 2^32 - 1 instead of wrapping.

const WG: u32 = 64u;
const LOCAL: u32 = 1024u;

struct Params {
  n: u32,
  c: u32,
  ignore: i32,
  /// Pixels for each thread.
  items: u32,
}

@group(0) @binding(0) var<storage, read> truth: array<i32>;
@group(0) @binding(1) var<storage, read> prediction: array<i32>;
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> local: array<atomic<u32>, LOCAL>;

/// Adds to a count. An addition that wraps stores the greatest value instead; every later one wraps and does the same.
fn raise(cell: u32, by: u32) {
  let before = atomicAdd(&counts[cell], by);
  if (before > 0xffffffffu - by) {
    atomicStore(&counts[cell], 0xffffffffu);
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  let cells = params.c * params.c;
  let small = cells <= LOCAL;
  for (var k = 0u; k < params.items; k++) {
    let p = (group.x * params.items + k) * WG + lane;
    if (p >= params.n) {
      break;
    }
    let t = truth[p];
    let y = prediction[p];
    if (t == params.ignore || t < 0 || t >= i32(params.c) || y < 0 || y >= i32(params.c)) {
      continue;
    }
    let cell = u32(t) * params.c + u32(y);
    if (small) {
      atomicAdd(&local[cell], 1u);
    } else {
      raise(cell, 1u);
    }
  }
  workgroupBarrier();
  if (small) {
    for (var i = lane; i < cells; i += WG) {
      let sum = atomicLoad(&local[i]);
      if (sum != 0u) {
        raise(i, sum);
      }
    }
  }
}
