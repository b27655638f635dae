// A value of each thread of a workgroup, joined in the fixed order of a tree: results do not depend on timing. All
// threads must call, with `WG` a power of two, and again only after another barrier. Brought in by `// #import tree`.

var<workgroup> tree_sums: array<Sum, WG>;
/// The sum of a `Sum` of each thread (an alias of the shader: f32 or a vector), given to all of them.
fn tree_sum(lane: u32, value: Sum) -> Sum {
  tree_sums[lane] = value;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      tree_sums[lane] += tree_sums[lane + half];
    }
    workgroupBarrier();
  }
  return tree_sums[0];
}

var<workgroup> tree_parts: array<Part, WG>;
/// The same for `combine(a: Part, b: Part) -> Part`, a function of the shader, and the values of the first `count`
/// threads.
fn tree_combine(lane: u32, count: u32, value: Part) -> Part {
  tree_parts[lane] = value;
  workgroupBarrier();
  for (var half = WG / 2u; half > 0u; half /= 2u) {
    if (lane < half && lane + half < count) {
      tree_parts[lane] = combine(tree_parts[lane], tree_parts[lane + half]);
    }
    workgroupBarrier();
  }
  return tree_parts[0];
}
