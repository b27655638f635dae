// The value of a given rank among n numbers, by radix selection: four passes over eight bits each, most significant
// first. A pass counts, among the numbers that share the bits found so far, the next eight bits (integer atomics, exact
// in any order), and one thread walks the counts to the wanted rank. Numbers are compared as unsigned keys in the order
// of the floats. Between two ranks the value is interpolated. NaN is the largest, as in sorting; where a share of the
// way is asked for, any NaN among the valid numbers makes the result NaN, as in PyTorch's quantile.

// #import grid
// #import nan

const WG: u32 = 64u;
const VALID: bool = false;
const BINS: u32 = 256u;
/// The share comes in a tensor, in percent.
const PERCENT: bool = false;

struct Params {
  n: u32,
  /// Numbers for each thread.
  items: u32,
  /// Of the eight bits that are counted: 24, 16, 8, 0.
  shift: u32,
  /// Rank from 0 among the valid numbers.
  rank: u32,
  /// Not below 0: in place of the rank, the share of the way from the first rank to the last.
  share: f32,
}

/// Where the search stands.
struct State {
  /// Bits found so far.
  prefix: u32,
  /// Rank among the numbers with this prefix.
  rest: u32,
  /// Numbers not above the found one.
  below: u32,
  whole: u32,
  fraction: f32,
  /// 0 where no number is valid, else how it was asked for.
  found: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> valid: array<f32>;
@group(0) @binding(2) var<storage, read_write> bins: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> state: State;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;
@group(0) @binding(6) var<storage, read> percent: array<f32>;

const NAN_KEY: u32 = 0xffffffffu;
const BY_RANK: u32 = 1u;
const BY_SHARE: u32 = 2u;
/// The share is NaN.
const NOWHERE: u32 = 3u;

fn keyOf(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  if (is_nan(v)) {
    return NAN_KEY;
  }
  return bits ^ select(0x80000000u, 0xffffffffu, (bits & 0x80000000u) != 0u);
}

fn floatOf(key: u32) -> f32 {
  return bitcast<f32>(key ^ select(0xffffffffu, 0x80000000u, (key & 0x80000000u) != 0u));
}

fn counts(i: u32) -> bool {
  if (VALID) {
    return valid[i] != 0.0;
  }
  return true;
}

var<workgroup> local: array<atomic<u32>, BINS>;

@compute @workgroup_size(WG)
fn histogram(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  for (var k = 0u; k < params.items; k++) {
    let i = (group.x * params.items + k) * WG + lane;
    if (i < params.n) {
      let key = keyOf(x[i]);
      // In the first pass there are no bits to compare: a shift by 32 is not defined.
      if (counts(i) && (params.shift == 24u || ((key ^ state.prefix) >> (params.shift + 8u)) == 0u)) {
        atomicAdd(&local[(key >> params.shift) & 255u], 1u);
      }
    }
  }
  workgroupBarrier();
  for (var i = lane; i < BINS; i += WG) {
    let sum = atomicLoad(&local[i]);
    if (sum != 0u) {
      atomicAdd(&bins[i], sum);
    }
  }
}

/// One thread: the bin that holds the wanted rank. Clears the bins for the next pass.
@compute @workgroup_size(1)
fn walk() {
  if (params.shift == 24u) {
    var total = 0u;
    for (var i = 0u; i < BINS; i++) {
      total += atomicLoad(&bins[i]);
    }
    let last = max(total, 1u) - 1u;
    state.rest = min(params.rank, last);
    state.fraction = 0.0;
    var share = params.share;
    var way = select(BY_RANK, BY_SHARE, PERCENT || share >= 0.0);
    if (PERCENT) {
      share = clamp(percent[0] / 100.0, 0.0, 1.0);
      if (is_nan(percent[0])) {
        share = 0.0;
        way = NOWHERE;
      }
    }
    if (share >= 0.0) {
      let rank = clamp(share * f32(last), 0.0, f32(last));
      state.rest = min(u32(floor(rank)), last);
      state.fraction = rank - floor(rank);
    }
    state.whole = state.rest;
    state.prefix = 0u;
    state.below = 0u;
    state.found = select(0u, way, total > 0u);
  }
  var bin = 0u;
  while (bin < BINS - 1u) {
    let count = atomicLoad(&bins[bin]);
    if (state.rest < count) {
      break;
    }
    state.rest -= count;
    state.below += count;
    bin++;
  }
  state.prefix |= bin << params.shift;
  if (params.shift == 0u) {
    state.below += atomicLoad(&bins[bin]);
  }
  for (var i = 0u; i < BINS; i++) {
    atomicStore(&bins[i], select(0u, 0xffffffffu, params.shift == 0u && i == 0u));
  }
}

/// The smallest number above the found one, into the first bin; into the second one whether any is NaN.
@compute @workgroup_size(WG)
fn above(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n && counts(i)) {
    let key = keyOf(x[i]);
    if (key > state.prefix) {
      atomicMin(&bins[0], key);
    }
    if (key == NAN_KEY) {
      atomicMax(&bins[1], 1u);
    }
  }
}

@compute @workgroup_size(1)
fn finish() {
  let low = floatOf(state.prefix);
  var v = low;
  if (state.fraction > 0.0 && state.whole + 1u >= state.below) {
    let high = floatOf(atomicLoad(&bins[0]));
    let infinite = max(abs(low), abs(high)) > 3.4028234e38;
    // Between a number and an infinity lies that infinity.
    v = select(low + state.fraction * (high - low), (1.0 - state.fraction) * low + state.fraction * high, infinite);
  }
  if (state.found == NOWHERE || (state.found == BY_SHARE && atomicLoad(&bins[1]) != 0u)) {
    v = floatOf(NAN_KEY);
  }
  y[0] = select(0.0, v, state.found != 0u);
}
