// Elementary functions of one tensor: y = f(x), dx = dy f'(x), ddx = g dy f''(x). OP picks f at compile time.

const WG: u32 = 64u;
/// 0 abs, 1 neg, 2 square, 3 reciprocal, 4 sqrt, 5 rsqrt, 6 exp, 7 log, 8 log2, 9 sin, 10 cos, 11 tan, 12 asin, 13 acos, 14 atan, 15 sinh, 16 cosh;
/// without a gradient: 17 sign, 18 floor, 19 ceil, 20 round (halves to even), 21 trunc.
const OP: u32 = 0u;

struct Params {
  n: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<storage, read> g: array<f32>;
@group(0) @binding(5) var<storage, read_write> ddx: array<f32>;
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

/// The angle of the point (v, u) to some 1e-7 (Cephes, atanf): built-in functions may be far less accurate.
fn angle(u: f32, v: f32) -> f32 {
  let top = max(abs(u), abs(v));
  if (top == 0.0) {
    return select(0.0, PI, (bitcast<u32>(v) >> 31u) == 1u) * select(1.0, -1.0, (bitcast<u32>(u) >> 31u) == 1u);
  }
  let t = min(abs(u), abs(v)) / top;
  let s = select(t, (t - 1.0) / (t + 1.0), t > 0.41421356);
  let q = s * s;
  var r = select(0.0, 0.25 * PI, t > 0.41421356) + s + s * q * (-3.33329491539e-1 + q * (1.99777106478e-1 + q * (-1.38776856032e-1 + q * 8.05374449538e-2)));
  r = select(r, 0.5 * PI - r, abs(u) > abs(v));
  r = select(r, PI - r, v < 0.0);
  return select(r, -r, u < 0.0);
}

fn f(v: f32) -> f32 {
  switch OP {
    case 0u: { return abs(v); }
    case 1u: { return -v; }
    case 2u: { return v * v; }
    case 3u: { return 1.0 / v; }
    case 4u: { return sqrt(v); }
    case 5u: { return 1.0 / sqrt(v); }
    case 6u: { return exp(v); }
    case 7u: { return log(v); }
    case 8u: { return log2(v); }
    case 9u: { return sin(v); }
    case 10u: { return cos(v); }
    case 11u: { return sin(v) / cos(v); }
    case 12u: { return angle(v, sqrt((1.0 - v) * (1.0 + v))); }
    case 13u: { return angle(sqrt((1.0 - v) * (1.0 + v)), v); }
    case 14u: { return angle(v, 1.0); }
    case 15u: { return stable_sinh(v); }
    case 16u: { return stable_cosh(v); }
    case 17u: { return sign(v); }
    case 18u: { return floor(v); }
    case 19u: { return ceil(v); }
    case 20u: { return round(v); }
    default: { return trunc(v); }
  }
}

fn df(v: f32) -> f32 {
  switch OP {
    case 0u: { return sign(v); }
    case 1u: { return -1.0; }
    case 2u: { return 2.0 * v; }
    case 3u: { return -1.0 / (v * v); }
    case 4u: { return 0.5 / sqrt(v); }
    case 5u: { return -0.5 / (v * sqrt(v)); }
    case 6u: { return exp(v); }
    case 7u: { return 1.0 / v; }
    case 8u: { return 1.0 / (LN2 * v); }
    case 9u: { return cos(v); }
    case 10u: { return -sin(v); }
    case 11u: { return 1.0 / (cos(v) * cos(v)); }
    case 12u: { return 1.0 / sqrt((1.0 - v) * (1.0 + v)); }
    case 13u: { return -1.0 / sqrt((1.0 - v) * (1.0 + v)); }
    case 14u: { return 1.0 / (1.0 + v * v); }
    case 15u: { return stable_cosh(v); }
    case 16u: { return stable_sinh(v); }
    default: { return 0.0; }
  }
}

/// The second derivative; 0 where it is not written.
fn ddf(v: f32) -> f32 {
  switch OP {
    case 2u: { return 2.0; }
    case 3u: { return 2.0 / (v * v * v); }
    case 4u: { return -0.25 / (v * sqrt(v)); }
    case 5u: { return 0.75 / (v * v * sqrt(v)); }
    case 6u: { return exp(v); }
    case 7u: { return -1.0 / (v * v); }
    case 8u: { return -1.0 / (LN2 * v * v); }
    case 9u: { return -sin(v); }
    case 10u: { return -cos(v); }
    case 11u: { return 2.0 * sin(v) / (cos(v) * cos(v) * cos(v)); }
    case 12u: {
      let q = (1.0 - v) * (1.0 + v);
      return v / (q * sqrt(q));
    }
    case 13u: {
      let q = (1.0 - v) * (1.0 + v);
      return -v / (q * sqrt(q));
    }
    case 14u: {
      let r = 1.0 / (1.0 + v * v);
      return -2.0 * v * r * r;
    }
    case 15u: { return stable_sinh(v); }
    case 16u: { return stable_cosh(v); }
    default: { return 0.0; }
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = id.x + id.y * grid.x * WG;
  if (i < params.n) {
    y[i] = f(x[i]);
  }
}

@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = id.x + id.y * grid.x * WG;
  if (i < params.n) {
    dx[i] = dy[i] * df(x[i]);
  }
}

@compute @workgroup_size(WG)
fn second(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = id.x + id.y * grid.x * WG;
  if (i < params.n) {
    ddx[i] = g[i] * dy[i] * ddf(x[i]);
  }
}
