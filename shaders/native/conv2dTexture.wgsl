// Convolution for adapters on which a load from a buffer costs a hundred multiply-adds: lavapipe checks the bounds of
// each component of each lane, but a texture's once, so that x and w are copied into textures. There they are lines of
// vectors, folded at 4096, behind a row of zeros that stands for all that lies outside.
//
// A lane makes PX pixels of a row x CB vectors of channels, and loads each x once for the KW taps of a row of the
// kernel. Each lane of eight loads one vector of w, and subgroupBroadcast hands it round: right for subgroups of 8
// lanes or more. There is one loop, for a loop writes all accumulators once more where it ends: over taps and channels.
//
// It also makes the input gradient: dx = dy * w^T is a convolution over dy with the weights of conv2dTranspose.wgsl,
// whose taps are turned round. With a stride (BACK) its pixels are taken phase by phase of the stride, so that a
// workgroup skips the taps that fall between the pixels of dy.

enable subgroups;

const WG: u32 = 64u;
/// Input gradient of a convolution with a stride: x is dy, y is dx, and stride and pad are that convolution's.
const BACK: bool = false;
const PX: u32 = 8u;
/// Even.
const CB: u32 = 2u;
/// Taps of a row taken together: 1, or 3 where stride and dilation are 1 and the kernel's width is 3.
const KW: u32 = 1u;

/// A texel is a vector of channels: 4 divides those of a group. Or rgba16float where tensors hold f16.
alias Texels = texture_storage_2d<rgba32float, read>;
/// What tensors hold: or f16. Products are added up in f32.
alias Stored = f32;

struct Params {
  x_size: vec4<u32>,    // n, h, w, c of what is read
  y_size: vec4<u32>,    // n, h, w, c of what is made
  kernel: vec4<u32>,    // kh, kw, channels of x in a group, channels of y in a group
  stride: vec2<u32>,
  pad: vec2<i32>,       // top, left; negative ones cut off
  dilation: vec2<u32>,
  bias: u32,            // whether b is one: no specialisation, for each takes its time to compile
}

@group(0) @binding(0) var x: Texels;
@group(0) @binding(1) var w: Texels;
@group(0) @binding(2) var<storage, read> b: array<vec4<Stored>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<Stored>>;
@group(0) @binding(4) var<uniform> params: Params;

/// Texels in a row, and so the first one behind the zeros.
const ROW: u32 = 4096u;
/// The shift of a tap that falls between the pixels of dy.
const NONE: i32 = -2147483647;

var<private> acc: array<array<vec4<f32>, CB>, PX>;
/// What is stored, by one loop: drivers unroll one within another, and each store takes ten milliseconds to compile.
var<private> made: array<vec4<f32>, PX * CB>;
var<private> held: array<vec4<f32>, KW * CB / 2u>;
var<private> v: array<vec4<f32>, PX + KW - 1u>;

fn texel(i: u32) -> vec2<u32> {
  return vec2<u32>(i % ROW, i / ROW);
}

/// Four channels from element i on; zeros if not `inside`.
fn load(t: Texels, i: u32, inside: bool) -> vec4<f32> {
  return textureLoad(t, texel(select(0u, ROW + i / 4u, inside)));
}

/// What to add to a pixel's place for the tap (ky, kx).
fn shiftOf(ky: u32, kx: u32, phase: vec2<u32>) -> vec2<i32> {
  if (BACK) {
    let back = vec2<i32>(phase) + params.pad - vec2<i32>((params.kernel.xy - 1u - vec2<u32>(ky, kx)) * params.dilation);
    let step = vec2<i32>(params.stride);
    return select(vec2<i32>(NONE), back / step, all(back % step == vec2<i32>(0)));
  }
  return vec2<i32>(vec2<u32>(ky, kx) * params.dilation) - params.pad;
}

fn add(j: u32, k: u32, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) {
  for (var i = 0u; i < PX; i++) {
    acc[i][j] += v[i + k].x * w0 + v[i + k].y * w1 + v[i + k].z * w2 + v[i + k].w * w3;
  }
}

