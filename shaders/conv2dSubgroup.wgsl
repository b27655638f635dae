// Convolution for adapters on which a load costs many multiply-adds (software rasterisers: a load is one gather for each component, even where its
// address is uniform). Each lane of a subgroup loads one channel's weights, and subgroupBroadcast, a register move there, hands them round: a load
// serves 32 multiply-adds instead of 2. Right for subgroups of 8 lanes or more and for any channel counts; GPUs have conv2d.wgsl.
//
// forward also makes the input gradient: dx = dy * w^T is a convolution over dy with the weights that transpose makes, whose taps are turned round.
// With a stride (BACK) its pixels are taken phase by phase of the stride, so that a workgroup skips the taps that fall between the pixels of dy.

enable subgroups;

const WG: u32 = 64u;
const BIAS: bool = false;
/// Input gradient of a convolution with a stride: x is dy, y is dx, and stride and pad are that convolution's.
const BACK: bool = false;
/// A thread makes PX pixels x CB vectors of four channels, in registers.
const PX: u32 = 2u;
const CB: u32 = 4u;
/// Whether the channels of a group are whole: 8 divides those of x, 4 CB those of y. Then tensors are vectors.
const WHOLE: bool = false;
alias Element = f32;
/// What tensors hold: or f16. Products are added up in f32.
alias Stored = f32;

struct Params {
  x_size: vec4<u32>,    // n, h, w, c of what is read
  y_size: vec4<u32>,    // n, h, w, c of what is made
  kernel: vec4<u32>,    // kh, kw, channels of x in a group, channels of y in a group
  stride: vec2<u32>,
  pad: vec2<i32>,       // top, left; negative ones cut off
  dilation: vec2<u32>,
}

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read> w: array<Element>;
@group(0) @binding(2) var<storage, read> b: array<Stored>;
@group(0) @binding(3) var<storage, read_write> y: array<Stored>;
@group(0) @binding(4) var<uniform> params: Params;

/// Four channels of x of a pixel from c on; past the last channel, `end`, the last one again. `at` is the index of its channel 0.
fn loadX(at: u32, c: u32, end: u32) -> vec4<f32> {
  if (WHOLE) {
    return vec4<f32>(vec4<Stored>(x[(at + c) / 4u]));
  }
  return vec4<f32>(vec4<Stored>(vec4<Stored>(x[at + min(c, end)]).x, vec4<Stored>(x[at + min(c + 1u, end)]).x, vec4<Stored>(x[at + min(c + 2u, end)]).x, vec4<Stored>(x[at + min(c + 3u, end)]).x));
}

