// Whether a number is 0, by its bits: a comparison with 0 may take NaN for 0, since WGSL lets a compiler assume that no
// value is NaN. Used for weights and masks: 0 leaves an element out, whatever it holds. Brought in by
// `// #import zero`.

/// Whether v is 0 or -0.
fn is_zero(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) == 0u;
}
