// The rows of a table of image operations, and 8-bit texels r | g << 8 | b << 16. Brought in by `// #import operation`.

/// What a row asks for, in its first number.
alias OPERATION = i32;
const OPERATION_IDENTITY: OPERATION = 0;
const OPERATION_AUTOCONTRAST: OPERATION = 1;
const OPERATION_EQUALIZE: OPERATION = 2;
const OPERATION_INVERT: OPERATION = 3;
const OPERATION_SOLARIZE: OPERATION = 4;
const OPERATION_SOLARIZE_ADD: OPERATION = 5;
const OPERATION_POSTERIZE: OPERATION = 6;
const OPERATION_COLOR: OPERATION = 7;
const OPERATION_CONTRAST: OPERATION = 8;
const OPERATION_BRIGHTNESS: OPERATION = 9;
const OPERATION_SHARPNESS: OPERATION = 10;
const OPERATION_SMOOTH: OPERATION = 11;
const OPERATION_BLUR: OPERATION = 12;
const OPERATION_GAUSSIAN: OPERATION = 13;
const OPERATION_HUE: OPERATION = 14;
const OPERATION_AFFINE: OPERATION = 15;
const OPERATION_RESCALE: OPERATION = 16;
const OPERATION_CUTOUT: OPERATION = 17;

/// Numbers in a row.
const ROW: u32 = 16u;

/// Numbers in the histograms, or the tables, of an image: 256 for each channel and for grey.
const BINS: u32 = 1024u;

/// Of image k in this pass.
fn row_of(k: u32) -> u32 {
  return ROW * (k * params.slots + params.slot);
}

fn channels(t: u32) -> vec3<i32> {
  return vec3<i32>(vec3<u32>(t & 255u, (t >> 8u) & 255u, (t >> 16u) & 255u));
}

/// Pillow's conversion to grey.
fn grey(v: vec3<i32>) -> i32 {
  return (v.x * 19595 + v.y * 38470 + v.z * 7471 + 32768) >> 16u;
}
