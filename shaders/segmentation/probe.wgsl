// What an adapter can do at best: multiply-adds in registers, and reading and writing memory. For `fewmask doctor` and
// `npm run setup`, not for training.

// #import grid

const WG: u32 = 64u;

struct Params {
  n: u32,
  steps: u32,
  scale: f32,
  shift: f32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

// 64 floating-point operations per step: eight chains of vec4 hide the latency of each multiply-add. Every chain tends
// to shift / (1 - scale).
@compute @workgroup_size(WG)
fn arithmetic(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i >= params.n) {
    return;
  }
  let scale = vec4<f32>(params.scale);
  let shift = vec4<f32>(params.shift);
  var a = x[i];
  var b = a + 1.0;
  var c = a + 2.0;
  var d = a + 3.0;
  var e = a + 4.0;
  var f = a + 5.0;
  var g = a + 6.0;
  var h = a + 7.0;
  for (var s = 0u; s < params.steps; s++) {
    a = a * scale + shift;
    b = b * scale + shift;
    c = c * scale + shift;
    d = d * scale + shift;
    e = e * scale + shift;
    f = f * scale + shift;
    g = g * scale + shift;
    h = h * scale + shift;
  }
  y[i] = ((a + b) + (c + d)) + ((e + f) + (g + h));
}

// 32 bytes per invocation: one vec4 read, one written.
@compute @workgroup_size(WG)
fn memory(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let i = linear_index(id, grid);
  if (i < params.n) {
    y[i] = x[i] * params.scale + params.shift;
  }
}
