// Copies between a dense tensor and a strided one of up to eight axes, and the sums that such copies need backwards.
// forward: y[i] = x[offset + sum over axes a of k_a stride_a], where i = (i_0, i_1, …) is an index of y and k_a is i_a,
// or, with a RULE, the index in 0 … limit_a - 1 that it gives for start_a + i_a: permute, expand, slice, flip without a
// rule; pad and roll with one. place: y[offset + sum of i_a stride_a] = x[i]: the adjoint of a copy that reads no
// element twice (slice, permute), and the parts of a concatenation. overlap: the adjoint of a padding along the middle
// one of three axes, [outer, size, inner] to [outer, limit, inner]; every element of dx gathers what was copied from
// it, in the order of the copies.

// #import grid

const WG: u32 = 64u;
/// What lies beyond the ends of an axis.
const RULE_NONE: u32 = 0u;
const RULE_CONSTANT: u32 = 1u;
const RULE_REFLECT: u32 = 2u;
const RULE_REPLICATE: u32 = 3u;
const RULE_CIRCULAR: u32 = 4u;
const RULE: u32 = RULE_NONE;
/// Axes that are looked at, 2, 4 or 8; those that a copy lacks have size 1 and come first. The loops over them count
/// upwards, for which Mesa unrolls them: counting down takes twice the time.
const AXES: u32 = 8u;
/// Or vec4<u32>, where the last axis is dense on both sides and 4 divides all: sizes and strides then count vectors.
alias Element = u32;
/// f16 where Element is that or vec4<f16>: elements are then copied by their value, and the constant is 0.
alias Scalar = u32;
/// Of gradients that are summed: or f16.
alias Number = f32;

struct Params {
  n: u32,
  offset: i32,
  value: u32,           // the bits of the constant
  size0: vec4<i32>,     // axes 0 to 3, the slowest first
  size1: vec4<i32>,     // axes 4 to 7
  stride0: vec4<i32>,
  stride1: vec4<i32>,
  start0: vec4<i32>,
  start1: vec4<i32>,
  limit0: vec4<i32>,    // the size, with a start of 0, where the rule has nothing to do
  limit1: vec4<i32>,
}

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read_write> y: array<Element>;
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> dy: array<Number>;
@group(0) @binding(4) var<storage, read_write> dx: array<Number>;

fn pick(axis: u32, low: vec4<i32>, high: vec4<i32>) -> i32 {
  return select(high, low, axis < 4u)[axis % 4u];
}

/// The index along an axis of x at c, which may lie outside of 0 … n - 1; -1 where there is none. Reflection goes once
/// beyond each end.
fn within(c: i32, n: i32) -> i32 {
  switch RULE {
    case RULE_REFLECT: { return select(abs(c), 2 * (n - 1) - c, c >= n); }
    case RULE_REPLICATE: { return clamp(c, 0, n - 1); }
    case RULE_CIRCULAR: {
      if (c >= 0 && c < n) {
        return c;
      }
      return (c % n + n) % n;
    }
    default: { return select(-1, c, c >= 0 && c < n); }
  }
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n) {
    return;
  }
  var rest = i;
  var source = params.offset;
  var inside = true;
  for (var b = 0u; b < AXES; b++) {
    let a = AXES - 1u - b;
    var k = i32(rest);
    if (a > 0u) {
      let size = u32(pick(a, params.size0, params.size1));
      let slower = rest / size;
      k = i32(rest - slower * size);
      rest = slower;
    }
    if (RULE != RULE_NONE) {
      k = within(k + pick(a, params.start0, params.start1), pick(a, params.limit0, params.limit1));
      inside &= k >= 0;
    }
    source += k * pick(a, params.stride0, params.stride1);
  }
  if (inside) {
    y[i] = x[source];
  } else {
    y[i] = Element(Scalar(params.value));
  }
}

@compute @workgroup_size(WG)
fn place(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n) {
    return;
  }
  var rest = i;
  var dest = params.offset;
  for (var b = 0u; b < AXES; b++) {
    let a = AXES - 1u - b;
    var k = rest;
    if (a > 0u) {
      let size = u32(pick(a, params.size0, params.size1));
      let slower = rest / size;
      k = rest - slower * size;
      rest = slower;
    }
    dest += i32(k) * pick(a, params.stride0, params.stride1);
  }
  y[dest] = x[i];
}

@compute @workgroup_size(WG)
fn overlap(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n) {
    return;
  }
  let inner = params.size0.z;
  let n = params.limit0.y;
  let start = params.start0.y;
  let size = params.size0.y;
  let row = i32(i) / inner;
  let j = row % n;
  // Element c of the padded axis, counted from the start of x's, lies at base + c * inner of dy.
  let base = (row / n * size - start) * inner + i32(i) % inner;
  var sum = 0.0;
  switch RULE {
    case RULE_REFLECT: {
      let mirrored = vec3<i32>(-j, j, 2 * (n - 1) - j);
      for (var m = 0; m < 3; m++) {
        let c = mirrored[m];
        let again = (m == 0 && j == 0) || (m == 2 && j == n - 1);
        if (!again && c >= start && c < start + size) {
          sum += f32(dy[base + c * inner]);
        }
      }
    }
    case RULE_REPLICATE: {
      let first = select(max(j, start), start, j == 0);
      let last = select(min(j, start + size - 1), start + size - 1, j == n - 1);
      for (var c = first; c <= last; c++) {
        sum += f32(dy[base + c * inner]);
      }
    }
    default: {
      for (var c = start + ((j - start) % n + n) % n; c < start + size; c += n) {
        sum += f32(dy[base + c * inner]);
      }
    }
  }
  dx[i] = Number(sum);
}
