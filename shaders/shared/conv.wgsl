// Geometry of the convolutions over vectors of four channels, for shaders that declare `params` as these Params, and
// BACK: whether x is the dy and y the dx of a convolution, whose taps fall between the pixels of dy.

struct Params {
  x_size: vec4<u32>,    // n, h, w, c of what is read
  y_size: vec4<u32>,    // of what is made; in weightGrad of dy
  kernel: vec4<u32>,    // kh, kw, channels of x in a group, channels of y in a group
  stride: vec2<u32>,
  pad: vec2<i32>,       // top, left
  dilation: vec2<u32>,
  bias: u32,            // whether b is one
  chunk: u32,           // pixels of dy in a chunk of weightGrad
  chunks: u32,
}

/// Index in x of the first channel of the pixel `at` of an image; -1 in the padding and, with BACK, between pixels.
fn pixel(image: u32, at: vec2<i32>) -> i32 {
  var i = at;
  var inside = true;
  if (BACK) {
    i = at / vec2<i32>(params.stride);
    inside = all(i * vec2<i32>(params.stride) == at);
  }
  inside = inside && all(vec2<u32>(i) < params.x_size.yz);
  let line = i32(image * params.x_size.y) + i.x;
  return select(-1, (line * i32(params.x_size.z) + i.y) * i32(params.x_size.w / 4u), inside);
}

/// Offset of the tap in this row and column of the kernel, in pixels of x.
fn tapOf(k: vec2<u32>) -> vec2<i32> {
  return vec2<i32>(k * params.dilation) - params.pad;
}

/// Offset of tap number k, in pixels of x.
fn tapAt(k: u32) -> vec2<i32> {
  return tapOf(vec2<u32>(k / params.kernel.y, k % params.kernel.y));
}
