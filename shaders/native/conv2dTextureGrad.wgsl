// Weight gradient of a convolution, with x and dy read through textures: see conv2dTexture.wgsl.
//
// A lane makes four channels of x, of KW taps of a row of the kernel, x CB vectors of channels of y, over a chunk of
// runs that its whole workgroup shares. A run is eight pixels of a row of y: lane l loads the dy of pixel l,
// subgroupBroadcast hands it round, and each x serves KW taps. weightReduce in conv2d.wgsl adds the chunks in a fixed
// order.

enable subgroups;

/// One subgroup where it has 8 lanes, so that few lanes have nothing to do.
const WG: u32 = 8u;
/// 2 or 4.
const CB: u32 = 2u;
/// Taps of a row taken together: 1, or 3 where stride and dilation are 1 and the kernel's width is 3.
const KW: u32 = 1u;

/// A texel is a vector of channels: 4 divides those of a group. Or rgba16float where tensors hold f16.
alias Texels = texture_storage_2d<rgba32float, read>;

struct Params {
  x_size: vec4<u32>,    // n, h, w, c
  y_size: vec4<u32>,    // n, h, w, c
  kernel: vec4<u32>,    // kh, kw, channels of x in a group, channels of y in a group
  stride: vec2<u32>,
  pad: vec2<u32>,       // top, left
  dilation: vec2<u32>,
  chunk: u32,           // runs in a chunk
}

@group(0) @binding(0) var x: Texels;
@group(0) @binding(1) var dy: Texels;
@group(0) @binding(2) var<storage, read_write> parts: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

/// Texels in a row, and so the first one behind the zeros.
const ROW: u32 = 4096u;

var<private> acc: array<array<array<vec4<f32>, 4>, KW>, CB>;
/// What is stored, by a loop that is not unrolled: a store is a hundred instructions.
var<private> made: array<vec4<f32>, CB * KW * 4u>;
var<private> held: array<vec4<f32>, CB>;
/// The dy of four pixels.
var<private> d: array<vec4<f32>, 4>;
/// The x of eight pixels under each tap; 0 beyond the row, where dy is 0 as well but x may be NaN.
var<private> v: array<array<vec4<f32>, 8>, KW>;

fn texel(i: u32) -> vec2<u32> {
  return vec2<u32>(i % ROW, i / ROW);
}

/// Four channels from element i on; zeros if not `inside`.
fn load(t: Texels, i: u32, inside: bool) -> vec4<f32> {
  return textureLoad(t, texel(select(0u, ROW + i / 4u, inside)));
}

/// Tap k of four pixels of the run, from s on.
fn tap(j: u32, k: u32, s: u32) {
  for (var c = 0u; c < 4u; c++) {
    acc[j][k][c] += v[k][s][c] * d[0] + v[k][s + 1u][c] * d[1] + v[k][s + 2u][c] * d[2] + v[k][s + 3u][c] * d[3];
  }
}

fn four(j: u32, s: u32) {
  tap(j, 0u, s);
  if (KW > 1u) {
    tap(j, 1u, s);
    tap(j, 2u, s);
  }
}

/// Vector j of channels of y. Compilers do not unroll loops over so much.
fn vector(j: u32) {
  let h = held[j];
  d = array(subgroupBroadcast(h, 0u), subgroupBroadcast(h, 1u), subgroupBroadcast(h, 2u), subgroupBroadcast(h, 3u));
  four(j, 0u);
  d = array(subgroupBroadcast(h, 4u), subgroupBroadcast(h, 5u), subgroupBroadcast(h, 6u), subgroupBroadcast(h, 7u));
  four(j, 4u);
}

@compute @workgroup_size(WG)
fn weightGrad(
  @builtin(local_invocation_id) lane: vec3<u32>,
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let from_size = params.x_size;
  let size = params.y_size;
  let kernel = params.kernel;
  let ci = kernel.z;
  let co = kernel.w;
  let quads = ci / 4u;
  let scale = vec2<i32>(params.stride);
  let blocks = (co + 4u * CB - 1u) / (4u * CB);
  let across = kernel.y / KW;
  let slots = kernel.x * across * quads;
  // Workgroups take all slots of a block of channels of y, then those of the next; their number is folded into x and z.
  let rows = (slots + WG - 1u) / WG;
  let number = group.x + group.z * 32768u;
  let column = number / rows;
  if (column >= size.w / co * blocks) {
    return;
  }
  let g = column / blocks;
  let first = (column % blocks) * 4u * CB;
  let slot = number % rows * WG + lane.x;
  let c = slot % quads * 4u;
  let of_row = slot / quads;
  let at = vec2<u32>(of_row / across, of_row % across * KW);
  let reach = vec2<i32>(at * params.dilation) - vec2<i32>(params.pad);

  let runs = (size.z + 7u) / 8u;
  let end = min((group.y + 1u) * params.chunk, size.x * size.y * runs);
  var row = group.y * params.chunk / runs;
  var start = group.y * params.chunk % runs * 8u;
  var image = row / size.y;
  var oy = row % size.y;
  for (var run = group.y * params.chunk; run < end; run++) {
    let mine = start + (invocation & 7u);
    for (var j = 0u; j < CB; j++) {
      let o = first + 4u * j;
      held[j] = load(dy, (row * size.z + mine) * size.w + g * co + o, mine < size.z && o < co);
    }
    let iy = i32(oy) * scale.x + reach.x;
    let base = (i32(image * from_size.y) + iy) * i32(from_size.z);
    let inside = u32(iy) < from_size.y;
    for (var i = 0u; i < KW + 7u; i++) {
      let ix = i32(start + i) * scale.y + reach.y;
      let under = load(x, u32(base + ix) * from_size.w + g * ci + c, inside && u32(ix) < from_size.z);
      for (var k = 0u; k < KW; k++) {
        if (i >= k && i < k + 8u) {
          v[k][i - k] = select(vec4<f32>(0.0), under, start + i - k < size.z);
        }
      }
    }
    vector(0u);
    vector(1u);
    if (CB > 2u) {
      vector(2u);
      vector(3u);
    }
    start += 8u;
    if (start >= size.z) {
      start = 0u;
      row++;
      oy++;
      if (oy == size.y) {
        oy = 0u;
        image++;
      }
    }
  }

  for (var j = 0u; j < CB; j++) {
    for (var k = 0u; k < KW; k++) {
      for (var i = 0u; i < 4u; i++) {
        made[(j * KW + k) * 4u + i] = acc[j][k][i];
      }
    }
  }
  if (slot < slots) {
    let to = ((((group.y * kernel.x + at.x) * kernel.y + at.y) * ci + c) * size.w + g * co + first) / 4u;
    for (var n = 0u; n < min(4u * CB, co - first) * KW; n++) {
      parts[to + (n / 4u % KW * ci + n % 4u) * size.w / 4u + n / (4u * KW)] = made[n];
    }
  }
}
