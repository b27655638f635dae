// One lane makes one element, from single numbers: what the formula says.

struct Params {
  x_size: vec4<u32>,    // n, h, w, c; of a product: 1, 1, rows, inner size
  y_size: vec4<u32>,
  kernel: vec4<u32>,    // kh, kw, channels of x, channels of y
  pad: vec2<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) launched: vec3<u32>) {
  let i = id.x + id.y * launched.x * 64u;
  let size = params.y_size;
  if (i >= size.x * size.y * size.z * size.w) {
    return;
  }
  let o = i % size.w;
  let pixel = i / size.w;
  let at = vec2<u32>(pixel / size.z % size.y, pixel % size.z);
  var sum = 0.0;
  for (var ky = 0u; ky < params.kernel.x; ky++) {
    for (var kx = 0u; kx < params.kernel.y; kx++) {
      let from_pixel = at + vec2<u32>(ky, kx) - params.pad;
      if (all(from_pixel < params.x_size.yz)) {
        let begin = ((pixel / (size.z * size.y) * params.x_size.y + from_pixel.x) * params.x_size.z + from_pixel.y) * params.x_size.w;
        for (var c = 0u; c < params.kernel.z; c++) {
          sum += x[begin + c] * w[((ky * params.kernel.y + kx) * params.kernel.z + c) * size.w + o];
        }
      }
    }
  }
  y[i] = sum;
}
