// Dynamic loss scaling (Micikevicius et al. 2018): `check` notes gradients that are not finite, `update` makes the hyper-parameters of the step from those that are
// given: their gradient scale takes the loss scale off, or is 0 where the step is to be skipped. Then it moves the loss scale.

const WG: u32 = 64u;

struct Params {
  n: u32,
  growth: f32,
  backoff: f32,
  interval: f32,
  least: f32,
  most: f32,
}

/// The bits of f32: kernels need not know NaN and infinity.
@group(0) @binding(0) var<storage, read> dw: array<u32>;
/// lr, step, bias corrections 1 and 2, gradient scale, EMA decay: see runtime/optim/hyper.ts.
@group(0) @binding(1) var<storage, read> hyper: array<f32>;
@group(0) @binding(2) var<storage, read_write> found: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read_write> scale: array<f32>;
/// Steps since the scale has moved, steps that were skipped.
@group(0) @binding(4) var<storage, read_write> counts: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn check(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = id.x + id.y * grid.x * WG;
  if (i < params.n) {
    let magnitude = dw[i] & 0x7fffffffu;
    // 65504, too: there an f16 ends that overflows on an adapter which rounds towards 0.
    if (magnitude >= 0x7f800000u || magnitude == 0x477fe000u) {
      atomicStore(&found[0], 1u);
    }
  }
}

@compute @workgroup_size(1)
fn update() {
  let skip = atomicExchange(&found[0], 0u) != 0u;
  let step = hyper[1];
  // Steps that were skipped do not count for bias corrections 1 - beta^step.
  let made = max(1.0, step - counts[1]);
  for (var i = 0u; i < 8u; i++) {
    var v = hyper[i];
    if (made < step && (i == 2u || i == 3u)) {
      v = 1.0 - pow(1.0 - v, made / step);
    }
    y[i] = v;
  }
  y[1] = made;
  y[4] = select(hyper[4] / scale[0], 0.0, skip);
  counts[0] += 1.0;
  if (skip) {
    scale[0] = max(params.least, scale[0] * params.backoff);
    counts[0] = 0.0;
    counts[1] += 1.0;
  } else if (counts[0] >= params.interval) {
    scale[0] = min(params.most, scale[0] * params.growth);
    counts[0] = 0.0;
  }
}
