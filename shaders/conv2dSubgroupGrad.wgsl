// Weight gradient of a convolution for adapters on which loads are dear: see conv2dSubgroup.wgsl.
//
// One thread makes RC channels of x (of one tap) x CB vectors of channels of y, over a chunk of pixels that its whole workgroup shares. Eight pixels are
// taken at a time: lane l loads the dy of pixel l, and each is handed round in turn. weightReduce in conv2d.wgsl adds the chunks in a fixed order.

enable subgroups;

/// One subgroup where it has 8 lanes, so that few lanes have nothing to do.
const WG: u32 = 8u;
/// 32 accumulators in registers.
const RC: u32 = 2u;
const CB: u32 = 4u;
/// Whether the channels of a group are whole: RC divides those of x, 4 CB those of y. Then dy is read by vectors.
const WHOLE: bool = false;
alias Element = f32;
/// What tensors hold: or f16. Products are added up in f32.
alias Stored = f32;

struct Params {
  x_size: vec4<u32>,    // n, h, w, c
  y_size: vec4<u32>,    // n, h, w, c
  kernel: vec4<u32>,    // kh, kw, channels of x in a group, channels of y in a group
  stride: vec2<u32>,
  pad: vec2<u32>,       // top, left
  dilation: vec2<u32>,
  chunk: u32,           // pixels of y in a chunk
}

@group(0) @binding(0) var<storage, read> x: array<Stored>;
@group(0) @binding(1) var<storage, read> dy: array<Element>;
@group(0) @binding(2) var<storage, read_write> parts: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

/// Four channels of dy of a pixel from c on; past the last channel, `end`, the last one again. `at` is the index of its channel 0.
fn loadDy(at: u32, c: u32, end: u32) -> vec4<f32> {
  if (WHOLE) {
    return vec4<f32>(vec4<Stored>(dy[(at + c) / 4u]));
  }
  return vec4<f32>(vec4<Stored>(vec4<Stored>(dy[at + min(c, end)]).x, vec4<Stored>(dy[at + min(c + 1u, end)]).x, vec4<Stored>(dy[at + min(c + 2u, end)]).x, vec4<Stored>(dy[at + min(c + 3u, end)]).x));
}

@compute @workgroup_size(WG)
fn weightGrad(@builtin(local_invocation_id) lane: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) invocation: u32) {
  let size = params.y_size;
  let ci = params.kernel.z;
  let co = params.kernel.w;
  let blocks = (co + 4u * CB - 1u) / (4u * CB);
  let sets = (ci + RC - 1u) / RC;
  let slots = params.kernel.x * params.kernel.y * sets;
  // Workgroups take all slots of a block of channels of y, then those of the next; their number is folded into x and z.
  let rows = (slots + WG - 1u) / WG;
  let number = group.x + group.z * 32768u;
  let column = number / rows;
  if (column >= params.y_size.w / co * blocks) {
    return;
  }
  let g = column / blocks;
  let first = (column % blocks) * 4u * CB;
  let slot = number % rows * WG + lane.x;
  let stored = slot < slots;
  let tap = min(slot / sets, params.kernel.x * params.kernel.y - 1u);
  let c = slot % sets * RC;
  let reach = vec2<i32>(vec2<u32>(tap / params.kernel.y, tap % params.kernel.y) * params.dilation) - vec2<i32>(params.pad);
  let shift = reach.x * i32(params.x_size.z) + reach.y;

  var acc: array<array<vec4<f32>, CB>, RC>;
  let end = min((group.y + 1u) * params.chunk, size.x * size.y * size.z);
  for (var p = group.y * params.chunk; p < end; p += 8u) {
    // Lane l holds pixel p + l: where it lies in x, and its dy, which is zero after the chunk's last.
    let mine = p + (invocation & 7u);
    let pixel = min(mine, end - 1u);
    let used = select(0.0, 1.0, mine < end);
    let row = pixel / size.z;
    let at = vec2<i32>(vec2<u32>(row % size.y, pixel % size.z) * params.stride);
    let base = (i32(row / size.y * params.x_size.y) + at.x) * i32(params.x_size.z) + at.y;
    let d = pixel * size.w + g * co;
    var held: array<vec4<f32>, CB>;
    for (var j = 0u; j < CB; j++) {
      held[j] = used * loadDy(d, first + 4u * j, co - 1u);
    }
    for (var s = 0u; s < 8u; s++) {
      let there = all(vec2<u32>(subgroupShuffle(at, s) + reach) < params.x_size.yz);
      let f = select(0u, u32(subgroupShuffle(base, s) + shift), there) * params.x_size.w + g * ci;
      let inside = select(0.0, 1.0, there);
      var v: array<f32, RC>;
      for (var r = 0u; r < RC; r++) {
        v[r] = inside * f32(x[f + c + select(min(r, ci - 1u - c), r, WHOLE)]);
      }
      for (var j = 0u; j < CB; j++) {
        let o = subgroupShuffle(held[j], s);
        for (var r = 0u; r < RC; r++) {
          acc[r][j] += v[r] * o;
        }
      }
    }
  }

  if (stored) {
    for (var r = 0u; r < RC; r++) {
      for (var j = 0u; j < CB; j++) {
        for (var k = 0u; k < 4u; k++) {
          let o = first + 4u * j + k;
          if (WHOLE || (c + r < ci && o < co)) {
            parts[((group.y * params.kernel.x * params.kernel.y + tap) * ci + c + r) * size.w + g * co + o] = acc[r][j][k];
          }
        }
      }
    }
  }
}
