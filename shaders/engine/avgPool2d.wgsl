// Average pooling, NHWC. The backward pass gathers, for each pixel, the windows that hold it.

// #import grid

const WG: u32 = 64u;
/// Or vec4<f32>, where 4 divides the channels: sizes then count vectors.
alias Element = f32;
/// What tensors hold: Element, or f16 and vec4<f16>.
alias Stored = f32;
/// The windows divide the image into y_size parts; kernel, stride, pad and dilation do not count.
const ADAPTIVE: bool = false;
/// Pixels of the padding are zeros that count.
const COUNT_PAD: bool = true;

struct Params {
  x_size: vec4<u32>,   // n, h, w, c
  y_size: vec4<u32>,   // n, h, w, c
  kernel: vec2<i32>,
  stride: vec2<i32>,
  pad: vec2<i32>,      // above and on the left
  end: vec2<i32>,      // one past the last row and column of the padded image
  dilation: vec2<i32>,
  divisor: f32,        // 0: the pixels of the window
}

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read_write> y: array<Stored>;
@group(0) @binding(2) var<storage, read> dy: array<Stored>;
@group(0) @binding(3) var<storage, read_write> dx: array<Stored>;
@group(0) @binding(4) var<uniform> params: Params;

/// The window of output o along an axis.
struct Span {
  first: i32,          // its first pixel in the image
  last: i32,           // one past its last
  step: i32,
  count: i32,          // pixels that count
}

fn span(o: u32, axis: u32) -> Span {
  let size = i32(params.x_size[axis + 1u]);
  if (ADAPTIVE) {
    let parts = params.y_size[axis + 1u];
    let first = i32(o * u32(size) / parts);
    let last = i32(((o + 1u) * u32(size) + parts - 1u) / parts);
    return Span(first, last, 1, last - first);
  }
  let d = params.dilation[axis];
  let start = i32(o) * params.stride[axis] - params.pad[axis];
  let skipped = (max(-start, 0) + d - 1) / d;
  let taken = min(params.kernel[axis], (size - start + d - 1) / d);
  let count = select(taken - skipped, min(params.kernel[axis], (params.end[axis] - start + d - 1) / d), COUNT_PAD);
  return Span(start + skipped * d, start + taken * d, d, max(count, 1));
}

fn divisor(rows: Span, columns: Span) -> f32 {
  return select(params.divisor, f32(rows.count) * f32(columns.count), params.divisor == 0.0);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.y_size;
  if (i < size.x * size.y * size.z * size.w) {
    let c = i % size.w;
    let p = i / size.w;
    let n = p / size.z / size.y;
    let rows = span(p / size.z % size.y, 0u);
    let columns = span(p % size.z, 1u);
    var sum = Element(0.0);
    for (var r = rows.first; r < rows.last; r += rows.step) {
      // A sum for each row: large windows keep their digits.
      var part = Element(0.0);
      let first = (n * params.x_size.y + u32(r)) * params.x_size.z;
      for (var k = columns.first; k < columns.last; k += columns.step) {
        part += Element(x[(first + u32(k)) * params.x_size.w + c]);
      }
      sum += part;
    }
    y[i] = Stored(sum / divisor(rows, columns));
  }
}

/// Outputs whose window can hold pixel p along an axis: the first, and one past the last.
fn reaching(p: u32, axis: u32) -> vec2<u32> {
  let outputs = params.y_size[axis + 1u];
  if (ADAPTIVE) {
    let size = params.x_size[axis + 1u];
    return vec2<u32>(p * outputs / size, ((p + 1u) * outputs + size - 1u) / size);
  }
  let stride = params.stride[axis];
  let padded = i32(p) + params.pad[axis];
  let low = padded - params.dilation[axis] * (params.kernel[axis] - 1);
  return vec2<u32>(u32(max(low + stride - 1, 0) / stride), min(u32(padded / stride) + 1u, outputs));
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  let size = params.x_size;
  if (i < size.x * size.y * size.z * size.w) {
    let c = i % size.w;
    let p = i / size.w;
    let n = p / size.z / size.y;
    let row = p / size.z % size.y;
    let column = p % size.z;
    let oy = reaching(row, 0u);
    let ox = reaching(column, 1u);
    var sum = Element(0.0);
    for (var a = oy.x; a < oy.y; a++) {
      let rows = span(a, 0u);
      if ((i32(row) - rows.first) % rows.step != 0) { continue; }
      for (var b = ox.x; b < ox.y; b++) {
        let columns = span(b, 1u);
        if ((i32(column) - columns.first) % columns.step == 0) {
          sum += Element(dy[((n * params.y_size.y + a) * params.y_size.z + b) * params.y_size.w + c]) / divisor(rows, columns);
        }
      }
    }
    dx[i] = Stored(sum);
  }
}
