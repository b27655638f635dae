// conv2dTiles.wgsl in f16 with subgroup matrices (tensor cores), an experimental feature of Dawn. A workgroup makes
// ROWS x 4 COLUMNS of a product, its inner size by 32 at a time; each of its subgroups multiplies a rectangle of it by
// matrices of M x K and K x N. Products are added up in f32.

enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;

const WG: u32 = 128u;
/// Vectors of columns, and subgroups that lie along them.
const COLUMNS: u32 = 16u;
const SX: u32 = 2u;
const BACK: bool = false;
/// What the adapter multiplies, and its lanes of a subgroup.
const M: u32 = 16u;
const N: u32 = 16u;
const K: u32 = 16u;
const LANES: u32 = 32u;
alias Left = subgroup_matrix_left<f16,16,16>;
alias Right = subgroup_matrix_right<f16,16,16>;
alias Sum = subgroup_matrix_result<f32,16,16>;

const ROWS: u32 = 128u;
const TALL: u32 = ROWS / 4;
/// Matrices of a subgroup, down and across.
const DOWN: u32 = ROWS * LANES * SX / WG / M;
const WIDE: u32 = COLUMNS * 4 / SX / N;
const SUMS: u32 = DOWN * WIDE;
/// Vectors from a row of what is shared to the next: two more than it has keep rows out of each other's banks, and 16
/// bytes aligned.
const LEFT_ROW: u32 = 10u;
const GRAD_ROW: u32 = TALL + 2;
const RIGHT_ROW: u32 = COLUMNS + 2;
const LEFT_TILE: u32 = ROWS * LEFT_ROW;
const RIGHT_TILE: u32 = RIGHT_ROW * 32;
const SUM_TILE: u32 = M * N / 4;
const SUM_TILES: u32 = WG / LANES * SUM_TILE;
/// Vectors that a lane fetches.
const LEFT: u32 = ROWS * 8 / WG;
const RIGHT: u32 = COLUMNS * 32 / WG;

// #import conv

@group(0) @binding(0) var<storage, read> x: array<vec4<f16>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<f16>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f16>>;
@group(0) @binding(5) var<storage, read_write> parts: array<vec4<f32>>;
@group(0) @binding(6) var<uniform> params: Params;

/// The left factor by rows (of weightGrad by columns), the right one by rows, and a matrix of sums of each subgroup.
var<workgroup> left: array<vec4<f16>, LEFT_TILE>;
var<workgroup> right: array<vec4<f16>, RIGHT_TILE>;
var<workgroup> sum: array<vec4<f32>, SUM_TILES>;

/// Adds the product of what is shared to the subgroup's sums.
fn multiply(sums: ptr<function, array<Sum, SUMS>>, subgroup: u32, grad: bool) {
  for (var k = 0u; k < 32u; k += K) {
    var l: array<Left, DOWN>;
    for (var i = 0u; i < DOWN; i++) {
      let row = (subgroup / SX * DOWN + i) * M;
      if (grad) {
        l[i] = subgroupMatrixLoad<Left, col_major>(&left, k * GRAD_ROW + row / 4u, GRAD_ROW);
      } else {
        l[i] = subgroupMatrixLoad<Left, row_major>(&left, row * LEFT_ROW + k / 4u, LEFT_ROW);
      }
    }
    for (var j = 0u; j < WIDE; j++) {
      let r = subgroupMatrixLoad<Right, row_major>(&right, k * RIGHT_ROW + (subgroup % SX * WIDE + j) * (N / 4u), RIGHT_ROW);
      for (var i = 0u; i < DOWN; i++) {
        (*sums)[i * WIDE + j] = subgroupMatrixMultiplyAccumulate(l[i], r, (*sums)[i * WIDE + j]);
      }
    }
  }
}

/// Lays out a matrix of the subgroup's sums, between barriers.
fn show(sums: ptr<function, array<Sum, SUMS>>, subgroup: u32, i: u32) {
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&sum, subgroup * SUM_TILE, (*sums)[i], N / 4u);
  workgroupBarrier();
}

