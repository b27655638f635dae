// Nearest-neighbour resize, NHWC: output pixel o is the source pixel at (o + half) scale + offset, rounded down, or up.
// The backward pass gathers, for each source pixel, the outputs that took it.

// #import grid

const WG: u32 = 64u;
/// Or vec4<u32>, where 4 divides the channels: sizes then count vectors. Any dtype of four bytes.
alias Element = u32;
/// Or vec4<f32>.
alias Gradient = f32;
/// Round up.
const UP: bool = false;

struct Params {
  x_size: vec4<u32>,   // n, h, w, c
  y_size: vec4<u32>,   // n, h, w, c
  scale: vec2<f32>,    // source pixels per output pixel
  half: vec2<f32>,
  offset: vec2<f32>,
}

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> y: array<Element>;
@group(0) @binding(2) var<storage, read> dy: array<Gradient>;
@group(0) @binding(3) var<storage, read_write> dx: array<Gradient>;
@group(0) @binding(4) var<uniform> params: Params;

/// The source pixel of output o along an axis (0 vertical, 1 horizontal).
fn source(o: u32, axis: u32) -> u32 {
  let s = (f32(o) + params.half[axis]) * params.scale[axis] + params.offset[axis];
  return u32(clamp(select(floor(s), ceil(s), UP), 0.0, f32(params.x_size[axis + 1u] - 1u)));
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.y_size;
  if (i < size.x * size.y * size.z * size.w) {
    let p = i / size.w;
    let row = p / size.z;
    let place = (row / size.y * params.x_size.y + source(row % size.y, 0u)) * params.x_size.z + source(p % size.z, 1u);
    y[i] = x[place * size.w + i % size.w];
  }
}

/// Outputs that may have taken source pixel s: the first, and one past the last.
fn reach(s: u32, axis: u32) -> vec2<u32> {
  let scale = params.scale[axis];
  let outputs = f32(params.y_size[axis + 1u]);
  if (scale == 0.0) {
    return vec2<u32>(0u, u32(outputs));
  }
  // What lies outside of the image takes its border.
  let low = select((f32(s) - 1.0 - params.offset[axis]) / scale - params.half[axis] - 1.0, 0.0, s == 0u);
  let high = select((f32(s) + 1.0 - params.offset[axis]) / scale - params.half[axis] + 2.0, outputs, s + 1u >= params.x_size[axis + 1u]);
  return vec2<u32>(u32(clamp(low, 0.0, outputs)), u32(clamp(high, 0.0, outputs)));
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.x_size;
  if (i < size.x * size.y * size.z * size.w) {
    let p = i / size.w;
    let sx = p % size.z;
    let sy = p / size.z % size.y;
    let n = p / size.z / size.y;
    let rows = reach(sy, 0u);
    let columns = reach(sx, 1u);
    var sum = Gradient(0.0);
    for (var oy = rows.x; oy < rows.y; oy++) {
      if (source(oy, 0u) != sy) { continue; }
      for (var ox = columns.x; ox < columns.y; ox++) {
        if (source(ox, 1u) == sx) {
          sum += dy[((n * params.y_size.y + oy) * params.y_size.z + ox) * size.w + i % size.w];
        }
      }
    }
    dx[i] = sum;
  }
}
