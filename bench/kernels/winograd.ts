// 3x3 convolutions by Winograd's minimal filtering, F(m x m, 3 x 3): tiles of m + 2 pixels are transformed, multiplied
// as (m + 2)^2 products over the channels, and transformed back: (m + 2)^2 / m^2 multiplications for a pixel and pair
// of channels in place of 9. Source: Lavin & Gray 2015, https://arxiv.org/abs/1509.09308.

import type { Device } from '../../runtime/device/device.ts';
import { throughTexels } from '../../runtime/device/texels.ts';
import { shader } from '../../runtime/kernel/shader.ts';
import { matmul } from '../../runtime/ops/matmul.ts';
import type { Variant, Work } from './variants.ts';

type Matrix = readonly (readonly number[])[];

/** What goes over the pixels, the weights and the products, by m. */
const TRANSFORMS: Record<2 | 4, { pixels: Matrix; weights: Matrix; products: Matrix }> = {
  2: {
    pixels: [
      [1, 0, -1, 0],
      [0, 1, 1, 0],
      [0, -1, 1, 0],
      [0, 1, 0, -1],
    ],
    weights: [
      [1, 0, 0],
      [1 / 2, 1 / 2, 1 / 2],
      [1 / 2, -1 / 2, 1 / 2],
      [0, 0, 1],
    ],
    products: [
      [1, 1, 1, 0],
      [0, 1, -1, -1],
    ],
  },
  4: {
    pixels: [
      [4, 0, -5, 0, 1, 0],
      [0, -4, -4, 1, 1, 0],
      [0, 4, -4, -1, 1, 0],
      [0, -2, -1, 2, 1, 0],
      [0, 2, -1, -2, 1, 0],
      [0, 4, 0, -5, 0, 1],
    ],
    weights: [
      [1 / 4, 0, 0],
      [-1 / 6, -1 / 6, -1 / 6],
      [-1 / 6, 1 / 6, -1 / 6],
      [1 / 24, 1 / 12, 1 / 6],
      [1 / 24, -1 / 12, 1 / 6],
      [0, 0, 1],
    ],
    products: [
      [1, 1, 1, 1, 1, 0],
      [0, 1, -1, 2, -2, 0],
      [0, 1, 1, 4, 4, 0],
      [0, 1, -1, 8, -8, 1],
    ],
  },
};

const range = (n: number): number[] => [...Array(n).keys()];

/** WGSL for a sum of terms with factors. */
function combination(factors: readonly number[], term: (i: number) => string): string {
  const terms = factors.flatMap((f, i) =>
    f === 0 ? [] : [f === 1 ? term(i) : f === -1 ? `-${term(i)}` : `${f.toFixed(9)} * ${term(i)}`],
  );
  return terms.join(' + ');
}

/** WGSL, all written out, for T in T in^T of values `name_ROW_COLUMN`, into `made_ROW_COLUMN`. */
function bothWays(t: Matrix, name: string, made: string): string {
  const rows = range(t.length);
  const columns = range(t[0].length);
  return [
    ...rows.flatMap((k) =>
      columns.map((s) => `  let ${made}h_${k}_${s} = ${combination(t[k], (r) => `${name}_${r}_${s}`)};`),
    ),
    ...rows.flatMap((k) =>
      rows.map((l) => `  let ${made}_${k}_${l} = ${combination(t[l], (s) => `${made}h_${k}_${s}`)};`),
    ),
  ].join('\n');
}

