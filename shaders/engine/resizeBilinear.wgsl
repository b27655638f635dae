// Bilinear resize, NHWC. Output pixel o lies at source position o * scale + shift, clamped into the image; the backward
// pass gathers, for each source pixel, the outputs whose two neighbours in each direction include it.

// #import grid

const WG: u32 = 64u;
/// Or vec4<f32>, where 4 divides the channels: sizes then count vectors.
alias Element = f32;
/// What tensors hold: Element, or f16 and vec4<f16>.
alias Stored = f32;

struct Params {
  x_size: vec4<u32>,   // n, h, w, c
  y_size: vec4<u32>,   // n, h, w, c
  scale: vec2<f32>,    // source pixels per output pixel
  shift: vec2<f32>,
}

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> dy: array<Stored>;
@group(0) @binding(2) var<storage, read_write> y: array<Stored>;
@group(0) @binding(3) var<storage, read_write> dx: array<Stored>;
@group(0) @binding(4) var<uniform> params: Params;

/// Lower neighbour and the weight of the upper one, along one axis.
fn tap(o: u32, scale: f32, shift: f32, size: u32) -> vec2<f32> {
  let rounded = f32(o) * scale + shift;
  let whole = round(rounded);
  // A position that rounding moved off a pixel by its last bits is put back: its neighbour then has no weight.
  let near = abs(rounded - whole) <= 2.4e-7 * (f32(o) * scale + 1.0);
  let s = clamp(select(rounded, whole, near), 0.0, f32(size - 1u));
  let low = min(floor(s), f32(size - 1u));
  return vec2<f32>(low, s - low);
}

/// The point t of the way from a to b. Where t is 0 it is a, whatever b is: a neighbour of no weight may be NaN.
fn between(a: Element, b: Element, t: f32) -> Element {
  return select(mix(a, b, t), a, t == 0.0);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.y_size;
  if (i < size.x * size.y * size.z * size.w) {
    let c = i % size.w;
    let p = i / size.w;
    let row = p / size.z;
    let ty = tap(row % size.y, params.scale.x, params.shift.x, params.x_size.y);
    let tx = tap(p % size.z, params.scale.y, params.shift.y, params.x_size.z);
    let top = (row / size.y * params.x_size.y + u32(ty.x)) * params.x_size.z;
    let below = top + select(0u, params.x_size.z, u32(ty.x) + 1u < params.x_size.y);
    let left = u32(tx.x);
    let right = min(left + 1u, params.x_size.z - 1u);
    let k = params.x_size.w;
    let a = between(Element(x[(top + left) * k + c]), Element(x[(top + right) * k + c]), tx.y);
    let b = between(Element(x[(below + left) * k + c]), Element(x[(below + right) * k + c]), tx.y);
    y[i] = Stored(between(a, b, ty.y));
  }
}

/// Weight of source pixel s in output o along one axis.
fn weight(s: u32, o: u32, scale: f32, shift: f32, size: u32) -> f32 {
  let t = tap(o, scale, shift, size);
  return select(0.0, 1.0 - t.y, u32(t.x) == s) + select(0.0, t.y, u32(t.x) + 1u == s);
}

/// The outputs that may touch source pixel s: first and one past the last.
fn reach(s: u32, scale: f32, shift: f32, size: u32, outputs: u32) -> vec2<u32> {
  if (scale == 0.0) {
    return vec2<u32>(0u, outputs);
  }
  // Those between the positions s - 1 and s + 1, and a little more for rounding. Outputs before the first or beyond the
  // last source position are clamped to it.
  let low = select(ceil((f32(s) - 1.0 - shift) / scale - 0.05), 0.0, s == 0u);
  let high = select(floor((f32(s) + 1.0 - shift) / scale + 1.05), f32(outputs), s + 1u >= size);
  return vec2<u32>(u32(clamp(low, 0.0, f32(outputs))), u32(clamp(high, 0.0, f32(outputs))));
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.x_size;
  if (i < size.x * size.y * size.z * size.w) {
    let c = i % size.w;
    let p = i / size.w;
    let sx = p % size.z;
    let sy = p / size.z % size.y;
    let n = p / size.z / size.y;
    let rows = reach(sy, params.scale.x, params.shift.x, size.y, params.y_size.y);
    let columns = reach(sx, params.scale.y, params.shift.y, size.z, params.y_size.z);
    var sum = Element(0.0);
    for (var oy = rows.x; oy < rows.y; oy++) {
      let wy = weight(sy, oy, params.scale.x, params.shift.x, size.y);
      if (wy == 0.0) { continue; }
      let row = (n * params.y_size.y + oy) * params.y_size.z;
      for (var ox = columns.x; ox < columns.y; ox++) {
        let w = wy * weight(sx, ox, params.scale.y, params.shift.y, size.z);
        sum += select(w * Element(dy[(row + ox) * size.w + c]), Element(0.0), w == 0.0);
      }
    }
    dx[i] = Stored(sum);
  }
}
