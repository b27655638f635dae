// Numbers of threads and workgroups. A dimension of a grid has at most 65,535 workgroups, so large grids are folded
// (runtime/kernel/geometry.ts). Brought in by `// #import grid`.

/// The number of a thread in a grid that continues in y: `id` is its global_invocation_id, `grid` is num_workgroups.
fn linear_index(id: vec3u, grid: vec3u) -> u32 {
  return id.x + id.y * grid.x * WG;
}

/// In grids that continue in z: the workgroups in x, or in y.
const FOLD: u32 = 32768u;
