// Dynamic loss scaling (Micikevicius et al. 2018): `check` notes gradients that are not finite, `update` changes the
// hyper-parameters of the step: their gradient scale takes the loss scale off, or is 0 where the step is to be skipped.
// Then it moves the loss scale.

// #import grid

const WG: u32 = 64u;

struct Params {
  n: u32,
  interval: u32,
}

/// The bits of f32: kernels need not know NaN and infinity.
@group(0) @binding(0) var<storage, read> dw: array<u32>;
/// Was a value found that is not finite (0, 1); steps since the scale has moved; steps that were skipped.
@group(0) @binding(1) var<storage, read_write> counts: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read_write> scale: array<f32>;
/// lr, step, bias corrections 1 and 2, gradient scale, EMA decay: see runtime/optim/hyper.ts.
@group(0) @binding(3) var<storage, read_write> hyper: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn check(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    let magnitude = dw[i] & 0x7fffffffu;
    // 65504, too: there an f16 ends that overflows on an adapter which rounds towards 0.
    if (magnitude >= 0x7f800000u || magnitude == 0x477fe000u) {
      atomicStore(&counts[0], 1u);
    }
  }
}

@compute @workgroup_size(1)
fn update() {
  let skip = atomicExchange(&counts[0], 0u) == 1u;
  let step = hyper[1];
  // Steps that were skipped do not count for the bias corrections 1 - beta^step.
  let made = max(1.0, step - f32(atomicLoad(&counts[2])));
  if (made < step) {
    for (var i = 2u; i < 4u; i++) {
      hyper[i] = 1.0 - pow(1.0 - hyper[i], made / step);
    }
  }
  hyper[1] = made;
  hyper[4] = select(hyper[4] / scale[0], 0.0, skip);
  let good = atomicAdd(&counts[1], 1u) + 1u;
  if (skip) {
    scale[0] = max(1.0, scale[0] * 0.5);
    atomicAdd(&counts[2], 1u);
  } else if (good >= params.interval) {
    scale[0] = min(16777216.0, scale[0] * 2.0);
  } else {
    return;
  }
  atomicStore(&counts[1], 0u);
}
