// Elementwise functions of two tensors that meet by broadcasting, or of a tensor and a number: y = f(a, b).
// OP picks f at compile time.

// #import angle
// #import grid
// #import nan

const WG: u32 = 64u;
const OP_ADD: u32 = 0u;
const OP_MUL: u32 = 1u;
const OP_SUB: u32 = 2u;
const OP_DIV: u32 = 3u;
const OP_MAXIMUM: u32 = 4u;
const OP_MINIMUM: u32 = 5u;
const OP_POW: u32 = 6u;
const OP_ATAN2: u32 = 7u;
const OP_FMOD: u32 = 8u;
const OP_REMAINDER: u32 = 9u;
const OP_FLOOR_DIVIDE: u32 = 10u;
/// 1, half where equal, 0 where a < b.
const OP_STEP: u32 = 11u;
/// From here to IS_FINITE the results are truths: i32 of 0 and 1.
const OP_EQ: u32 = 12u;
const OP_NE: u32 = 13u;
const OP_LT: u32 = 14u;
const OP_LE: u32 = 15u;
const OP_GT: u32 = 16u;
const OP_GE: u32 = 17u;
const OP_LOGICAL_AND: u32 = 18u;
const OP_LOGICAL_OR: u32 = 19u;
const OP_LOGICAL_XOR: u32 = 20u;
/// Of a alone, like the next two.
const OP_IS_NAN: u32 = 21u;
const OP_IS_INF: u32 = 22u;
const OP_IS_FINITE: u32 = 23u;
/// a b, but 0 where b is 0, whatever a is.
const OP_GATE: u32 = 24u;
/// The function f.
const OP: u32 = OP_ADD;
/// Or i32, u32.
alias Element = f32;
/// What the operands hold: Element, or f16.
alias Stored = f32;
/// Stored; i32 for truths.
alias Result = f32;
const FLOAT: bool = true;
const NUMBER_NONE: u32 = 0u;
const NUMBER_A: u32 = 1u;
const NUMBER_B: u32 = 2u;
/// Which operand is the number in params. The other one's memory is bound in its place.
const NUMBER: u32 = NUMBER_NONE;
/// Operands have steps of their own along each axis, and there are more than four axes.
const BROADCAST: bool = false;
const DEEP: bool = false;

struct Params {
  n: u32,
  number: u32,          // its bits
  size: vec4<u32>,
  outer_size: vec4<u32>,
  a_stride: vec4<u32>,
  a_outer: vec4<u32>,
  b_stride: vec4<u32>,
  b_outer: vec4<u32>,
}

@group(0) @binding(0) var<storage, read> a: array<Stored>;
@group(0) @binding(1) var<storage, read> b: array<Stored>;
@group(0) @binding(2) var<storage, read_write> y: array<Result>;
@group(0) @binding(3) var<uniform> params: Params;

fn unravel(i: u32, size: vec4<u32>) -> vec4<u32> {
  let c = i / size.w;
  let b = c / size.z;
  return vec4<u32>(b / size.y, b % size.y, c % size.z, i % size.w);
}

/// Whether v is NaN; integers never are.
fn missing(v: Element) -> bool {
  return FLOAT && is_nan(bitcast<f32>(v));
}

fn nan() -> Element {
  return Element(nan_of(0.0));
}

/// Floats as integers in the order of the numbers; both zeros are 0.
fn key(v: Element) -> i32 {
  let bits = bitcast<u32>(v);
  if (!FLOAT) {
    return bitcast<i32>(bits);
  }
  let magnitude = bitcast<i32>(bits & 0x7fffffffu);
  return select(magnitude, -magnitude, (bits >> 31u) == 1u);
}

/// u^v. Integers, and whole powers of f32 to 64, by squaring; a negative base has no other power. x^0 and 1^x are 1 for
/// NaN, too, and (-1)^x for infinities (IEEE 754, pow).
fn power(u: Element, v: Element) -> Element {
  if (FLOAT) {
    if (key(v) == 0 || key(u) == 0x3f800000) {
      return Element(1);
    }
    if (missing(u) || missing(v)) {
      return nan();
    }
    if (key(u) == -0x3f800000 && abs(key(v)) == 0x7f800000) {
      return Element(1);
    }
  }
  let q = f32(v);
  if (!FLOAT || (abs(q) <= 64.0 && q == floor(q))) {
    var r = Element(1);
    var s = u;
    for (var k = u32(abs(v)); k > 0u; k = k >> 1u) {
      if ((k & 1u) == 1u) {
        r *= s;
      }
      s *= s;
    }
    // One over a whole number is 0, except for 1 and -1.
    return select(r, select(Element(1) / r, select(Element(0), r, abs(u) == Element(1)), !FLOAT), v < Element(0));
  }
  let p = exp2(q * log2_nan(abs(f32(u))));
  if (u < Element(0)) {
    // An infinite base has every power.
    if (q != floor(q) && key(u) != -0x7f800000) {
      return nan();
    }
    return Element(select(p, -p, abs(q) < 16777216.0 && q == floor(q) && (i32(q) & 1) == 1));
  }
  return Element(p);
}

