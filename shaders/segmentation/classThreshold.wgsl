// A confidence threshold for each class: a moving average of the mean confidence of the pixels that are predicted as
// it. Easy classes soon reach a fixed threshold, and rare ones never: with a threshold for each class, some pixels of
// each are kept.
//
// The sums are of integers, confidences in units of 1 / SCALE, so that the order of the atomics does not matter.

// #import grid
// #import nan

const WG: u32 = 64u;
const VALID: bool = false;
/// Classes that a workgroup counts by itself.
const LOCAL: u32 = 256u;
/// A workgroup sees at most 2^16 pixels.
const SCALE: f32 = 65535.0;

struct Params {
  n: u32,
  c: u32,
  /// Pixels for each thread of `sums`.
  items: u32,
  groups: u32,
  decay: f32,
  /// The most that a threshold may be; also that of a class which has not occurred.
  tau: f32,
}

@group(0) @binding(0) var<storage, read> labels: array<i32>;
@group(0) @binding(1) var<storage, read> confidence: array<f32>;
/// For each workgroup the pixels of each class, then their confidences.
@group(0) @binding(2) var<storage, read_write> partials: array<u32>;
@group(0) @binding(3) var<storage, read> parts: array<u32>;
/// Below 0 for a class that has not occurred.
@group(0) @binding(4) var<storage, read_write> means: array<f32>;
@group(0) @binding(5) var<storage, read> thresholds: array<f32>;
@group(0) @binding(6) var<storage, read> valid: array<f32>;
@group(0) @binding(7) var<storage, read_write> gate: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

var<workgroup> pixels: array<atomic<u32>, LOCAL>;
var<workgroup> confidences: array<atomic<u32>, LOCAL>;

@compute @workgroup_size(WG)
fn sums(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  for (var k = 0u; k < params.items; k++) {
    let p = (group.x * params.items + k) * WG + lane;
    if (p < params.n) {
      let y = labels[p];
      // A NaN has no place in a mean of integers, and says nothing about the class.
      if (y >= 0 && y < i32(params.c) && !is_nan(confidence[p])) {
        atomicAdd(&pixels[y], 1u);
        atomicAdd(&confidences[y], u32(clamp(confidence[p], 0.0, 1.0) * SCALE + 0.5));
      }
    }
  }
  workgroupBarrier();
  for (var c = lane; c < params.c; c += WG) {
    partials[group.x * 2u * params.c + c] = atomicLoad(&pixels[c]);
    partials[(group.x * 2u + 1u) * params.c + c] = atomicLoad(&confidences[c]);
  }
}

/// One thread per class.
@compute @workgroup_size(WG)
fn update(@builtin(global_invocation_id) id: vec3<u32>) {
  let c = id.x;
  if (c >= params.c) {
    return;
  }
  var count = 0.0;
  var sum = 0.0;
  for (var g = 0u; g < params.groups; g++) {
    count += f32(parts[g * 2u * params.c + c]);
    sum += f32(parts[(g * 2u + 1u) * params.c + c]) / SCALE;
  }
  if (count > 0.0) {
    let old = means[c];
    let mean = sum / count;
    means[c] = select(mean, params.decay * old + (1.0 - params.decay) * mean, old >= 0.0);
  }
}

@compute @workgroup_size(WG)
fn open(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p >= params.n) {
    return;
  }
  let y = labels[p];
  var accepted = y >= 0 && y < i32(params.c);
  if (accepted) {
    let own = thresholds[y];
    let comparable = !is_nan(own) && !is_nan(confidence[p]);
    accepted = comparable && confidence[p] >= select(params.tau, min(own, params.tau), own >= 0.0);
  }
  if (VALID) {
    accepted = accepted && valid[p] != 0.0;
  }
  gate[p] = select(0.0, 1.0, accepted);
}
