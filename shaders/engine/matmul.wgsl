// Batched matrix product y = a b, with either factor transposed in place. One thread makes 8 rows x 4 columns in
// registers: the rows are the workgroup's, so that loads of a are uniform, and neighbouring threads take neighbouring
// columns of b. Strips of rows of all matrices are numbered through and folded.

// #import grid

const WG: u32 = 64u;
const ROWS: u32 = 8u;
/// Products are added up by blocks of the inner size: rounding grows with the length of a sum.
const BLOCK: u32 = 512u;
const TRANSPOSE_A: bool = false;
const TRANSPOSE_B: bool = false;
/// What tensors hold: or f16. Products are added up in f32.
alias Element = f32;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  batches: u32,     // matrices of y
  batch: vec4<u32>,     // their axes
  a_stride: vec4<u32>,  // elements from one matrix of a to the next along each; 0 repeats it
  b_stride: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> a: array<Element>;
@group(0) @binding(1) var<storage, read> b: array<Element>;
@group(0) @binding(2) var<storage, read_write> y: array<Element>;
@group(0) @binding(3) var<uniform> params: Params;

/// Where the matrices of a and b begin that make matrix i of y.
fn matrices(i: u32) -> vec2<u32> {
  let s = params.batch;
  let c = i / s.w;
  let d = c / s.z;
  let at = vec4<u32>(d / s.y, d % s.y, c % s.z, i % s.w);
  return vec2<u32>(dot(at, params.a_stride), dot(at, params.b_stride));
}

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_id) lane: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
  let m = params.m;
  let n = params.n;
  let k = params.k;
  let column = (group.x * WG + lane.x) * 4u;
  let strips = (m + ROWS - 1u) / ROWS;
  let strip = group.y + group.z * FOLD;
  // The last fold may reach past the last matrix: what is made there is not stored.
  let batch = min(strip / strips, params.batches - 1u);
  let rows = select(0u, m, strip < strips * params.batches);
  let row = (strip % strips) * ROWS;
  let first = matrices(batch);
  let a0 = first.x;
  let b0 = first.y;
  let c = vec4<u32>(min(column, n - 1u), min(column + 1u, n - 1u), min(column + 2u, n - 1u), min(column + 3u, n - 1u));
  var acc: array<vec4<f32>, ROWS>;
  for (var begin = 0u; begin < k; begin += BLOCK) {
    // Said, since Tint resets no variable of a loop by itself.
    var part = array<vec4<f32>, ROWS>();
    for (var i = begin; i < min(begin + BLOCK, k); i++) {
      var v: vec4<f32>;
      if (TRANSPOSE_B) {
        v = vec4<f32>(vec4<Element>(b[b0 + c.x * k + i], b[b0 + c.y * k + i], b[b0 + c.z * k + i], b[b0 + c.w * k + i]));
      } else {
        let at = b0 + i * n;
        v = vec4<f32>(vec4<Element>(b[at + c.x], b[at + c.y], b[at + c.z], b[at + c.w]));
      }
      for (var r = 0u; r < ROWS; r++) {
        let from_row = min(row + r, m - 1u);
        part[r] += f32(a[a0 + select(from_row * k + i, i * m + from_row, TRANSPOSE_A)]) * v;
      }
    }
    for (var r = 0u; r < ROWS; r++) {
      acc[r] += part[r];
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    if (row + r < rows) {
      let to = (batch * m + row + r) * n + column;
      if (column < n) { y[to] = Element(acc[r].x); }
      if (column + 1u < n) { y[to + 1u] = Element(acc[r].y); }
      if (column + 2u < n) { y[to + 2u] = Element(acc[r].z); }
      if (column + 3u < n) { y[to + 3u] = Element(acc[r].w); }
    }
  }
}
