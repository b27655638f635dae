// A view of decoded images: scale, crop, rotation and flip in one sampling, with labels and validity moved alike.
// Each source texel holds r | g << 8 | b << 16 | label << 24. Output pixel (i, j) of image k, with j mirrored when
// flipped, is turned about the middle of the view and then lies at y = y0 + (i + 0.5) sy - 0.5 in the source (x alike);
// the image is bilinear, the label that of the nearest texel; outside is padding.

// #import grid

const WG: u32 = 64u;
const IGNORE: i32 = 255;

struct Params {
  out_size: vec4<u32>,     // images, height, width, texels of a source row
  source_rows: u32,
  padding: vec3<f32>,
}

@group(0) @binding(0) var<storage, read> texels: array<u32>;
@group(0) @binding(1) var<storage, read> sizes: array<vec2<i32>>;
/// Rows of [y0, x0, sy, sx, flip, valid height, valid width, angle].
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> image: array<f32>;
@group(0) @binding(4) var<storage, read_write> labels: array<i32>;
@group(0) @binding(5) var<storage, read_write> valid: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

fn rgb(t: u32) -> vec3<f32> {
  return unpack4x8unorm(t).xyz;
}

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>) {
  let p = linear_index(id, grid);
  let size = params.out_size;
  if (p >= size.x * size.y * size.z) {
    return;
  }
  let k = p / (size.y * size.z);
  let i = p / size.z % size.y;
  let column = p % size.z;
  let affine = table[2u * k];
  let rest = table[2u * k + 1u];
  let j = select(column, size.z - 1u - column, rest.x != 0.0);
  var place = vec2<f32>(f32(i), f32(j));
  if (rest.w != 0.0) {
    let middle = 0.5 * (vec2<f32>(f32(size.y), f32(size.z)) - 1.0);
    let from_middle = place - middle;
    let c = cos(rest.w);
    let s = sin(rest.w);
    place = middle + vec2<f32>(c * from_middle.x + s * from_middle.y, c * from_middle.y - s * from_middle.x);
  }
  let at = affine.xy + (place + 0.5) * affine.zw - 0.5;
  let extent = sizes[k];
  let limit = vec2<f32>(extent);
  let inside = all(at >= vec2<f32>(-0.5)) && all(at < limit - 0.5) && all(place < rest.yz);
  if (!inside) {
    image[3u * p] = params.padding.x;
    image[3u * p + 1u] = params.padding.y;
    image[3u * p + 2u] = params.padding.z;
    labels[p] = IGNORE;
    valid[p] = 0.0;
    return;
  }
  let clamped = clamp(at, vec2<f32>(0.0), limit - 1.0);
  let low = vec2<u32>(floor(clamped));
  let high = min(low + vec2<u32>(1u), vec2<u32>(extent) - vec2<u32>(1u));
  let f = clamped - vec2<f32>(low);
  let top = (k * params.source_rows + low.x) * size.w;
  let below = (k * params.source_rows + high.x) * size.w;
  let a = mix(rgb(texels[top + low.y]), rgb(texels[top + high.y]), f.y);
  let b = mix(rgb(texels[below + low.y]), rgb(texels[below + high.y]), f.y);
  let colour = mix(a, b, f.x);
  image[3u * p] = colour.x;
  image[3u * p + 1u] = colour.y;
  image[3u * p + 2u] = colour.z;
  let nearest = vec2<u32>(clamp(floor(at + 0.5), vec2<f32>(0.0), limit - 1.0));
  labels[p] = i32(texels[(k * params.source_rows + nearest.x) * size.w + nearest.y] >> 24u);
  valid[p] = 1.0;
}
