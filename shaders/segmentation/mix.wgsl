// CutMix: masks from boxes, and images, scores and labels mixed by them: y = mask ? b[partner] : a.

// #import grid

const WG: u32 = 64u;

struct Params {
  size: vec4<u32>,   // images, height, width, values of a pixel
  boxes: u32,        // boxes of a mask
  shift: u32,        // image k is mixed with image (k + shift) mod n of b
  outside: u32,      // value of the mask outside all boxes
}

@group(0) @binding(0) var<storage, read> boxes: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read_write> mask: array<f32>;
@group(0) @binding(2) var<storage, read> mask_in: array<f32>;
@group(0) @binding(3) var<storage, read> a: array<u32>;
@group(0) @binding(4) var<storage, read> b: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<u32>;
@group(0) @binding(6) var<uniform> params: Params;

/// `outside`, inverted by each of the image's boxes [y0, x0, y1, x1]: boxes that overlap cancel.
@compute @workgroup_size(WG)
fn boxMask(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  let size = params.size;
  if (p < size.x * size.y * size.z) {
    let k = p / (size.y * size.z);
    let at = vec2<i32>(vec2<u32>(p / size.z % size.y, p % size.z));
    var inside = params.outside;
    for (var i = 0u; i < params.boxes; i++) {
      let box = boxes[k * params.boxes + i];
      inside ^= select(0u, 1u, all(at >= box.xy) && all(at < box.zw));
    }
    mask[p] = f32(inside);
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.size;
  let image = size.y * size.z * size.w;
  if (i < size.x * image) {
    let k = i / image;
    let partner = (k + params.shift) % size.x * image + i % image;
    if (mask_in[i / size.w] > 0.5) {
      y[i] = b[partner];
    } else {
      y[i] = a[i];
    }
  }
}