/// The rest of |u| / |v| with the sign of u, exact: long division of the mantissas.
fn fmod_float(u: f32, v: f32) -> f32 {
  let sign = bitcast<u32>(u) & 0x80000000u;
  let top = bitcast<u32>(u) & 0x7fffffffu;
  let low = bitcast<u32>(v) & 0x7fffffffu;
  if (low == 0u || top >= 0x7f800000u || low > 0x7f800000u) {
    return nan_of(0.0);
  }
  if (top < low) {
    return u;
  }
  var e = max(top >> 23u, 1u);
  let f = max(low >> 23u, 1u);
  let d = select(low & 0x7fffffu, (low & 0x7fffffu) | 0x800000u, low >= 0x800000u);
  var m = select(top & 0x7fffffu, (top & 0x7fffffu) | 0x800000u, top >= 0x800000u);
  loop {
    if (m >= d) {
      m -= d;
    }
    if (e == f || m == 0u) {
      break;
    }
    m <<= 1u;
    e--;
  }
  if (m == 0u) {
    return bitcast<f32>(sign);
  }
  let shift = min(countLeadingZeros(m) - 8u, f - 1u);
  m <<= shift;
  return bitcast<f32>(sign | select(m, (m & 0x7fffffu) | ((f - shift) << 23u), m >= 0x800000u));
}

fn fmod(u: Element, v: Element) -> Element {
  if (FLOAT) {
    return Element(fmod_float(f32(u), f32(v)));
  }
  return u % v;
}

/// The rest with the sign of v.
fn remainder(u: Element, v: Element) -> Element {
  let r = fmod(u, v);
  return select(r, r + v, r != Element(0) && (r < Element(0)) != (v < Element(0)));
}

/// The largest whole number not above u / v, by way of the rest, as PyTorch computes it: a rounded quotient may lie
/// beyond it.
fn floor_divide(u: Element, v: Element) -> Element {
  if (!FLOAT) {
    return u / v - Element(u % v != Element(0) && (u < Element(0)) != (v < Element(0)));
  }
  if (v == Element(0)) {
    return u / v;
  }
  let r = fmod(u, v);
  let whole = Element(round(f32((u - r) / v)));
  return select(whole, whole - Element(1), r != Element(0) && (r < Element(0)) != (v < Element(0)));
}

fn less(u: Element, v: Element) -> bool {
  if (FLOAT) {
    return !missing(u) && !missing(v) && key(u) < key(v);
  }
  return u < v;
}

fn truth(u: Element, v: Element) -> bool {
  let order = !missing(u) && !missing(v);
  let p = key(u);
  let q = key(v);
  switch OP {
    case OP_EQ: { return order && p == q; }
    case OP_NE: { return !order || p != q; }
    case OP_LT: { return less(u, v); }
    case OP_LE: { return order && !less(v, u); }
    case OP_GT: { return less(v, u); }
    case OP_GE: { return order && !less(u, v); }
    case OP_LOGICAL_AND: { return p != 0 && q != 0; }
    case OP_LOGICAL_OR: { return p != 0 || q != 0; }
    case OP_LOGICAL_XOR: { return (p != 0) != (q != 0); }
    case OP_IS_NAN: { return missing(u); }
    case OP_IS_INF: { return FLOAT && abs(p) == 0x7f800000; }
    default: { return !FLOAT || abs(p) < 0x7f800000; }
  }
}

fn f(u: Element, v: Element) -> Result {
  switch OP {
    case OP_ADD: { return Result(u + v); }
    case OP_MUL: { return Result(u * v); }
    case OP_SUB: { return Result(u - v); }
    case OP_DIV: { return Result(u / v); }
    case OP_MAXIMUM: { return Result(select(v, u, less(v, u) || missing(u))); }
    case OP_MINIMUM: { return Result(select(v, u, less(u, v) || missing(u))); }
    case OP_POW: { return Result(power(u, v)); }
    case OP_ATAN2: { return Result(angle(f32(u), f32(v))); }
    case OP_FMOD: { return Result(fmod(u, v)); }
    case OP_REMAINDER: { return Result(remainder(u, v)); }
    case OP_FLOOR_DIVIDE: { return Result(floor_divide(u, v)); }
    case OP_STEP: {
      let equal = !missing(u) && !missing(v) && key(u) == key(v);
      return Result(select(select(1.0, 0.5, equal), 0.0, less(u, v)));
    }
    case OP_GATE: { return Result(select(u * v, Element(0), key(v) == 0)); }
    default: { return Result(truth(u, v)); }
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n) {
    return;
  }
  var ia = i;
  var ib = i;
  if (BROADCAST) {
    let inner = params.size.x * params.size.y * params.size.z * params.size.w;
    let at = unravel(i % inner, params.size);
    ia = dot(at, params.a_stride);
    ib = dot(at, params.b_stride);
    if (DEEP) {
      let outside = unravel(i / inner, params.outer_size);
      ia += dot(outside, params.a_outer);
      ib += dot(outside, params.b_outer);
    }
  }
  var u = Element(a[ia]);
  var v = Element(b[ib]);
  if (NUMBER == NUMBER_A) {
    u = bitcast<Element>(params.number);
  }
  if (NUMBER == NUMBER_B) {
    v = bitcast<Element>(params.number);
  }
  y[i] = f(u, v);
}
