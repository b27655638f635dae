// Softmax over the last axis, with a scale: y = softmax(scale x). One thread a row; LOG gives its logarithm.

const WG: u32 = 64u;
const LOG: bool = false;

struct Params {
  rows: u32,
  c: u32,
  scale: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> y_in: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let row = id.x + id.y * grid.x * WG;
  if (row < params.rows) {
    let first = row * params.c;
    var high = params.scale * x[first];
    for (var i = 1u; i < params.c; i++) {
      high = max(high, params.scale * x[first + i]);
    }
    var sum = 0.0;
    for (var i = 0u; i < params.c; i++) {
      let e = exp(params.scale * x[first + i] - high);
      sum += e;
      y[first + i] = e;
    }
    if (LOG) {
      // The largest score is taken off first: where scores are huge, log(sum) would drown in it.
      let shift = log(sum);
      for (var i = 0u; i < params.c; i++) {
        y[first + i] = (params.scale * x[first + i] - high) - shift;
      }
    } else {
      let inverse = 1.0 / sum;
      for (var i = 0u; i < params.c; i++) {
        y[first + i] *= inverse;
      }
    }
  }
}

/// dx = scale y (dy - sum y dy); for the logarithm scale (dy - exp(y) sum dy).
@compute @workgroup_size(WG)
fn backward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let row = id.x + id.y * grid.x * WG;
  if (row < params.rows) {
    let first = row * params.c;
    var sum = 0.0;
    for (var i = 0u; i < params.c; i++) {
      sum += select(y_in[first + i], 1.0, LOG) * dy[first + i];
    }
    for (var i = 0u; i < params.c; i++) {
      let v = y_in[first + i];
      if (LOG) {
        dx[first + i] = params.scale * (dy[first + i] - exp(v) * sum);
      } else {
        dx[first + i] = params.scale * v * (dy[first + i] - sum);
      }
    }
  }
}