fn loadW(at: u32, c: u32, end: u32) -> vec4<f32> {
  if (WHOLE) {
    return vec4<f32>(vec4<Stored>(w[(at + c) / 4u]));
  }
  return vec4<f32>(vec4<Stored>(vec4<Stored>(w[at + min(c, end)]).x, vec4<Stored>(w[at + min(c + 1u, end)]).x, vec4<Stored>(w[at + min(c + 2u, end)]).x, vec4<Stored>(w[at + min(c + 3u, end)]).x));
}

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_id) lane: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) invocation: u32) {
  let size = params.y_size;
  let ci = params.kernel.z;
  let co = params.kernel.w;
  let blocks = (co + 4u * CB - 1u) / (4u * CB);
  let g = group.y / blocks;
  let first = (group.y % blocks) * 4u * CB;

  // Pixels of one phase form a grid of their own; without BACK there is one phase.
  let step = select(vec2<u32>(1u), params.stride, BACK);
  let grid = (size.yz + step - 1u) / step;
  let each = size.x * grid.x * grid.y;
  let span = (each + WG * PX - 1u) / (WG * PX);
  let tile = group.x + group.z * 32768u;
  let phase = vec2<u32>(tile / span / step.y, tile / span % step.y);
  let scale = select(vec2<i32>(params.stride), vec2<i32>(1), BACK);
  var to: array<u32, PX>;
  var stored: array<bool, PX>;
  var at: array<vec2<i32>, PX>;
  var base: array<i32, PX>;
  var acc: array<array<vec4<f32>, CB>, PX>;
  for (var i = 0u; i < PX; i++) {
    let q = (tile % span) * (WG * PX) + i * WG + lane.x;
    let row = q / grid.y;
    let in_grid = vec2<u32>(row % grid.x, q % grid.y);
    let pixel = in_grid * step + phase;
    // The last fold of the grid may reach past the last phase.
    stored[i] = tile < span * step.x * step.y && q < each && all(pixel < size.yz);
    to[i] = ((row / grid.x * size.y + pixel.x) * size.z + pixel.y) * size.w + g * co;
    at[i] = vec2<i32>(in_grid) * scale;
    base[i] = (i32(min(row / grid.x, size.x - 1u) * params.x_size.y) + at[i].x) * i32(params.x_size.z) + at[i].y;
  }

  for (var ky = 0u; ky < params.kernel.x; ky++) {
    for (var kx = 0u; kx < params.kernel.y; kx++) {
      var shift = vec2<i32>(vec2<u32>(ky, kx) * params.dilation) - params.pad;
      if (BACK) {
        let back = vec2<i32>(phase) + params.pad - vec2<i32>((params.kernel.xy - 1u - vec2<u32>(ky, kx)) * params.dilation);
        if (any(back % vec2<i32>(step) != vec2<i32>(0))) {
          continue;
        }
        shift = back / vec2<i32>(step);
      }
      var source: array<u32, PX>;
      var inside: array<f32, PX>;
      for (var i = 0u; i < PX; i++) {
        let there = all(vec2<u32>(at[i] + shift) < params.x_size.yz);
        source[i] = select(0u, u32(base[i] + shift.x * i32(params.x_size.z) + shift.y), there) * params.x_size.w + g * ci;
        inside[i] = select(0.0, 1.0, there);
      }
      let tap = (ky * params.kernel.y + kx) * ci;
      for (var c = 0u; c < ci; c += 8u) {
        // Lane l holds the weights of channel c + l: zero after the last, whose x is read instead.
        let mine = c + (invocation & 7u);
        let used = select(0.0, 1.0, mine < ci);
        let from_w = (tap + min(mine, ci - 1u)) * size.w + g * co;
        var held: array<vec4<f32>, CB>;
        for (var j = 0u; j < CB; j++) {
          held[j] = used * loadW(from_w, first + 4u * j, co - 1u);
        }
        var v0: array<vec4<f32>, PX>;
        var v1: array<vec4<f32>, PX>;
        for (var i = 0u; i < PX; i++) {
          v0[i] = inside[i] * loadX(source[i], c, ci - 1u);
          v1[i] = inside[i] * loadX(source[i], c + 4u, ci - 1u);
        }
        for (var j = 0u; j < CB; j++) {
          let w0 = subgroupBroadcast(held[j], 0u);
          let w1 = subgroupBroadcast(held[j], 1u);
          let w2 = subgroupBroadcast(held[j], 2u);
          let w3 = subgroupBroadcast(held[j], 3u);
          for (var i = 0u; i < PX; i++) {
            acc[i][j] += v0[i].x * w0 + v0[i].y * w1 + v0[i].z * w2 + v0[i].w * w3;
          }
          let w4 = subgroupBroadcast(held[j], 4u);
          let w5 = subgroupBroadcast(held[j], 5u);
          let w6 = subgroupBroadcast(held[j], 6u);
          let w7 = subgroupBroadcast(held[j], 7u);
          for (var i = 0u; i < PX; i++) {
            acc[i][j] += v1[i].x * w4 + v1[i].y * w5 + v1[i].z * w6 + v1[i].w * w7;
          }
        }
      }
    }
  }

  for (var i = 0u; i < PX; i++) {
    if (stored[i]) {
      for (var j = 0u; j < CB; j++) {
        for (var k = 0u; k < 4u; k++) {
          let o = first + 4u * j + k;
          if (WHOLE || o < co) {
            y[to[i] + o] = Stored(acc[i][j][k] + select(0.0, f32(b[g * co + o]), BIAS));
          }
        }
      }
    }
  }
}

/// y [last tap to first, channel of y in its group, channel of x] from w [tap, channel of x in its group, channel of y]; sizes as in w's convolution.
/// A thread moves eight channels of y, for the divisions cost more than the moves.
@compute @workgroup_size(WG)
fn transpose(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) launched: vec3<u32>) {
  let i = id.x + id.y * launched.x * WG;
  let ci = params.kernel.z;
  let co = params.kernel.w;
  let cx = params.x_size.w;
  let taps = params.kernel.x * params.kernel.y;
  let eighths = (co + 7u) / 8u;
  if (i < taps * eighths * cx) {
    let c = i % cx;
    let first = i / cx % eighths * 8u;
    let tap = i / (cx * eighths);
    let row = ((taps - 1u - tap) * ci + c % ci) * params.y_size.w + c / ci * co;
    for (var o = first; o < min(first + 8u, co); o++) {
      y[(tap * co + o) * cx + c] = vec4<Stored>(w[row + o]).x;
    }
  }
}