@compute @workgroup_size(WG)
fn forward(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) within: u32,
) {
  let size = params.y_size;
  let apart = select(vec2<u32>(1u), params.stride, BACK);
  // Pixels of a workgroup go by steps of the stride with BACK: they have the same taps.
  let some = vec2<u32>((size.y + apart.x - 1u) / apart.x, (size.z + apart.y - 1u) / apart.y);
  let pixels = size.x * some.x * some.y;
  let tiles = (pixels + ROWS - 1u) / ROWS;
  let tile = group.x + group.z * 32768u;
  let first = tile % tiles * ROWS;
  let phase = vec2<u32>(tile / tiles / apart.y, tile / tiles % apart.y);
  let ci = params.kernel.z / 4u;
  let co = params.kernel.w / 4u;
  let across = (co + COLUMNS - 1u) / COLUMNS;
  let g = group.y / across;
  let column = group.y % across * COLUMNS;
  let deep = params.kernel.x * params.kernel.y * ci;

  // Where the lane's pixels of x begin, before a tap is added.
  var start: array<vec3<i32>, LEFT>;
  for (var i = 0u; i < LEFT; i++) {
    let m = min(first + lane / 8u + i * (WG / 8u), pixels - 1u);
    let yx = vec2<u32>(m / some.y % some.x, m % some.y) * apart + phase;
    start[i] = vec3<i32>(i32(m / some.y / some.x), vec2<i32>(yx * select(params.stride, vec2<u32>(1u), BACK)));
  }
  var sums: array<Sum, SUMS>;
  var l: array<vec4<f16>, LEFT>;
  var r: array<vec4<f16>, RIGHT>;
  var filled = false;
  var k = 0u;
  loop {
    if (BACK && ci % 8u == 0u) {
      // Taps that fall between pixels for the whole workgroup.
      while (k < deep && any((vec2<i32>(phase) + tapAt(k / ci)) % vec2<i32>(params.stride) != vec2<i32>(0))) {
        k += ci;
      }
    }
    if (k < deep) {
      let tap = tapAt((k + lane % 8u) / ci);
      let c = g * ci + (k + lane % 8u) % ci;
      for (var i = 0u; i < LEFT; i++) {
        let p = pixel(u32(start[i].x), start[i].yz + tap);
        l[i] = select(vec4<f16>(0.0), x[u32(max(p, 0)) + c], p >= 0 && k + lane % 8u < deep);
      }
      for (var i = 0u; i < RIGHT; i++) {
        let row = k * 4u + (lane + i * WG) / COLUMNS;
        let n = column + (lane + i * WG) % COLUMNS;
        r[i] = select(vec4<f16>(0.0), w[row * (size.w / 4u) + g * co + n], row < deep * 4u && n < co);
      }
    }
    if (filled) {
      multiply(&sums, subgroup, false);
    }
    if (k >= deep) {
      break;
    }
    workgroupBarrier();
    for (var i = 0u; i < LEFT; i++) {
      left[(lane / 8u + i * (WG / 8u)) * LEFT_ROW + lane % 8u] = l[i];
    }
    for (var i = 0u; i < RIGHT; i++) {
      right[(lane + i * WG) / COLUMNS * RIGHT_ROW + (lane + i * WG) % COLUMNS] = r[i];
    }
    workgroupBarrier();
    filled = true;
    k += 8u;
  }
  for (var i = 0u; i < SUMS; i++) {
    show(&sums, subgroup, i);
    for (var v = within; v < SUM_TILE; v += LANES) {
      let m = first + (subgroup / SX * DOWN + i / WIDE) * M + v / (N / 4u);
      let n = column + (subgroup % SX * WIDE + i % WIDE) * (N / 4u) + v % (N / 4u);
      let yx = vec2<u32>(m / some.y % some.x, m % some.y) * apart + phase;
      if (m < pixels && all(yx < size.yz) && n < co) {
        let s = sum[subgroup * SUM_TILE + v] + select(vec4<f32>(0.0), vec4<f32>(b[g * co + n]), params.bias != 0u);
        y[((m / some.y / some.x * size.y + yx.x) * size.z + yx.y) * (size.w / 4u) + g * co + n] = vec4<f16>(s);
      }
    }
  }
}

/// Rows are taps and channels of x, columns channels of y.
@compute @workgroup_size(WG)
fn weightGrad(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) within: u32,
) {
  let size = params.y_size;
  let ci = params.kernel.z / 4u;
  let co = params.kernel.w / 4u;
  let across = (co + COLUMNS - 1u) / COLUMNS;
  let groups = size.w / params.kernel.w;
  let tile = group.x + group.z * 32768u;
  let g = tile % (across * groups) / across;
  let column = tile % across * COLUMNS;
  let rows = params.kernel.x * params.kernel.y * ci;
  let first = tile / (across * groups) * TALL;
  let end = min((group.y + 1u) * params.chunk, size.x * size.y * size.z);
  let row = min(first + lane % TALL, rows - 1u);
  let tap = tapAt(row / ci);
  let c = g * ci + row % ci;
  var sums: array<Sum, SUMS>;
  var l: array<vec4<f16>, LEFT>;
  var r: array<vec4<f16>, RIGHT>;
  var filled = false;
  var at = group.y * params.chunk;
  loop {
    if (at < end) {
      for (var i = 0u; i < LEFT; i++) {
        let p = at + lane / TALL + i * (WG / TALL);
        let line = p / size.z;
        let q = pixel(line / size.y, vec2<i32>(vec2<u32>(line % size.y, p - line * size.z) * params.stride) + tap);
        l[i] = select(vec4<f16>(0.0), x[u32(max(q, 0)) + c], q >= 0 && p < end);
      }
      for (var i = 0u; i < RIGHT; i++) {
        let p = at + (lane + i * WG) / COLUMNS;
        let n = column + (lane + i * WG) % COLUMNS;
        r[i] = select(vec4<f16>(0.0), dy[p * (size.w / 4u) + g * co + n], p < end && n < co);
      }
    }
    if (filled) {
      multiply(&sums, subgroup, true);
    }
    if (at >= end) {
      break;
    }
    workgroupBarrier();
    for (var i = 0u; i < LEFT; i++) {
      left[(lane / TALL + i * (WG / TALL)) * GRAD_ROW + lane % TALL] = l[i];
    }
    for (var i = 0u; i < RIGHT; i++) {
      right[(lane + i * WG) / COLUMNS * RIGHT_ROW + (lane + i * WG) % COLUMNS] = r[i];
    }
    workgroupBarrier();
    filled = true;
    at += 32u;
  }
  for (var i = 0u; i < SUMS; i++) {
    show(&sums, subgroup, i);
    for (var v = within; v < SUM_TILE; v += LANES) {
      let m = first * 4u + (subgroup / SX * DOWN + i / WIDE) * M + v / (N / 4u);
      let n = column + (subgroup % SX * WIDE + i % WIDE) * (N / 4u) + v % (N / 4u);
      if (m < rows * 4u && n < co) {
        parts[(group.y * rows * 4u + m) * (size.w / 4u) + g * co + n] = sum[subgroup * SUM_TILE + v];
      }
    }
  }
}
