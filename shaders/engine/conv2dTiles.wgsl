// conv2d.wgsl for GPUs, by tiles in workgroup memory.
//
// A workgroup makes ROWS x 4 COLUMNS of the product. It goes along the inner size by sixteen: what a round multiplies
// is fetched into registers while the one before is multiplied, then laid into workgroup memory. A lane makes PX rows x
// 4 CB columns in registers: 16 loads of vectors for 1024 multiply-adds where CB is 2. weightGrad shares its sum over
// pixels out to chunks (split-K), which conv2d.wgsl adds up.

const WG: u32 = 64u;
/// Lanes side by side along the columns, vectors of columns and rows that a lane makes.
const TX: u32 = 4u;
const CB: u32 = 1u;
const PX: u32 = 8u;
const BACK: bool = false;
/// What tensors hold: or f16. Products are added up in f32.
alias Stored = f32;

const TY: u32 = WG / TX;
const ROWS: u32 = TY * PX;
/// In vectors.
const COLUMNS: u32 = TX * CB;
/// Vectors from a row of the left factor to the next: four, and one that keeps rows out of each other's banks.
const ROW: u32 = 5u;
/// Vectors that a lane fetches of each; in weightGrad blocks of four.
const LEFT: u32 = ROWS * 4 / WG;
const BLOCKS: u32 = (ROWS + WG - 1) / WG;
const RIGHT: u32 = (COLUMNS * 16 + WG - 1) / WG;
/// Vectors of a lane's sums, of the sixteen columns of the right factor beside them, and of the tiles.
const SUMS: u32 = PX * CB;
const FOURS: u32 = 4u * CB;
const TALL: u32 = ROWS / 4;
const FETCHED: u32 = 4u * BLOCKS;
const LEFT_TILE: u32 = ROWS * ROW;
const RIGHT_TILE: u32 = COLUMNS * 16;

// #import conv

@group(0) @binding(0) var<storage, read> x: array<vec4<Stored>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<Stored>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<Stored>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<Stored>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<Stored>>;
@group(0) @binding(5) var<storage, read_write> parts: array<vec4<f32>>;
@group(0) @binding(6) var<uniform> params: Params;

/// The left factor by rows of four vectors, the right one by sixteen rows of COLUMNS.
var<workgroup> left: array<vec4<f32>, LEFT_TILE>;
var<workgroup> right: array<vec4<f32>, RIGHT_TILE>;

/// Adds the product of what lies in workgroup memory to the lane's sums.
fn multiply(sums: ptr<function, array<vec4<f32>, SUMS>>, lane: u32) {
  for (var q = 0u; q < 4u; q++) {
    var r: array<vec4<f32>, FOURS>;
    for (var i = 0u; i < 4u * CB; i++) {
      r[i] = right[(q * 4u + i / CB) * COLUMNS + i % CB * TX + lane % TX];
    }
    for (var i = 0u; i < PX; i++) {
      let l = left[(lane / TX + i * TY) * ROW + q];
      for (var c = 0u; c < CB; c++) {
        // One after the other: each is a multiply-add.
        var s = (*sums)[i * CB + c];
        s += l.x * r[c];
        s += l.y * r[CB + c];
        s += l.z * r[2u * CB + c];
        s += l.w * r[3u * CB + c];
        (*sums)[i * CB + c] = s;
      }
    }
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
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
    let m = min(first + lane / 4u + i * (WG / 4u), pixels - 1u);
    let yx = vec2<u32>(m / some.y % some.x, m % some.y) * apart + phase;
    start[i] = vec3<i32>(i32(m / some.y / some.x), vec2<i32>(yx * select(params.stride, vec2<u32>(1u), BACK)));
  }
  var sums: array<vec4<f32>, SUMS>;
  var l: array<vec4<f32>, LEFT>;
  var r: array<vec4<f32>, RIGHT>;
  var filled = false;
  var k = 0u;
  loop {
    if (BACK && ci % 4u == 0u) {
      // Taps that fall between pixels for the whole workgroup.
      while (k < deep && any((vec2<i32>(phase) + tapAt(k / ci)) % vec2<i32>(params.stride) != vec2<i32>(0))) {
        k += ci;
      }
    }
    if (k < deep) {
      let tap = tapAt((k + lane % 4u) / ci);
      let c = g * ci + (k + lane % 4u) % ci;
      for (var i = 0u; i < LEFT; i++) {
        let p = pixel(u32(start[i].x), start[i].yz + tap);
        l[i] = select(vec4<f32>(0.0), vec4<f32>(x[u32(max(p, 0)) + c]), p >= 0 && k + lane % 4u < deep);
      }
      for (var i = 0u; i < RIGHT; i++) {
        let row = k * 4u + (lane + i * WG) / COLUMNS;
        let n = column + (lane + i * WG) % COLUMNS;
        r[i] = select(vec4<f32>(0.0), vec4<f32>(w[row * (size.w / 4u) + g * co + n]), row < deep * 4u && n < co);
      }
    }
    if (filled) {
      multiply(&sums, lane);
    }
    if (k >= deep) {
      break;
    }
    workgroupBarrier();
    for (var i = 0u; i < LEFT; i++) {
      left[(lane / 4u + i * (WG / 4u)) * ROW + lane % 4u] = l[i];
    }
    for (var i = 0u; i < RIGHT; i++) {
      if (lane + i * WG < COLUMNS * 16u) {
        right[lane + i * WG] = r[i];
      }
    }
    workgroupBarrier();
    filled = true;
    k += 4u;
  }
  for (var i = 0u; i < PX; i++) {
    let m = first + lane / TX + i * TY;
    let yx = vec2<u32>(m / some.y % some.x, m % some.y) * apart + phase;
    if (m < pixels && all(yx < size.yz)) {
      for (var c = 0u; c < CB; c++) {
        let n = column + c * TX + lane % TX;
        if (n < co) {
          let s = sums[i * CB + c] + select(vec4<f32>(0.0), vec4<f32>(b[g * co + n]), params.bias != 0u);
          y[((m / some.y / some.x * size.y + yx.x) * size.z + yx.y) * (size.w / 4u) + g * co + n] = vec4<Stored>(s);
        }
      }
    }
  }
}

