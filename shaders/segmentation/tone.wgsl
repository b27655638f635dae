// What autocontrast, equalize and contrast need to know of a whole image: histograms (integer atomics: exact in any
// order) and tables from them. The rows are those that
// randaugment.wgsl carries out.

// #import operation

const WG: u32 = 64u;

struct Params {
  n: u32,
  pixels: u32,
  slot: u32,
  slots: u32,
  /// Workgroups of an image's histogram, and pixels for each of their threads.
  groups: u32,
  items: u32,
}

@group(0) @binding(0) var<storage, read> table: array<i32>;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read> histograms: array<u32>;
@group(0) @binding(4) var<storage, read_write> luts: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

var<workgroup> bins: array<atomic<u32>, BINS>;

/// Counts of the three channels and of grey, for the images whose operation looks at them: autocontrast, equalize,
/// contrast.
@compute @workgroup_size(WG)
fn histogram(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  let k = group.x / params.groups;
  let op = table[row_of(k)];
  let pixels = params.pixels;
  let needed = op == OPERATION_AUTOCONTRAST || op == OPERATION_EQUALIZE || op == OPERATION_CONTRAST;
  if (needed) {
    for (var i = 0u; i < params.items; i++) {
      let p = (group.x % params.groups * params.items + i) * WG + lane;
      if (p >= pixels) {
        break;
      }
      let v = channels(x[k * pixels + p]);
      atomicAdd(&bins[u32(v.x)], 1u);
      atomicAdd(&bins[256u + u32(v.y)], 1u);
      atomicAdd(&bins[512u + u32(v.z)], 1u);
      atomicAdd(&bins[768u + u32(grey(v))], 1u);
    }
  }
  workgroupBarrier();
  if (needed) {
    for (var i = lane; i < BINS; i += WG) {
      let sum = atomicLoad(&bins[i]);
      if (sum != 0u) {
        atomicAdd(&counts[k * BINS + i], sum);
      }
    }
  }
}

/// Table of one channel of one image: autocontrast (255 (v - low) / (high - low)), equalize, or in the fourth channel
/// the mean of grey.
@compute @workgroup_size(WG)
fn tables(@builtin(global_invocation_id) id: vec3<u32>) {
  let k = id.x / 4u;
  if (k >= params.n) {
    return;
  }
  let op = table[row_of(k)];
  let at = k * BINS + id.x % 4u * 256u;
  if (op == OPERATION_CONTRAST) {
    var sum = 0u;
    for (var v = 0u; v < 256u; v++) {
      sum += v * histograms[at + v];
    }
    let rest = sum % params.pixels;
    luts[at] = sum / params.pixels + select(0u, 1u, 2u * rest >= params.pixels);
    return;
  }
  if (op != OPERATION_AUTOCONTRAST && op != OPERATION_EQUALIZE) {
    return;
  }
  var low = 255u;
  var high = 0u;
  for (var v = 0u; v < 256u; v++) {
    if (histograms[at + v] != 0u) {
      low = min(low, v);
      high = v;
    }
  }
  let step = (params.pixels - histograms[at + high]) / 255u;
  var sum = step / 2u;
  for (var v = 0u; v < 256u; v++) {
    var to = v;
    if (op == OPERATION_AUTOCONTRAST && high > low) {
      to = 255u * (clamp(v, low, high) - low) / (high - low);
    } else if (op == OPERATION_EQUALIZE && step > 0u && high > low) {
      to = min(255u, sum / step);
    }
    luts[at + v] = to;
    sum += histograms[at + v];
  }
}
