// Sorting lines [outer, n, inner] along their axis, stably: the elements' bits are ordered by a total key (NaN is the
// largest, -0 equals 0). `runs` sorts short runs by counting who comes before; `merge` joins two sorted runs, in which
// each element finds its place by a binary search in the other one. The last pass keeps the first `keep`.
// backward: dx[index[t]] = dy[t], 0 elsewhere.

// #import grid

const WG: u32 = 64u;
const TYPE_F32: u32 = 0u;
const TYPE_I32: u32 = 1u;
const TYPE_U32: u32 = 2u;
/// What the bits are.
const TYPE: u32 = TYPE_F32;
const DESCENDING: bool = false;

struct Params {
  lines: u32,
  n: u32,
  inner: u32,
  /// Length of the runs: made by `runs`, taken by `merge`.
  run: u32,
  keep: u32,
}

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read> x_index: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
@group(0) @binding(3) var<storage, read_write> index: array<u32>;
@group(0) @binding(4) var<storage, read> indices: array<u32>;
@group(0) @binding(5) var<storage, read> dy: array<u32>;
@group(0) @binding(6) var<storage, read_write> dx: array<u32>;
@group(0) @binding(7) var<uniform> params: Params;

/// Orders as the values do, by comparing unsigned numbers.
fn ascending(bits: u32) -> u32 {
  switch TYPE {
    case TYPE_F32: {
      let size = bits & 0x7fffffffu;
      if (size == 0u) {
        return 0x80000000u;
      }
      if (size > 0x7f800000u) {
        return 0xffffffffu;
      }
      return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
    }
    case TYPE_I32: { return bits ^ 0x80000000u; }
    default: { return bits; }
  }
}

fn key(bits: u32) -> u32 {
  return select(ascending(bits), ~ascending(bits), DESCENDING);
}

/// Element j of a line of `length`.
fn at(line: u32, j: u32, length: u32) -> u32 {
  return ((line / params.inner) * length + j) * params.inner + line % params.inner;
}

fn put(line: u32, j: u32, bits: u32, i: u32) {
  if (j < params.keep) {
    let to = at(line, j, params.keep);
    y[to] = bits;
    index[to] = i;
  }
}

@compute @workgroup_size(WG)
fn runs(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let g = linear_index(id, grid);
  if (g < params.lines * params.n) {
    let line = g % params.lines;
    let j = g / params.lines;
    let bits = x[at(line, j, params.n)];
    let mine = key(bits);
    let first = j - j % params.run;
    let end = min(first + params.run, params.n);
    var place = first;
    for (var i = first; i < end; i++) {
      let other = key(x[at(line, i, params.n)]);
      place += select(0u, 1u, other < mine || (other == mine && i < j));
    }
    put(line, place, bits, j);
  }
}

@compute @workgroup_size(WG)
fn merge(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let g = linear_index(id, grid);
  if (g < params.lines * params.n) {
    let line = g % params.lines;
    let j = g / params.lines;
    let source = at(line, j, params.n);
    let bits = x[source];
    let mine = key(bits);
    let first = j - j % (2u * params.run);
    let second = j - first >= params.run;
    // The other run, and how many of its elements come before: of equal ones those of the first run do.
    let start = min(select(first + params.run, first, second), params.n);
    let end = min(start + params.run, params.n);
    var low = start;
    var high = end;
    while (low < high) {
      let middle = (low + high) / 2u;
      let other = key(x[at(line, middle, params.n)]);
      if (other < mine || (second && other == mine)) {
        low = middle + 1u;
      } else {
        high = middle;
      }
    }
    let own = j - select(first, first + params.run, second);
    put(line, first + own + low - start, bits, x_index[source]);
  }
}

/// A thread for each of the elements kept. dx was cleared, and no two of them have the same place.
@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let g = linear_index(id, grid);
  if (g < params.lines * params.keep) {
    let line = g % params.lines;
    let source = at(line, g / params.lines, params.keep);
    dx[at(line, indices[source], params.n)] = dy[source];
  }
}
