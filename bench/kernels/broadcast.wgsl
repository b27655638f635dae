// What conv2dTexture.wgsl was before textures: each lane of eight loads the weights of one channel, and
// subgroupBroadcast hands them round. Stride and dilation 1, whole vectors.

enable subgroups;

const WG: u32 = 64u;
/// A lane makes PX pixels x CB vectors of four channels.
const PX: u32 = 2u;
const CB: u32 = 4u;

struct Params {
  x_size: vec4<u32>,    // n, h, w, c
  y_size: vec4<u32>,
  kernel: vec4<u32>,    // kh, kw, channels of x, channels of y
  pad: vec2<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(
  @builtin(local_invocation_id) lane: vec3<u32>,
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let size = params.y_size;
  let ci = params.kernel.z / 4u;
  let co = size.w / 4u;
  let first = group.y * CB;
  let pixels = size.x * size.y * size.z;
  var at: array<vec2<u32>, PX>;
  var image: array<u32, PX>;
  var acc: array<array<vec4<f32>, CB>, PX>;
  for (var i = 0u; i < PX; i++) {
    let q = min(group.x * WG * PX + i * WG + lane.x, pixels - 1u);
    at[i] = vec2<u32>(q / size.z % size.y, q % size.z);
    image[i] = q / size.z / size.y;
  }
  for (var ky = 0u; ky < params.kernel.x; ky++) {
    for (var kx = 0u; kx < params.kernel.y; kx++) {
      var source: array<u32, PX>;
      var inside: array<f32, PX>;
      for (var i = 0u; i < PX; i++) {
        let pixel = at[i] + vec2<u32>(ky, kx) - params.pad;
        let there = all(pixel < params.x_size.yz);
        source[i] = select(0u, (image[i] * params.x_size.y + pixel.x) * params.x_size.z + pixel.y, there) * ci;
        inside[i] = select(0.0, 1.0, there);
      }
      for (var c = 0u; c < ci; c += 2u) {
        var held: array<vec4<f32>, CB>;
        for (var j = 0u; j < CB; j++) {
          held[j] = w[((ky * params.kernel.y + kx) * ci * 4u + 4u * c + (invocation & 7u)) * co + min(first + j, co - 1u)];
        }
        for (var i = 0u; i < PX; i++) {
          let v0 = inside[i] * x[source[i] + c];
          let v1 = inside[i] * x[source[i] + c + 1u];
          for (var j = 0u; j < CB; j++) {
            let h = held[j];
            acc[i][j] += v0.x * subgroupBroadcast(h, 0u) + v0.y * subgroupBroadcast(h, 1u)
              + v0.z * subgroupBroadcast(h, 2u) + v0.w * subgroupBroadcast(h, 3u)
              + v1.x * subgroupBroadcast(h, 4u) + v1.y * subgroupBroadcast(h, 5u)
              + v1.z * subgroupBroadcast(h, 6u) + v1.w * subgroupBroadcast(h, 7u);
          }
        }
      }
    }
  }
  for (var i = 0u; i < PX; i++) {
    let q = group.x * WG * PX + i * WG + lane.x;
    for (var j = 0u; j < CB; j++) {
      if (q < pixels && first + j < co) {
        y[q * co + first + j] = acc[i][j];
      }
    }
  }
}
