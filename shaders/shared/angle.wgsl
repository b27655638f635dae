// The angle of a point, for atan, asin, acos and atan2.

/// The angle of the point (v, u) to some 1e-7 (Cephes, atanf): built-in functions may be far less accurate. Its sign is
/// that of u, also of -0; NaN where either is NaN, which min and max may lose.
fn angle(u: f32, v: f32) -> f32 {
  if (is_nan(u) || is_nan(v)) {
    return nan_of(u);
  }
  let top = max(abs(u), abs(v));
  var t = 1.0; // where both are infinite, too
  if (abs(u) != abs(v)) {
    t = min(abs(u), abs(v)) / top;
  }
  if (top == 0.0) {
    t = 0.0;
  }
  let s = select(t, (t - 1.0) / (t + 1.0), t > 0.41421356);
  let q = s * s;
  var r = select(0.0, 0.78539816, t > 0.41421356) + s;
  r += s * q * (-3.33329491539e-1 + q * (1.99777106478e-1 + q * (-1.38776856032e-1 + q * 8.05374449538e-2)));
  r = select(r, 1.57079633 - r, abs(u) > abs(v));
  r = select(r, 3.14159265 - r, (bitcast<u32>(v) >> 31u) == 1u);
  return select(r, -r, (bitcast<u32>(u) >> 31u) == 1u);
}