function code(m: 2 | 4): string {
  const { pixels, weights, products } = TRANSFORMS[m];
  const t = m + 2;
  const all = (n: number): [number, number][] => range(n).flatMap((a) => range(n).map((b): [number, number] => [a, b]));
  const lines = (n: number, line: (a: number, b: number) => string): string =>
    all(n)
      .map(([a, b]) => `  ${line(a, b)}`)
      .join('\n');
  const entry = (name: string, body: string): string => `
@compute @workgroup_size(64)
fn ${name}(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.n) {
    return;
  }
  let c = id.x % params.c;
  let tile = id.x / params.c;
  let tx = i32(tile % params.tiles.x) * ${m};
  let ty = i32(tile / params.tiles.x % params.tiles.y) * ${m};
  let image = i32(tile / (params.tiles.x * params.tiles.y));
${body}
}`;
  return `
alias Texels = texture_storage_2d<rgba32float, read>;

struct Params {
  n: u32,
  c: u32,
  tiles: vec2<u32>,
  size: vec2<i32>,
}

@group(0) @binding(0) var x: Texels;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> made: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> params: Params;

fn pixel(image: i32, row: i32, column: i32, c: u32) -> vec4<f32> {
  let inside = row >= 0 && column >= 0 && row < params.size.y && column < params.size.x;
  let i = select(0u, 4096u + u32((image * params.size.y + row) * params.size.x + column) * params.c + c, inside);
  return textureLoad(x, vec2<u32>(i % 4096u, i / 4096u));
}

fn product(k: u32, at: u32) -> vec4<f32> {
  let i = 4096u + k * params.n + at;
  return textureLoad(x, vec2<u32>(i % 4096u, i / 4096u));
}
${entry(
  'pixels',
  `${lines(t, (r, s) => `let d_${r}_${s} = pixel(image, ty + ${r - 1}, tx + ${s - 1}, c);`)}
${bothWays(pixels, 'd', 'v')}
${lines(t, (k, l) => `made[${k * t + l}u * params.n + id.x] = v_${k}_${l};`)}`,
)}

@compute @workgroup_size(64)
fn weights(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= params.n) {
    return;
  }
${lines(3, (r, s) => `let g_${r}_${s} = w[${3 * r + s}u * params.n + id.x];`)}
${bothWays(weights, 'g', 'u')}
${lines(t, (k, l) => `made[${k * t + l}u * params.n + id.x] = u_${k}_${l};`)}
}
${entry(
  'products',
  `${lines(t, (k, l) => `let p_${k}_${l} = product(${k * t + l}u, id.x);`)}
${bothWays(products, 'p', 'y')}
${lines(
  m,
  (r, s) => `if (ty + ${r} < params.size.y && tx + ${s} < params.size.x) {
  made[u32((image * params.size.y + ty + ${r}) * params.size.x + tx + ${s}) * params.c + c] = y_${r}_${s};
}`,
)}`,
)}
`;
}

/** F(m x m, 3 x 3), the transforms and the products as launches of their own. */
export function winograd(m: 2 | 4, why: string): Variant {
  const kernel = shader(`winograd${m}`, code(m));
  const t = m + 2;
  return {
    name: `Winograd, F(${m}x${m}, 3x3)`,
    why,
    software: true,
    run(device: Device, { x, w, y }: Work) {
      const [n, h, width, ci] = x.shape;
      const co = y.shape[3];
      const tiles = [Math.ceil(width / m), Math.ceil(h / m)];
      const count = n * tiles[0] * tiles[1];
      const constants = { Texels: throughTexels(x)! };
      const size = [width, h];
      device.scope(() => {
        const v = device.empty([t * t, count, ci]);
        const u = device.empty([t * t, ci, co]);
        kernel.run({
          entry: 'pixels',
          constants,
          bindings: { x, made: v },
          params: { n: (count * ci) / 4, c: ci / 4, tiles, size },
          threads: (count * ci) / 4,
        });
        kernel.run({
          entry: 'weights',
          constants,
          bindings: { w, made: u },
          params: { n: (ci * co) / 4, c: co / 4, tiles, size },
          threads: (ci * co) / 4,
        });
        kernel.run({
          entry: 'products',
          constants,
          bindings: { x: matmul(v, u), made: y },
          params: { n: (count * co) / 4, c: co / 4, tiles, size },
          threads: (count * co) / 4,
        });
      });
    },
  };
}
