// log sum_c exp(z_c) of a pixel's scores in one pass: the sum is relative to the largest score so far, and is scaled
// down when a larger one comes. A NaN among the scores, and an infinite one as in PyTorch, makes it NaN; a score of
// -Infinity adds nothing. Brought in by `// #import logSum`.

/// (largest, sum relative to it) of no scores. Not -Infinity, from which nothing may be subtracted.
const NO_SCORES: vec2f = vec2f(-3.4e38, 0.0);

/// The same with one more score.
fn with_score(s: vec2f, z: f32) -> vec2f {
  let e = exp(-abs(z - s.x));
  return vec2f(max(s.x, z), select(s.y + e, s.y * e + 1.0, z > s.x));
}

/// (largest, logarithm of the sum relative to it): the logarithm of the sum comes in two parts, which huge scores would
/// drown in one another.
fn log_sum(s: vec2f) -> vec2f {
  let infinite = (bitcast<u32>(s.x) & 0x7fffffffu) >= 0x7f800000u;
  return vec2f(s.x, select(log(s.y), bitcast<f32>(bitcast<u32>(s.x) | 0x7fc00000u), infinite));
}
