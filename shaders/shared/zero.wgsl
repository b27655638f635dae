// Whether a number is 0 by its bits: a comparison with 0 may take NaN for it, as WGSL lets a compiler assume that there
// is none. For weights and masks, of which 0 leaves an element out without looking at it. Brought in by `// #import
// zero`.

/// Whether v is 0 or -0.
fn is_zero(v: f32) -> bool {
  return (bitcast<u32>(v) & 0x7fffffffu) == 0u;
}
