// Watches training steps for non-finite losses, gradient norms and weights. The first step that has one is kept in the
// state, so that a host that reads it every few steps can name that step exactly. NaN and infinity are recognised by
// their bits, as in shared/nan.wgsl.
//
// `gradients` and `weights` check up to five tensors per launch. The workgroups of `a` come first, then those of `b`,
// and so on; their number depends on the size of the tensor. `norm` ends the gradients of an update, `finish` the step.

// #import tree

const WG: u32 = 64u;
alias Sum = f32;
/// Most workgroups of a tensor.
const MOST_GROUPS: u32 = 256u;
/// The loss is scaled; `norm` finds the scale in `a`.
const SCALED: bool = false;
/// Steps in a row that are skipped at the lowest loss scale before the run counts as stuck.
const STUCK: u32 = 10u;

struct Params {
  /// Elements of a, b, c, d, and of e.
  n: vec4<u32>,
  last: u32,
  /// Number of `a` among all that are watched.
  first: u32,
  /// Where in `partials` the launch's part begins; for `norm` the end of all parts.
  part: u32,
}

@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(2) var<storage, read> c: array<u32>;
@group(0) @binding(3) var<storage, read> d: array<u32>;
@group(0) @binding(4) var<storage, read> e: array<u32>;
/// See runtime/optim/hyper.ts.
@group(0) @binding(5) var<storage, read> hyper: array<f32>;
@group(0) @binding(6) var<storage, read_write> partials: array<f32>;
/// 0: steps so far. 1: the first bad step, from 1 (0: none). 2: its kind (1 loss, 2 gradient norm, 3 weight, 4 loss
/// scale). 3: the number of the loss, gradient or weight. Of the current step: 4 and 5, complements of the lowest
/// number of a bad gradient and of a bad weight; 6, whether the norm is bad. 7: consecutive steps that were skipped at
/// the lowest loss scale.
@group(0) @binding(7) var<storage, read_write> state: array<atomic<u32>>;
@group(0) @binding(8) var<uniform> params: Params;

fn finite(bits: u32) -> bool {
  return (bits & 0x7fffffffu) < 0x7f800000u;
}

fn element(tensor: u32, i: u32) -> u32 {
  switch (tensor) {
    case 0u: {
      return a[i];
    }
    case 1u: {
      return b[i];
    }
    case 2u: {
      return c[i];
    }
    case 3u: {
      return d[i];
    }
    default: {
      return e[i];
    }
  }
}

/// What a workgroup checks: the tensor, the first element, the elements per thread, the size of the tensor.
struct Part {
  tensor: u32,
  start: u32,
  items: u32,
  n: u32,
}

fn partOf(group: u32) -> Part {
  var g = group;
  for (var t = 0u; t < 4u; t++) {
    let n = params.n[t];
    let items = itemsOf(n);
    let groups = (n + WG * items - 1u) / (WG * items);
    if (g < groups) {
      return Part(t, g * items * WG, items, n);
    }
    g -= groups;
  }
  let items = itemsOf(params.last);
  return Part(4u, g * items * WG, items, params.last);
}

fn itemsOf(n: u32) -> u32 {
  return max(1u, (n + WG * MOST_GROUPS - 1u) / (WG * MOST_GROUPS));
}

/// Notes non-finite gradients, and sums the squares of the scaled gradients.
@compute @workgroup_size(WG)
fn gradients(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  let part = partOf(group.x);
  var sum = 0.0;
  var good = true;
  for (var k = 0u; k < part.items; k++) {
    let i = part.start + k * WG + lane;
    if (i < part.n) {
      let bits = element(part.tensor, i);
      good = good && finite(bits);
      let g = hyper[4] * bitcast<f32>(bits);
      sum += g * g;
    }
  }
  if (!good) {
    atomicMax(&state[4], ~(params.first + part.tensor));
  }
  let all = tree_sum(lane, sum);
  if (lane == 0u) {
    partials[params.part + group.x] = all;
  }
}

/// Ends the gradients of an update. Gradients that the loss scaler skips (gradient scale 0) are not a failure.
@compute @workgroup_size(WG)
fn norm(@builtin(local_invocation_index) lane: u32) {
  var sum = 0.0;
  for (var i = lane; i < params.part; i += WG) {
    sum += partials[i];
  }
  let all = tree_sum(lane, sum);
  if (lane > 0u) {
    return;
  }
  let skipped = hyper[4] == 0.0;
  if (skipped) {
    atomicStore(&state[4], 0u);
  } else if (atomicLoad(&state[4]) != 0u || !finite(bitcast<u32>(all))) {
    atomicStore(&state[6], 1u);
  }
  if (SCALED) {
    // The bits of positive numbers are in their order: a scale of 1 is the lowest.
    if (skipped && a[0] <= 0x3f800000u) {
      atomicAdd(&state[7], 1u);
    } else {
      atomicStore(&state[7], 0u);
    }
  }
}

/// Notes non-finite weights.
@compute @workgroup_size(WG)
fn weights(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  let part = partOf(group.x);
  for (var k = 0u; k < part.items; k++) {
    let i = part.start + k * WG + lane;
    if (i < part.n && !finite(element(part.tensor, i))) {
      atomicMax(&state[5], ~(params.first + part.tensor));
      return;
    }
  }
}

fn note(kind: u32, index: u32) {
  if (atomicLoad(&state[1]) == 0u) {
    atomicStore(&state[1], atomicLoad(&state[0]));
    atomicStore(&state[2], kind);
    atomicStore(&state[3], index);
  }
}

/// Ends a step, whose losses are in `a`. The order is that of cause and effect: loss, gradient, weight.
@compute @workgroup_size(1)
fn finish() {
  atomicAdd(&state[0], 1u);
  for (var i = 0u; i < params.n.x; i++) {
    if (!finite(a[i])) {
      note(1u, i);
    }
  }
  if (atomicExchange(&state[6], 0u) != 0u) {
    note(2u, ~atomicLoad(&state[4]));
  }
  if (atomicLoad(&state[5]) != 0u) {
    note(3u, ~atomicLoad(&state[5]));
  }
  if (atomicLoad(&state[7]) >= STUCK) {
    note(4u, 0u);
  }
  atomicStore(&state[4], 0u);
  atomicStore(&state[5], 0u);
}
