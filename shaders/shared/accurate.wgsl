// Functions that keep their relative accuracy where the built-in ones would cancel or overflow.

/// e^v - 1: its series near 0.
fn expm1(v: f32) -> f32 {
  if (abs(v) < 0.5) {
    let rest = 1.0 + v / 5.0 * (1.0 + v / 6.0 * (1.0 + v / 7.0 * (1.0 + v / 8.0)));
    return v * (1.0 + v / 2.0 * (1.0 + v / 3.0 * (1.0 + v / 4.0 * rest)));
  }
  return exp(v) - 1.0;
}

/// log(1 + v): near 0 the series of 2 artanh(v / (2 + v)).
fn log1p(v: f32) -> f32 {
  if (abs(v) < 0.5) {
    let s = v / (2.0 + v);
    let q = s * s;
    let rest = 1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0 + q / 15.0));
    return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * rest))));
  }
  return select(log(1.0 + v), nan_of(v), v < -1.0);
}

/// 1 - erf(z) for z >= 0 to a relative 1.2e-7 (Numerical Recipes, erfcc), beyond what an exponential of f32 holds 0.
fn erfc_positive(z: f32) -> f32 {
  let t = 1.0 / (1.0 + 0.5 * z);
  let rest = 0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)));
  let p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * rest))));
  return t * exp(max(p - z * z, -100.0)) * select(0.0, 1.0, z < 10.0);
}

const TWO_BY_SQRT_PI: f32 = 1.12837917;

/// The series of erf near 0, elsewhere by erfc.
fn erf(v: f32) -> f32 {
  if (abs(v) < 1.0) {
    let q = v * v;
    let last = -1.0 / 1320.0 + q * (1.0 / 9360.0 + q * (-1.0 / 75600.0 + q * (1.0 / 685440.0 - q / 6894720.0)));
    let sum = -1.0 / 3.0 + q * (1.0 / 10.0 + q * (-1.0 / 42.0 + q * (1.0 / 216.0 + q * last)));
    return TWO_BY_SQRT_PI * v * (1.0 + q * sum);
  }
  return sign(v) * (1.0 - erfc_positive(abs(v)));
}

/// log(v + sqrt(v^2 + 1)) for v >= 0; where a square would overflow log(2 v).
fn asinh_positive(v: f32) -> f32 {
  return select(log1p(v + v * v / (1.0 + sqrt(1.0 + v * v))), log(v) + 0.69314718, v > 1e9);
}

/// log(v + sqrt(v^2 - 1)); NaN below 1.
fn stable_acosh(v: f32) -> f32 {
  if (v < 1.0) {
    return nan_of(v);
  }
  return select(log1p((v - 1.0) + sqrt((v - 1.0) * (v + 1.0))), log(v) + 0.69314718, v > 1e9);
}
