// Elementary functions of one tensor: y = f(x), dx = dy f'(x), ddx = g dy f''(x). OP picks f at compile time.

// #import angle
// #import grid
// #import nan

const WG: u32 = 64u;
const OP_ABS: u32 = 0u;
const OP_NEG: u32 = 1u;
const OP_SQUARE: u32 = 2u;
const OP_RECIPROCAL: u32 = 3u;
const OP_SQRT: u32 = 4u;
const OP_RSQRT: u32 = 5u;
const OP_EXP: u32 = 6u;
const OP_LOG: u32 = 7u;
const OP_LOG2: u32 = 8u;
const OP_SIN: u32 = 9u;
const OP_COS: u32 = 10u;
const OP_TAN: u32 = 11u;
const OP_ASIN: u32 = 12u;
const OP_ACOS: u32 = 13u;
const OP_ATAN: u32 = 14u;
const OP_SINH: u32 = 15u;
const OP_COSH: u32 = 16u;
/// From here on without a gradient.
const OP_SIGN: u32 = 17u;
const OP_FLOOR: u32 = 18u;
const OP_CEIL: u32 = 19u;
/// Halves to even.
const OP_ROUND: u32 = 20u;
const OP_TRUNC: u32 = 21u;
/// The function f.
const OP: u32 = OP_ABS;
/// What tensors hold: or f16. Computed in f32.
alias Element = f32;

