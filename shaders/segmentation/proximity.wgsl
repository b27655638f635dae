// How well each image is recognised: the mean over its labelled pixels of the softmax probability of the true class; -1
// where no pixel has a label. One workgroup per image; the sum is a tree in a fixed order.

// #import tree

const WG: u32 = 64u;
alias Sum = vec2f;

struct Params {
  pixels: u32,
  c: u32,
  ignore: i32,
}

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<i32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WG)
fn forward(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3<u32>) {
  var sum = vec2<f32>(0.0);
  for (var i = lane; i < params.pixels; i += WG) {
    let p = group.x * params.pixels + i;
    let label = labels[p];
    if (label == params.ignore || label < 0 || label >= i32(params.c)) {
      continue;
    }
    let at = p * params.c;
    var top = logits[at];
    for (var c = 1u; c < params.c; c++) {
      top = max(top, logits[at + c]);
    }
    var total = 0.0;
    for (var c = 0u; c < params.c; c++) {
      total += exp(logits[at + c] - top);
    }
    sum += vec2<f32>(exp(logits[at + u32(label)] - top) / total, 1.0);
  }
  let all = tree_sum(lane, sum);
  if (lane == 0u) {
    y[group.x] = select(-1.0, all.x / max(all.y, 1.0), all.y > 0.0);
  }
}
