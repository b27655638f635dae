// CutOut: boxes of an image are filled, their labels set to the ignore index and their validity to 0.

// #import grid

const WG: u32 = 64u;
const IGNORE: i32 = 255;
/// Fill with the pixels of `noise`, not with one colour.
const NOISE: bool = false;

struct Params {
  size: vec4<u32>,   // images, height, width, boxes of an image
  fill: vec3<f32>,
}

@group(0) @binding(0) var<storage, read> boxes: array<vec4<i32>>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> noise: array<f32>;
@group(0) @binding(3) var<storage, read> labels_in: array<i32>;
@group(0) @binding(4) var<storage, read> valid_in: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> labels: array<i32>;
@group(0) @binding(7) var<storage, read_write> valid: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

/// Does pixel p lie in one of its image's boxes [y0, x0, y1, x1]?
fn cut(p: u32) -> bool {
  let size = params.size;
  let k = p / (size.y * size.z);
  let at = vec2<i32>(vec2<u32>(p / size.z % size.y, p % size.z));
  var inside = false;
  for (var i = 0u; i < size.w; i++) {
    let box = boxes[k * size.w + i];
    inside = inside || (all(at >= box.xy) && all(at < box.zw));
  }
  return inside;
}

fn pixels() -> u32 {
  return params.size.x * params.size.y * params.size.z;
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p < pixels()) {
    let inside = cut(p);
    for (var c = 0u; c < 3u; c++) {
      let i = 3u * p + c;
      var fill = params.fill[c];
      if (NOISE) {
        fill = noise[i];
      }
      y[i] = select(x[i], fill, inside);
    }
  }
}

@compute @workgroup_size(WG)
fn cutLabels(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p < pixels()) {
    labels[p] = select(labels_in[p], IGNORE, cut(p));
  }
}

@compute @workgroup_size(WG)
fn cutValid(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  if (p < pixels()) {
    valid[p] = select(valid_in[p], 0.0, cut(p));
  }
}