struct Params {
  n: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> y: array<Element>;
@group(0) @binding(2) var<storage, read> dy: array<Element>;
@group(0) @binding(3) var<storage, read_write> dx: array<Element>;
@group(0) @binding(4) var<storage, read> g: array<Element>;
@group(0) @binding(5) var<storage, read_write> ddx: array<Element>;
@group(0) @binding(6) var<uniform> params: Params;

const LN2: f32 = 0.69314718;
const PI: f32 = 3.14159265;

/// Its series near 0; elsewhere by e^|v| / 2, which is finite as long as the result is.
fn stable_sinh(v: f32) -> f32 {
  if (abs(v) < 1.0) {
    let q = v * v;
    return v * (1.0 + q / 6.0 * (1.0 + q / 20.0 * (1.0 + q / 42.0 * (1.0 + q / 72.0))));
  }
  let e = exp(abs(v) - LN2);
  return sign(v) * (e - 0.25 / e);
}

fn stable_cosh(v: f32) -> f32 {
  let e = exp(abs(v) - LN2);
  return e + 0.25 / e;
}

/// The bits of 2 / pi, after 32 of 0.
const TWO_BY_PI: array<u32, 8> = array<u32, 8>(
  0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu,
);

/// All 64 bits of a product, the higher half first.
fn product(a: u32, b: u32) -> vec2<u32> {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let left = (a >> 16u) * (b & 0xffffu);
  let right = (a & 0xffffu) * (b >> 16u);
  let middle = (low >> 16u) + (left & 0xffffu) + (right & 0xffffu);
  return vec2<u32>((a >> 16u) * (b >> 16u) + (left >> 16u) + (right >> 16u) + (middle >> 16u), (middle << 16u) | (low & 0xffffu));
}

/// 32 bits of 2 / pi from bit k on.
fn two_by_pi(k: u32) -> u32 {
  let i = k / 32u;
  let by = k % 32u;
  return select((TWO_BY_PI[i] << by) | (TWO_BY_PI[min(i + 1u, 7u)] >> (32u - max(by, 1u))), TWO_BY_PI[i], by == 0u);
}

/// sin(v + turns pi / 2) to some 1e-7 for every v: built-in functions may have a few right digits, and only within a
/// turn. The rest of v / (pi / 2) is taken exactly (Payne and Hanek): of the product with 2 / pi only those bits are
/// computed that tell the quarter and the place in it.
fn sine(v: f32, turns: u32) -> f32 {
  var rest = v;
  var quarter = turns;
  if (abs(v) > 0.785) {
    let bits = bitcast<u32>(v);
    let e = (bits >> 23u) & 0xffu;
    if (e == 255u) {
      return nan_of(v); // infinite or NaN
    }
    // v = m 2^(e - 150), so that the quarters begin at bit e - 120 of 2 / pi and what lies before makes whole turns.
    let m = (bits & 0x7fffffu) | 0x800000u;
    let low = product(m, two_by_pi(e - 56u));
    let middle = product(m, two_by_pi(e - 88u));
    let next = middle.y + low.x;
    let top = m * two_by_pi(e - 120u) + middle.x + select(0u, 1u, next < middle.y);
    var q = top >> 30u;
    var high = (top << 2u) | (next >> 30u);
    var lower = next << 2u;
    let above = (high >> 31u) == 1u;
    if (above) { // nearer to the next quarter
      q++;
      high = select(~high, ~high + 1u, lower == 0u);
      lower = ~lower + 1u;
    }
    rest = 0.5 * PI * (f32(high) * 2.3283064365386963e-10 + f32(lower) * 5.421010862427522e-20);
    rest = select(rest, -rest, above != (v < 0.0));
    quarter = turns + select(q, 4u - q, v < 0.0);
  }
  let z = rest * rest;
  let s = rest + rest * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
  let c = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
  let r = select(s, c, (quarter & 1u) == 1u);
  return select(r, -r, (quarter & 2u) == 2u);
}

fn f(v: f32) -> f32 {
  if (is_nan(v)) {
    return v;
  }
  switch OP {
    case OP_ABS: { return abs(v); }
    case OP_NEG: { return -v; }
    case OP_SQUARE: { return v * v; }
    case OP_RECIPROCAL: { return 1.0 / v; }
    case OP_SQRT: { return root_nan(v); }
    case OP_RSQRT: { return 1.0 / root_nan(v); }
    case OP_EXP: { return exp(v); }
    case OP_LOG: { return log_nan(v); }
    case OP_LOG2: { return log2_nan(v); }
    case OP_SIN: { return sine(v, 0u); }
    case OP_COS: { return sine(v, 1u); }
    case OP_TAN: { return sine(v, 0u) / sine(v, 1u); }
    case OP_ASIN: { return angle(v, root_nan((1.0 - v) * (1.0 + v))); }
    case OP_ACOS: { return angle(root_nan((1.0 - v) * (1.0 + v)), v); }
    case OP_ATAN: { return angle(v, 1.0); }
    case OP_SINH: { return stable_sinh(v); }
    case OP_COSH: { return stable_cosh(v); }
    case OP_SIGN: { return sign(v); }
    case OP_FLOOR: { return floor(v); }
    case OP_CEIL: { return ceil(v); }
    case OP_ROUND: { return round(v); }
    default: { return trunc(v); }
  }
}

fn df(v: f32) -> f32 {
  if (is_nan(v) && OP != OP_NEG) {
    return v;
  }
  switch OP {
    case OP_ABS: { return sign(v); }
    case OP_NEG: { return -1.0; }
    case OP_SQUARE: { return 2.0 * v; }
    case OP_RECIPROCAL: { return -1.0 / (v * v); }
    case OP_SQRT: { return 0.5 / root_nan(v); }
    case OP_RSQRT: { return -0.5 / (v * root_nan(v)); }
    case OP_EXP: { return exp(v); }
    case OP_LOG: { return 1.0 / v; }
    case OP_LOG2: { return 1.0 / (LN2 * v); }
    case OP_SIN: { return sine(v, 1u); }
    case OP_COS: { return -sine(v, 0u); }
    case OP_TAN: { return 1.0 / (sine(v, 1u) * sine(v, 1u)); }
    case OP_ASIN: { return 1.0 / root_nan((1.0 - v) * (1.0 + v)); }
    case OP_ACOS: { return -1.0 / root_nan((1.0 - v) * (1.0 + v)); }
    case OP_ATAN: { return 1.0 / (1.0 + v * v); }
    case OP_SINH: { return stable_cosh(v); }
    case OP_COSH: { return stable_sinh(v); }
    default: { return 0.0; }
  }
}

/// The second derivative; 0 where it is not written.
fn ddf(v: f32) -> f32 {
  switch OP {
    case OP_SQUARE: { return 2.0; }
    case OP_RECIPROCAL: { return 2.0 / (v * v * v); }
    case OP_SQRT: { return -0.25 / (v * root_nan(v)); }
    case OP_RSQRT: { return 0.75 / (v * v * root_nan(v)); }
    case OP_EXP: { return exp(v); }
    case OP_LOG: { return -1.0 / (v * v); }
    case OP_LOG2: { return -1.0 / (LN2 * v * v); }
    case OP_SIN: { return -sine(v, 0u); }
    case OP_COS: { return -sine(v, 1u); }
    case OP_TAN: { return 2.0 * sine(v, 0u) / (sine(v, 1u) * sine(v, 1u) * sine(v, 1u)); }
    case OP_ASIN: {
      let q = (1.0 - v) * (1.0 + v);
      return v / (q * root_nan(q));
    }
    case OP_ACOS: {
      let q = (1.0 - v) * (1.0 + v);
      return -v / (q * root_nan(q));
    }
    case OP_ATAN: {
      let r = 1.0 / (1.0 + v * v);
      return -2.0 * v * r * r;
    }
    case OP_SINH: { return stable_sinh(v); }
    case OP_COSH: { return stable_cosh(v); }
    default: { return 0.0; }
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    y[i] = Element(f(f32(x[i])));
  }
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    dx[i] = Element(f32(dy[i]) * df(f32(x[i])));
  }
}

@compute @workgroup_size(WG)
fn second(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    // |x| and -x have none: 0 whatever the gradients are.
    ddx[i] = Element(select(f32(g[i]) * f32(dy[i]) * ddf(f32(x[i])), 0.0, OP < OP_SQUARE));
  }
}
