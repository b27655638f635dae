// Labels as vectors: one-hot in each pixel, or the classes that occur in an image. No gradient.

// #import grid

const WG: u32 = 64u;
const WEIGHT: bool = false;
/// Classes that a workgroup can note.
const LOCAL: u32 = 256u;

struct Params {
  n: u32,      // elements of forward, pixels of an image of present
  c: u32,
  only: i32,   // the one class that counts, or -1
}

@group(0) @binding(0) var<storage, read> labels: array<i32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    let pixel = i / params.c;
    let label = labels[pixel];
    var value = 1.0;
    if (WEIGHT) {
      value = weight[pixel];
    }
    y[i] = select(0.0, value, label == i32(i % params.c) && (params.only < 0 || label == params.only));
  }
}

var<workgroup> seen: array<atomic<u32>, LOCAL>;

/// A workgroup for each image.
@compute @workgroup_size(WG)
fn present(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  for (var p = lane; p < params.n; p += WG) {
    let label = labels[group.x * params.n + p];
    if (label >= 0 && label < i32(params.c)) {
      atomicStore(&seen[label], 1u);
    }
  }
  workgroupBarrier();
  for (var c = lane; c < params.c; c += WG) {
    y[group.x * params.c + c] = f32(atomicLoad(&seen[c]));
  }
}
