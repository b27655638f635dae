// matmul.wgsl for adapters on which loads from buffers are slow: a and b are read through textures, see
// conv2dTexture.wgsl. Inner sizes, columns, and rows of an a that is transposed are whole vectors.
//
// A lane makes ROWS rows x CB vectors of columns, from four steps of the inner size at a time. Eight lanes share a
// block of columns: each loads one vector of b in CB / 2 turns, and subgroupBroadcast hands it round.

enable subgroups;

// #import grid

/// One subgroup where it has 8 lanes: few rows leave few lanes idle.
const WG: u32 = 8u;
const ROWS: u32 = 8u;
/// Even.
const CB: u32 = 4u;
/// As in matmul.wgsl.
const BLOCK: u32 = 512u;
const TRANSPOSE_A: bool = false;
const TRANSPOSE_B: bool = false;

/// Or rgba16float where tensors hold f16.
alias Texels = texture_storage_2d<rgba32float, read>;
/// What tensors hold: or vec4<f16>. Products are added up in f32.
alias Stored = vec4<f32>;

struct Params {
  m: u32,
  n: u32,
  k: u32,
  batches: u32,     // matrices of y
  batch: vec4<u32>,     // their axes
  a_stride: vec4<u32>,  // elements from one matrix of a to the next along each; 0 repeats it
  b_stride: vec4<u32>,
}

@group(0) @binding(0) var a: Texels;
@group(0) @binding(1) var b: Texels;
@group(0) @binding(2) var<storage, read_write> y: array<Stored>;
@group(0) @binding(3) var<uniform> params: Params;

/// Texels in a row, and so the first one behind the zeros.
const ROW: u32 = 4096u;

var<private> acc: array<array<vec4<f32>, CB>, ROWS>;
/// The sum of the blocks, stored by loops that are not unrolled: a store is a hundred instructions.
var<private> made: array<vec4<f32>, ROWS * CB>;
var<private> held: array<vec4<f32>, CB / 2u>;
var<private> v: array<vec4<f32>, ROWS>;

fn texel(i: u32) -> vec2<u32> {
  return vec2<u32>(i % ROW, i / ROW);
}

/// Where the matrices of a and b begin that make matrix i of y.
fn matrices(i: u32) -> vec2<u32> {
  let s = params.batch;
  let c = i / s.w;
  let d = c / s.z;
  let at = vec4<u32>(d / s.y, d % s.y, c % s.z, i % s.w);
  return vec2<u32>(dot(at, params.a_stride), dot(at, params.b_stride)) / 4u;
}

/// The element of a in row i, at step s.
fn left(i: u32, s: u32) -> f32 {
  if (TRANSPOSE_A) {
    return v[s * (ROWS / 4u) + i / 4u][i % 4u];
  }
  return v[i][s];
}

fn add(j: u32, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) {
  for (var i = 0u; i < ROWS; i++) {
    if (TRANSPOSE_B) {
      acc[i][j] += left(i, 0u) * vec4<f32>(w0.x, w1.x, w2.x, w3.x) + left(i, 1u) * vec4<f32>(w0.y, w1.y, w2.y, w3.y)
        + left(i, 2u) * vec4<f32>(w0.z, w1.z, w2.z, w3.z) + left(i, 3u) * vec4<f32>(w0.w, w1.w, w2.w, w3.w);
    } else {
      acc[i][j] += left(i, 0u) * w0 + left(i, 1u) * w1 + left(i, 2u) * w2 + left(i, 3u) * w3;
    }
  }
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(local_invocation_id) lane: vec3<u32>,
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(subgroup_invocation_id) invocation: u32,
) {
  let m = params.m;
  let n = params.n / 4u;
  let k = params.k / 4u;
  let first = group.x * CB;
  // Strips of rows, in eights of one matrix, since those share b.
  let strips = (m + 8u * ROWS - 1u) / (8u * ROWS) * 8u;
  let strip = (group.y + group.z * FOLD) * WG + lane.x;
  let there = strip < strips * params.batches;
  let batch = min(strip / strips, params.batches - 1u);
  let row = strip % strips * ROWS;
  let begin = matrices(batch);
  let mine = invocation & 7u;

  for (var from = 0u; from < k; from += BLOCK / 4u) {
    for (var i = from; i < min(from + BLOCK / 4u, k); i++) {
      for (var h = 0u; h < CB / 2u; h++) {
        let at = select(
          (4u * i + (mine & 3u)) * n + min(first + 2u * h + (mine >> 2u), n - 1u),
          min(4u * first + 8u * h + mine, 4u * n - 1u) * k + i,
          TRANSPOSE_B,
        );
        held[h] = textureLoad(b, texel(ROW + begin.y + at));
      }
      for (var r = 0u; r < ROWS; r++) {
        let at = select(
          min(row + r, m - 1u) * k + i,
          (4u * i + r / (ROWS / 4u)) * (m / 4u) + min(row / 4u + r % (ROWS / 4u), m / 4u - 1u),
          TRANSPOSE_A,
        );
        v[r] = textureLoad(a, texel(ROW + begin.x + at));
      }
      for (var j = 0u; j < CB; j += 2u) {
        let h = held[j / 2u];
        add(j, subgroupBroadcast(h, 0u), subgroupBroadcast(h, 1u), subgroupBroadcast(h, 2u), subgroupBroadcast(h, 3u));
        add(j + 1u, subgroupBroadcast(h, 4u), subgroupBroadcast(h, 5u), subgroupBroadcast(h, 6u), subgroupBroadcast(h, 7u));
      }
    }

    for (var i = 0u; i < ROWS; i++) {
      for (var j = 0u; j < CB; j++) {
        made[i * CB + j] += acc[i][j];
        acc[i][j] = vec4<f32>();
      }
    }
  }
  if (there && row < m) {
    for (var i = 0u; i < min(ROWS, m - row); i++) {
      for (var j = 0u; j < min(CB, n - first); j++) {
        y[(batch * m + row + i) * n + first + j] = Stored(made[i * CB + j]);
      }
    }
  }
}
