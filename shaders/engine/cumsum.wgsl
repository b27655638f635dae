// Running sums along lines [outer, n, inner]: y_j = x_0 + … + x_j, or without x_j itself, or from the end. Long lines
// go in chunks: `totals` leaves the sum of each chunk [outer, chunks, inner], running sums of these are where the
// chunks start.

// #import grid

const WG: u32 = 64u;
alias Element = f32;
const EXCLUSIVE: bool = false;
const REVERSE: bool = false;
/// The chunks start from sums other than 0.
const STARTS: bool = false;

struct Params {
  lines: u32,
  n: u32,
  inner: u32,
  chunk: u32,
  chunks: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read> starts: array<Element>;
@group(0) @binding(2) var<storage, read_write> y: array<Element>;
@group(0) @binding(3) var<uniform> params: Params;

fn at(line: u32, j: u32, length: u32) -> u32 {
  return ((line / params.inner) * length + j) * params.inner + line % params.inner;
}

@compute @workgroup_size(WG)
fn totals(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let g = linear_index(id, grid);
  if (g < params.lines * params.chunks) {
    let line = g % params.lines;
    let c = g / params.lines;
    let end = min((c + 1u) * params.chunk, params.n);
    var sum = Element(0);
    for (var j = c * params.chunk; j < end; j++) {
      sum += x[at(line, j, params.n)];
    }
    y[at(line, c, params.chunks)] = sum;
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let g = linear_index(id, grid);
  if (g < params.lines * params.chunks) {
    let line = g % params.lines;
    let c = g / params.lines;
    let first = c * params.chunk;
    let end = min(first + params.chunk, params.n);
    var sum = Element(0);
    if (STARTS) {
      sum = starts[at(line, c, params.chunks)];
    }
    for (var t = first; t < end; t++) {
      let i = at(line, select(t, first + end - 1u - t, REVERSE), params.n);
      let v = x[i];
      y[i] = select(sum + v, sum, EXCLUSIVE);
      sum += v;
    }
  }
}