/// Tap k of those in hand. Compilers do not unroll a loop over them.
fn tap(k: u32) {
  for (var j = 0u; j < CB; j += 2u) {
    let h = held[(k * CB + j) / 2u];
    add(j, k, subgroupBroadcast(h, 0u), subgroupBroadcast(h, 1u), subgroupBroadcast(h, 2u), subgroupBroadcast(h, 3u));
    add(j + 1u, k, subgroupBroadcast(h, 4u), subgroupBroadcast(h, 5u), subgroupBroadcast(h, 6u), subgroupBroadcast(h, 7u));
  }
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(local_invocation_id) lane: vec3<u32>,
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let from_size = params.x_size;
  let size = params.y_size;
  let kernel = params.kernel;
  let ci = kernel.z;
  let co = kernel.w;
  let blocks = (co + 4u * CB - 1u) / (4u * CB);
  let g = group.y / blocks;
  let first = (group.y % blocks) * 4u * CB;

  // Pixels of one phase form a grid of their own; without BACK there is one phase.
  let step = select(vec2<u32>(1u), params.stride, BACK);
  let grid = (size.yz + step - 1u) / step;
  let across = (grid.y + PX - 1u) / PX;
  let runs = size.x * grid.x * across;
  let span = (runs + WG - 1u) / WG;
  let tile = group.x + group.z * 32768u;
  let phase = vec2<u32>(tile / span / step.y, tile / span % step.y);
  let scale = select(vec2<i32>(params.stride), vec2<i32>(1), BACK);
  let run = (tile % span) * WG + lane.x;
  let row = run / across;
  let in_grid = vec2<u32>(row % grid.x, run % across * PX);
  let image = row / grid.x;
  let corner = vec2<i32>(in_grid) * scale;

  for (var j = 0u; j < CB; j++) {
    var start = vec4<f32>(0.0);
    if (params.bias != 0u) {
      start = vec4<f32>(b[(g * co + min(first + 4u * j, co - 4u)) / 4u]);
    }
    for (var i = 0u; i < PX; i++) {
      acc[i][j] = start;
    }
  }
  var ky = 0u;
  var kx = 0u - KW;
  var c = ci;
  var shift = vec2<i32>(NONE);
  loop {
    if (c >= ci) {
      c = 0u;
      loop {
        kx += KW;
        if (kx == kernel.y) {
          kx = 0u;
          ky++;
        }
        shift = shiftOf(ky, kx, phase);
        if (!BACK || ky >= kernel.x || shift.x != NONE) {
          break;
        }
      }
    }
    if (ky >= kernel.x) {
      break;
    }
    let origin = corner + shift;
    let base = (i32(image * from_size.y) + origin.x) * i32(from_size.z);
    let inside = run < runs && u32(origin.x) < from_size.y;
    for (var h = 0u; h < KW * CB / 2u; h++) {
      let k = 2u * h + ((invocation >> 2u) & 1u);
      let i = c + (invocation & 3u);
      let o = first + k % CB * 4u;
      held[h] = load(w, ((ky * kernel.y + kx + k / CB) * ci + i) * size.w + g * co + o, o < co);
    }
    for (var i = 0u; i < PX + KW - 1u; i++) {
      let column = origin.y + i32(i) * scale.y;
      v[i] = load(x, u32(base + column) * from_size.w + g * ci + c, inside && u32(column) < from_size.z);
    }
    tap(0u);
    if (KW > 1u) {
      tap(1u);
      tap(2u);
    }
    c += 4u;
  }

  for (var i = 0u; i < PX; i++) {
    for (var j = 0u; j < CB; j++) {
      made[i * CB + j] = acc[i][j];
    }
  }
  let pixel = in_grid * step + phase;
  // The last fold of the grid may reach past the last phase.
  if (tile < span * step.x * step.y && run < runs && all(pixel < size.yz)) {
    let to = (((image * size.y + pixel.x) * size.z + pixel.y) * size.w + g * co + first) / 4u;
    let there = min(PX, (size.z - pixel.y + step.y - 1u) / step.y);
    let vectors = min(CB, (co - first) / 4u);
    for (var n = 0u; n < there * vectors; n++) {
      y[to + n / vectors * step.y * size.w / 4u + n % vectors] = vec4<Stored>(made[n / vectors * CB + n % vectors]);
    }
  }
}
