// Arithmetic in a row without broadcasting, each step of what the one before has made: launches of binary.wgsl in one
// (runtime/autograd/chains.ts).

// #import grid

const WG: u32 = 64u;

struct Params {
  n: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read> third: array<f32>;
/// What a step does with the chain's value and its operand; `sub_from` and `divide` exchange the two.
alias STEP = u32;
const STEP_ADD: STEP = 0u;
const STEP_MUL: STEP = 1u;
const STEP_SUB: STEP = 2u;
const STEP_DIV: STEP = 3u;
const STEP_SUB_FROM: STEP = 4u;
const STEP_DIVIDE: STEP = 5u;

/// Where an operand comes from.
alias OPERAND = u32;
const OPERAND_FIRST: OPERAND = 0u;
const OPERAND_SECOND: OPERAND = 1u;
const OPERAND_THIRD: OPERAND = 2u;
const OPERAND_NUMBER: OPERAND = 3u;
const OPERAND_ITSELF: OPERAND = 4u;

/// For each step its function, where its operand comes from, and the bits of a number.
@group(0) @binding(4) var<storage, read> steps: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    var u = a[i];
    let operands = vec3<f32>(b[i], second[i], third[i]);
    for (var k = 0u; k < arrayLength(&steps); k++) {
      let step = steps[k];
      var v = select(bitcast<f32>(step.z), u, step.y == OPERAND_ITSELF);
      if (step.y <= OPERAND_THIRD) {
        v = operands[step.y];
      }
      switch step.x {
        case STEP_ADD: { u += v; }
        case STEP_MUL: { u *= v; }
        case STEP_SUB: { u -= v; }
        case STEP_DIV: { u /= v; }
        case STEP_SUB_FROM: { u = v - u; }
        default: { u = v / u; }
      }
    }
    y[i] = u;
  }
}
