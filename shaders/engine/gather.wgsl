// Reading and writing along one axis at the places that a tensor of indices says. All is seen as [outer, axis, inner]:
// x with `limit` elements along the axis, the indexed side (y of forward, src) with `taken`. Indices from -limit to -1
// count from the end; others outside stand for no element. forward: y[o, m, i] = x[o, index, i], 0 where there is none.
// add: sums[o, index, i] += src[o, m, i]. A thread owns the column (o, i) and goes through m in order, so that nothing
// is atomic and the order is fixed; a long axis is cut into chunks with sums of their own, which `combine` adds up in
// order. claim, overwrite: y[o, index, i] = src[o, m, i]. Of several m for one element the last wins: the largest m + 1
// is noted, then every element fetches. linear: one index in place of several, index = previous * limit + index.

// #import grid
// #import nan

const WG: u32 = 64u;
/// Or f16; or vec4 of either, where 4 divides inner and the indices are the same for all of inner: inner then counts
/// vectors.
alias Element = u32;
alias Number = f32;
/// forward: only the m that won (see overwrite) gets its element.
const WON: bool = false;
/// combine: there is a base that the sums are added to.
const BASE: bool = false;
/// add: what is made of an element and what is there.
const COMBINE_SUM: u32 = 0u;
const COMBINE_PROD: u32 = 1u;
const COMBINE_AMAX: u32 = 2u;
const COMBINE_AMIN: u32 = 3u;
const COMBINE: u32 = COMBINE_SUM;
/// linear: there is no previous index.
const FIRST: bool = false;
const NONE: i32 = -2147483647;

struct Params {
  n: u32,               // threads
  outer: u32,
  limit: u32,
  taken: u32,
  inner: u32,
  step: vec3<u32>,      // strides of the indices along outer, taken, inner
  chunk: u32,
  chunks: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<Element>;
@group(0) @binding(3) var<uniform> params: Params;
@group(0) @binding(4) var<storage, read> src: array<Number>;
@group(0) @binding(5) var<storage, read_write> sums: array<Number>;
@group(0) @binding(6) var<storage, read> parts: array<Number>;
@group(0) @binding(7) var<storage, read> base: array<Number>;
@group(0) @binding(8) var<storage, read_write> claims: array<atomic<u32>>;
@group(0) @binding(9) var<storage, read> winner: array<u32>;
@group(0) @binding(10) var<storage, read> previous: array<i32>;
@group(0) @binding(11) var<storage, read_write> flat: array<i32>;

/// An index as one from 0 to limit - 1, or a negative number.
fn placed(k: i32) -> i32 {
  let limit = i32(params.limit);
  let positive = select(k, k + limit, k < 0);
  return select(positive, NONE, positive < 0 || positive >= limit);
}

/// Where element (o, m, i) of the indexed side lies in x; negative where nowhere.
fn place(o: u32, m: u32, i: u32) -> i32 {
  let k = placed(index[o * params.step.x + m * params.step.y + i * params.step.z]);
  return select((i32(o * params.limit) + k) * i32(params.inner) + i32(i), NONE, k < 0);
}

/// The same for the number of the element.
fn placeOf(t: u32) -> i32 {
  let row = t / params.inner;
  return place(row / params.taken, row % params.taken, t % params.inner);
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let t = linear_index(id, grid);
  if (t >= params.n) {
    return;
  }
  let at = placeOf(t);
  var value = Element(0);
  if (at >= 0) {
    if (!WON) {
      value = x[at];
    } else if (winner[at] == t + 1u) {
      value = x[at];
    }
  }
  y[t] = value;
}

/// v, or the NaN among a and b: of integers none is.
fn unless_nan(a: Number, b: Number, v: Number) -> Number {
  return select(select(v, b, is_nan(f32(b))), a, is_nan(f32(a)));
}

fn combined(a: Number, b: Number) -> Number {
  if (COMBINE == COMBINE_PROD) {
    return a * b;
  }
  if (COMBINE == COMBINE_AMAX) {
    return unless_nan(a, b, max(a, b));
  }
  if (COMBINE == COMBINE_AMIN) {
    return unless_nan(a, b, min(a, b));
  }
  return a + b;
}

@compute @workgroup_size(WG)
fn add(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let t = linear_index(id, grid);
  if (t >= params.n) {
    return;
  }
  let i = t % params.inner;
  let o = t / params.inner % params.outer;
  let part = t / params.inner / params.outer;
  let own = i32(part * params.outer * params.limit * params.inner);
  let end = min((part + 1u) * params.chunk, params.taken);
  for (var m = part * params.chunk; m < end; m++) {
    let at = place(o, m, i);
    if (at >= 0) {
      sums[own + at] = combined(sums[own + at], src[(o * params.taken + m) * params.inner + i]);
    }
  }
}

@compute @workgroup_size(WG)
fn combine(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let t = linear_index(id, grid);
  if (t >= params.n) {
    return;
  }
  var sum = Number(0);
  for (var part = 0u; part < params.chunks; part++) {
    sum += parts[part * params.n + t];
  }
  if (BASE) {
    sum += base[t];
  }
  sums[t] = sum;
}

@compute @workgroup_size(WG)
fn claim(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let t = linear_index(id, grid);
  if (t >= params.n) {
    return;
  }
  let at = placeOf(t);
  if (at >= 0) {
    atomicMax(&claims[at], t + 1u);
  }
}

@compute @workgroup_size(WG)
fn overwrite(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let t = linear_index(id, grid);
  if (t >= params.n) {
    return;
  }
  let source = winner[t];
  if (source > 0u) {
    sums[t] = src[source - 1u];
  } else {
    sums[t] = base[t];
  }
}

@compute @workgroup_size(WG)
fn linear(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let t = linear_index(id, grid);
  if (t >= params.n) {
    return;
  }
  var k = placed(index[t]);
  if (!FIRST) {
    k = select(previous[t] * i32(params.limit) + k, NONE, previous[t] < 0 || k < 0);
  }
  flat[t] = k;
}
