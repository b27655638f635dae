// How often each whole number from 0 to bins - 1 occurs; others are left out. Integer atomics: exact in any order. A
// workgroup counts by itself while the bins are few, to keep most atomics out of global memory.

const WG: u32 = 64u;
const LOCAL: u32 = 1024u;

struct Params {
  n: u32,
  bins: u32,
  /// Elements for each thread.
  items: u32,
}

/// A negative i32 is a large u32.
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<atomic<u32>>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> local: array<atomic<u32>, LOCAL>;

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  let few = params.bins <= LOCAL;
  for (var k = 0u; k < params.items; k++) {
    let i = (group.x * params.items + k) * WG + lane;
    if (i >= params.n) {
      break;
    }
    let v = x[i];
    if (v >= params.bins) {
      continue;
    }
    if (few) {
      atomicAdd(&local[v], 1u);
    } else {
      atomicAdd(&y[v], 1u);
    }
  }
  workgroupBarrier();
  if (few) {
    for (var b = lane; b < params.bins; b += WG) {
      let count = atomicLoad(&local[b]);
      if (count != 0u) {
        atomicAdd(&y[b], count);
      }
    }
  }
}