/// Rows are taps and channels of x, columns channels of y.
@compute @workgroup_size(WG)
fn weightGrad(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
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
  var sums: array<vec4<f32>, SUMS>;
  var l: array<vec4<f32>, FETCHED>;
  var r: array<vec4<f32>, RIGHT>;
  // A lane fetches blocks of four pixels of a vector of channels.
  var filled = false;
  var at = group.y * params.chunk;
  loop {
    if (at < end) {
      for (var i = 0u; i < BLOCKS; i++) {
        let patch = lane + i * WG;
        let m = min(first + patch % TALL, rows - 1u);
        let tap = tapAt(m / ci);
        let c = g * ci + m % ci;
        for (var j = 0u; j < 4u; j++) {
          let p = at + patch / TALL * 4u + j;
          let line = p / size.z;
          let q = pixel(line / size.y, vec2<i32>(vec2<u32>(line % size.y, p - line * size.z) * params.stride) + tap);
          l[i * 4u + j] = select(vec4<f32>(0.0), vec4<f32>(x[u32(max(q, 0)) + c]), q >= 0 && p < end);
        }
      }
      for (var i = 0u; i < RIGHT; i++) {
        let p = at + (lane + i * WG) / COLUMNS;
        let n = column + (lane + i * WG) % COLUMNS;
        r[i] = select(vec4<f32>(0.0), vec4<f32>(dy[p * (size.w / 4u) + g * co + n]), p < end && n < co);
      }
    }
    if (filled) {
      multiply(&sums, lane);
    }
    if (at >= end) {
      break;
    }
    workgroupBarrier();
    for (var i = 0u; i < BLOCKS; i++) {
      let patch = lane + i * WG;
      if (patch < ROWS) {
        let t = transpose(mat4x4<f32>(l[i * 4u], l[i * 4u + 1u], l[i * 4u + 2u], l[i * 4u + 3u]));
        for (var j = 0u; j < 4u; j++) {
          left[(patch % TALL * 4u + j) * ROW + patch / TALL] = t[j];
        }
      }
    }
    for (var i = 0u; i < RIGHT; i++) {
      if (lane + i * WG < COLUMNS * 16u) {
        right[lane + i * WG] = r[i];
      }
    }
    workgroupBarrier();
    filled = true;
    at += 16u;
  }
  for (var i = 0u; i < PX; i++) {
    let m = first * 4u + lane / TX + i * TY;
    for (var c = 0u; c < CB; c++) {
      let n = column + c * TX + lane % TX;
      if (m < rows * 4u && n < co) {
        parts[(group.y * rows * 4u + m) * (size.w / 4u) + g * co + n] = sums[i * CB + c];
      }
    }
  }
}
