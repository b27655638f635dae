// Index and value of the largest (or smallest) element of each line [outer, n, inner]; the first of equal ones.
// Elements are ordered as in sort.wgsl. Long lines go in chunks: a pass leaves the best of each chunk [chunks, lines],
// the next one chooses among these candidates.

// #import grid
// #import tree

const WG: u32 = 64u;
/// An index, and the key of its element.
alias Part = vec2<u32>;
const TYPE_F32: u32 = 0u;
const TYPE_I32: u32 = 1u;
const TYPE_U32: u32 = 2u;
/// What the bits are.
const TYPE: u32 = TYPE_F32;
const SMALLEST: bool = false;
const CANDIDATES: bool = false;
const LAST: bool = true;

struct Params {
  lines: u32,
  n: u32,          // of the line
  inner: u32,
  count: u32,      // elements, or candidates, of a line
  chunk: u32,
  chunks: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> candidates: array<u32>;
@group(0) @binding(2) var<storage, read_write> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;
@group(0) @binding(4) var<uniform> params: Params;

/// Larger is better, whether the largest or the smallest is sought.
fn key(bits: u32) -> u32 {
  var k = bits;
  switch TYPE {
    case TYPE_F32: {
      let size = bits & 0x7fffffffu;
      k = select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
      if (size == 0u) {
        k = 0x80000000u;
      }
      if (size > 0x7f800000u) {
        return 0xffffffffu;
      }
    }
    case TYPE_I32: { k = bits ^ 0x80000000u; }
    default: {}
  }
  return select(k, ~k, SMALLEST);
}

fn place(line: u32, j: u32) -> u32 {
  return ((line / params.inner) * params.n + j) * params.inner + line % params.inner;
}

/// Index and key of the t-th element or candidate.
fn take(line: u32, t: u32) -> vec2<u32> {
  var j = t;
  if (CANDIDATES) {
    j = candidates[t * params.lines + line];
  }
  return vec2<u32>(j, key(x[place(line, j)]));
}

/// The better of two candidates; of equal ones that with the lower index.
fn combine(a: Part, b: Part) -> Part {
  return select(a, b, b.y > a.y || (b.y == a.y && b.x < a.x));
}

fn put(g: u32, line: u32, best: u32) {
  index[g] = best;
  if (LAST) {
    y[g] = x[place(line, best)];
  }
}

/// A workgroup for each chunk of a line: for elements that lie next to each other.
@compute @workgroup_size(WG)
fn rows(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  let g = group.x + group.z * FOLD;
  let line = g % params.lines;
  let c = g / params.lines;
  let first = c * params.chunk;
  let end = min(first + params.chunk, params.count);
  // How many threads have an element.
  let count = select(0u, end - first, c < params.chunks && first < end);
  var best: Part;
  if (lane < count) {
    best = take(line, first + lane);
    for (var t = first + lane + WG; t < end; t += WG) {
      best = combine(best, take(line, t));
    }
  }
  let all = tree_combine(lane, count, best);
  if (lane == 0u && c < params.chunks) {
    put(g, line, all.x);
  }
}

/// A thread for each chunk of a line, neighbours on neighbouring lines.
@compute @workgroup_size(WG)
fn columns(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let g = linear_index(id, grid);
  if (g < params.lines * params.chunks) {
    let line = g % params.lines;
    let first = (g / params.lines) * params.chunk;
    let end = min(first + params.chunk, params.count);
    var best = take(line, first);
    for (var t = first + 1u; t < end; t++) {
      best = combine(best, take(line, t));
    }
    put(g, line, best.x);
  }
}
