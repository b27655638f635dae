// Reductions over any axes: y[k] = post(map(x[k, 0]), map(x[k, 1]), …), combined as a tree in a fixed order.
// Long reductions are cut into chunks: a pass leaves [chunks, k], and the next one reduces that. The first pass maps,
// the last one applies post.

// #import grid
// #import nan
// #import tree

const WG: u32 = 64u;
alias In = f32;
alias Out = f32;
alias Part = Out;
const COMBINE_SUM: u32 = 0u;
const COMBINE_PROD: u32 = 1u;
const COMBINE_MAX: u32 = 2u;
const COMBINE_MIN: u32 = 3u;
/// How two become one.
const COMBINE: u32 = COMBINE_SUM;
const MAP_X: u32 = 0u;
const MAP_ABS: u32 = 1u;
const MAP_SQUARE: u32 = 2u;
/// |x|^p
const MAP_POWER: u32 = 3u;
/// (x - m)^2
const MAP_DEVIATION: u32 = 4u;
/// exp(x - m)
const MAP_EXP: u32 = 5u;
/// x = m
const MAP_EQUAL: u32 = 6u;
/// |x| = m
const MAP_ABS_EQUAL: u32 = 7u;
/// x != 0
const MAP_NONZERO: u32 = 8u;
/// x = 0
const MAP_ZERO: u32 = 9u;
/// x, or 1 where it is 0.
const MAP_FACTOR: u32 = 10u;
/// What is reduced, of an element x.
const MAP: u32 = MAP_X;
const POST_NONE: u32 = 0u;
/// scale y
const POST_SCALE: u32 = 1u;
/// sqrt(scale y)
const POST_SQRT: u32 = 2u;
/// y^(1/p)
const POST_ROOT: u32 = 3u;
/// m + log(y)
const POST_LOG: u32 = 4u;
/// What is done with the result y.
const POST: u32 = POST_NONE;

struct Params {
  k: u32,
  n: u32,
  chunk: u32,
  chunks: u32,
  kept_size: vec4<u32>,
  kept_stride: vec4<u32>,
  reduced_size: vec4<u32>,
  reduced_stride: vec4<u32>,
  scale: f32,
  p: f32,
}

@group(0) @binding(0) var<storage, read> x: array<In>;
/// One element for each result.
@group(0) @binding(1) var<storage, read> m: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<Out>;
@group(0) @binding(3) var<uniform> params: Params;

/// v, or the NaN among a and b; integers are never NaN.
fn unless_nan(a: Out, b: Out, v: Out) -> Out {
  return select(select(v, b, is_nan(f32(b))), a, is_nan(f32(a)));
}

fn combine(a: Out, b: Out) -> Out {
  switch COMBINE {
    case COMBINE_SUM: { return a + b; }
    case COMBINE_PROD: { return a * b; }
    case COMBINE_MAX: { return unless_nan(a, b, max(a, b)); }
    default: { return unless_nan(a, b, min(a, b)); }
  }
}

/// m where a number can be subtracted from it, or NaN; else 0, for a row without a finite value.
fn shift(k: u32) -> f32 {
  let v = m[k];
  return select(0.0, v, abs(v) <= 3.4028234e38 || is_nan(v));
}

/// v^p for v from 0 on and a positive p.
fn power(v: f32, p: f32) -> f32 {
  return select(select(0.0, pow(v, p), v > 0.0), v, is_nan(v) || v > 3.4028234e38);
}

/// The element at a place, mapped.
fn take(at: u32, k: u32) -> Out {
  let v = x[at];
  switch MAP {
    case MAP_X: { return Out(v); }
    case MAP_ABS: { return Out(abs(f32(v))); }
    case MAP_SQUARE: { return Out(f32(v) * f32(v)); }
    case MAP_POWER: { return Out(power(abs(f32(v)), params.p)); }
    case MAP_DEVIATION: {
      let d = f32(v) - m[k];
      return Out(d * d);
    }
    case MAP_EXP: { return Out(exp(f32(v) - shift(k))); }
    case MAP_EQUAL: { return Out(f32(v) == m[k]); }
    case MAP_ABS_EQUAL: { return Out(abs(f32(v)) == m[k]); }
    case MAP_NONZERO: { return Out(v != In(0) || is_nan(f32(v))); }
    case MAP_ZERO: { return Out(v == In(0) && !is_nan(f32(v))); }
    default: { return select(Out(v), Out(1), v == In(0) && !is_nan(f32(v))); }
  }
}

fn post(v: Out, k: u32) -> Out {
  switch POST {
    case POST_NONE: { return v; }
    case POST_SCALE: { return Out(params.scale * f32(v)); }
    case POST_SQRT: { return Out(sqrt(params.scale * f32(v))); }
    case POST_ROOT: { return Out(power(f32(v), 1.0 / params.p)); }
    default: { return Out(shift(k) + log(f32(v))); }
  }
}

/// Place of the i-th element of the groups, the last of which runs fastest.
fn place(i: u32, size: vec4<u32>, stride: vec4<u32>) -> u32 {
  if (size.x * size.y * size.z == 1u) {
    return i * stride.w;
  }
  let z = i / size.w;
  let y_rest = z / size.z;
  return (i % size.w) * stride.w + (z % size.z) * stride.z + (y_rest % size.y) * stride.y + (y_rest / size.y) * stride.x;
}

/// A workgroup for each chunk of a result: for elements that lie next to each other.
@compute @workgroup_size(WG)
fn rows(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  let g = group.x + group.z * FOLD;
  let k = g % params.k;
  let c = g / params.k;
  let first = c * params.chunk;
  let end = min(first + params.chunk, params.n);
  let start = place(k, params.kept_size, params.kept_stride);
  // How many threads have an element.
  let count = select(0u, end - first, c < params.chunks && first < end);
  var sum: Part;
  if (lane < count) {
    sum = take(start + place(first + lane, params.reduced_size, params.reduced_stride), k);
    for (var j = first + lane + WG; j < end; j += WG) {
      sum = combine(sum, take(start + place(j, params.reduced_size, params.reduced_stride), k));
    }
  }
  let all = tree_combine(lane, count, sum);
  if (lane == 0u && c < params.chunks) {
    y[g] = post(all, k);
  }
}

/// A thread for each chunk of a result, neighbours on neighbouring results.
@compute @workgroup_size(WG)
fn columns(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let g = linear_index(id, grid);
  if (g < params.k * params.chunks) {
    let k = g % params.k;
    let first = (g / params.k) * params.chunk;
    let end = min(first + params.chunk, params.n);
    let start = place(k, params.kept_size, params.kept_stride);
    var sum = take(start + place(first, params.reduced_size, params.reduced_stride), k);
    for (var j = first + 1u; j < end; j++) {
      sum = combine(sum, take(start + place(j, params.reduced_size, params.reduced_stride), k));
    }
    y[g] = post(sum, k);
  }
}
