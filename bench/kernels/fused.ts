// What could be done in fewer launches and looks than the engine takes, measured: statistics of batch norm in the
// epilogue of a convolution, and optimiser and average over several tensors at once. The engine has neither;
// bench/notes/steps.md says why.

import { fileURLToPath } from 'node:url';
import { plan, type Plan } from '../../runtime/autograd/plan.ts';
import type { Device } from '../../runtime/device/device.ts';
import { throughTexels } from '../../runtime/device/texels.ts';
import { linkFolders } from '../../runtime/kernel/build.ts';
import { shader } from '../../runtime/kernel/shader.ts';
import { Ema } from '../../runtime/optim/ema.ts';
import { hyperTensor } from '../../runtime/optim/hyper.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { Variant, Work } from './variants.ts';

const WG = 64;
const PX = 8;
const CB = 2;

/**
 * The engine's kernel with an epilogue: a subgroup keeps the number, mean and summed squared deviations of its pixels.
 */
function withStatistics(): string {
  const code = linkFolders(fileURLToPath(new URL('../../shaders', import.meta.url))).conv2dTexture;
  const epilogue = `
  let mine = select(0u, min(PX, size.z - min(pixel.y, size.z)), run < runs);
  let count = subgroupAdd(f32(mine));
  let slot = (tile * WG + lane.x) / lanes * (2u * size.w / 4u + 1u);
  if (invocation == 0u) {
    parts[slot] = vec4<f32>(count);
  }
  for (var j = 0u; j < CB; j++) {
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < PX; i++) {
      sum += select(vec4<f32>(0.0), acc[i][j], i < mine);
    }
    let m = subgroupAdd(sum) / max(count, 1.0);
    var squares = vec4<f32>(0.0);
    for (var i = 0u; i < PX; i++) {
      let d = select(vec4<f32>(0.0), acc[i][j] - m, i < mine);
      squares += d * d;
    }
    squares = subgroupAdd(squares);
    if (invocation == 0u && first + 4u * j < co) {
      parts[slot + 1u + first / 4u + j] = m;
      parts[slot + 1u + size.w / 4u + first / 4u + j] = squares;
    }
  }
`;
  return code
    .replace(
      '@group(0) @binding(4) var<uniform>',
      '@group(0) @binding(4) var<storage, read_write> parts: array<vec4<f32>>;\n@group(0) @binding(5) var<uniform>',
    )
    .replace('@builtin(subgroup_invocation_id)', '@builtin(subgroup_size) lanes: u32, @builtin(subgroup_invocation_id)')
    .replace(/(let pixel = in_grid \* step \+ phase;\n)/, (line) => line + epilogue);
}

/** Joins the parts of all subgroups by Chan's formula; every part begins with its number of pixels. */
const JOIN = `
struct Params {
  c: u32,
  parts: u32,
}

@group(0) @binding(0) var<storage, read> partials: array<f32>;
@group(0) @binding(1) var<storage, read_write> new_mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> new_variance: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn combine(@builtin(global_invocation_id) id: vec3<u32>) {
  let c = id.x;
  if (c < params.c) {
    var n = 0.0;
    var m = 0.0;
    var squares = 0.0;
    for (var k = 0u; k < params.parts; k++) {
      let at = k * (2u * params.c + 4u);
      let count = partials[at];
      if (count > 0.0) {
        let d = partials[at + 4u + c] - m;
        let total = n + count;
        m += d * (count / total);
        squares += partials[at + 4u + params.c + c] + d * d * (n * count / total);
        n = total;
      }
    }
    new_mean[c] = m;
    new_variance[c] = squares / n;
  }
}`;

const convolution = ({ x, w, pad }: Work, made: Tensor) => ({
  constants: { Texels: throughTexels(x, w)!, PX, CB, KW: 3 },
  params: {
    x_size: [...x.shape],
    y_size: [...made.shape],
    kernel: [...w.shape],
    pad: [pad, pad],
    stride: [1, 1],
    dilation: [1, 1],
    bias: 0,
  },
  groups: [
    Math.ceil((made.shape[0] * made.shape[1] * Math.ceil(made.shape[2] / PX)) / WG),
    Math.ceil(made.shape[3] / (4 * CB)),
    1,
  ] as [number, number, number],
});

const epilogue = shader('epilogue', withStatistics());
const join = shader('join', JOIN);

/**
 * A 3x3 convolution of x with as many channels as it has, 8 divides them; y is the variance of each channel of what it
 * makes.
 */
export const STATISTICS: readonly Variant[] = [
  {
    name: 'a pass of its own',
    why: 'what the engine does: a lane takes four channels of a chunk of rows, twice',
    software: true,
    run(device, work) {
      const { x, w, y } = work;
      const c = y.size;
      const rows = x.size / c;
      const chunk = Math.max(64, Math.ceil(rows / 512));
      const chunks = Math.ceil(rows / chunk);
      const made = device.empty(x.shape);
      const parts = device.empty([chunks, 2, c]);
      const mean = device.empty([c]);
      const params = { rows, c, chunk, chunks, strip: 1, eps: 0, momentum: 0, lost: 0 };
      device.run({
        shaders: device.options.native,
        shader: 'conv2dTexture',
        entry: 'forward',
        ...convolution(work, made),
        bindings: { x, w, b: w, y: made },
      });
      device.run({
        shader: 'batchNorm',
        entry: 'stats',
        constants: { Element: 'vec4<f32>', Stored: 'vec4<f32>' },
        bindings: { x: made, parts },
        params: { ...params, c: c / 4 },
        threads: (chunks * c) / 4,
      });
      device.run({
        shader: 'batchNorm',
        entry: 'combine',
        bindings: { partials: parts, new_mean: mean, new_variance: y },
        params,
        threads: c,
      });
      for (const t of [made, parts, mean]) t.dispose();
    },
  },
  {
    name: 'in the epilogue',
    why: 'the values are in registers: no pass over y, but sums across the lanes and a part for every 64 pixels',
    software: true,
    run(device, work) {
      const { x, w, y } = work;
      const c = y.size;
      const made = device.empty(x.shape);
      const launch = convolution(work, made);
      const count = (launch.groups[0] * WG) / device.gpu.adapterInfo.subgroupMinSize!;
      const parts = device.empty([count, 2 * c + 4]);
      const mean = device.empty([c]);
      epilogue.run({ entry: 'forward', ...launch, bindings: { x, w, b: w, y: made, parts } });
      join.run({
        entry: 'combine',
        bindings: { partials: parts, new_mean: mean, new_variance: y },
        params: { c, parts: count },
        threads: c,
      });
      for (const t of [made, parts, mean]) t.dispose();
    },
  },
];

/**
 * SGD with momentum, and the average if there is one, of `count` tensors, each of which has the workgroups of its own
 * row of the grid.
 */
function manySgd(count: number, average: boolean): string {
  const all = (line: (k: number) => string): string => Array.from({ length: count }, (_, k) => line(k)).join('\n');
  const each = average ? 4 : 3;
  return `
struct Params {
${all((k) => `  n${k}: u32,    // elements in fours`)}
  momentum: f32,
}

${all(
  (k) =>
    `@group(0) @binding(${each * k}) var<storage, read> dw${k}: array<vec4f>;
@group(0) @binding(${each * k + 1}) var<storage, read_write> w${k}: array<vec4f>;
@group(0) @binding(${each * k + 2}) var<storage, read_write> v${k}: array<vec4f>;` +
    (average ? `\n@group(0) @binding(${each * k + 3}) var<storage, read_write> average${k}: array<vec4f>;` : ''),
)}
@group(0) @binding(${each * count}) var<storage, read> hyper: array<f32>;
@group(0) @binding(${each * count + 1}) var<uniform> params: Params;

@compute @workgroup_size(64)
fn momentum(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>) {
  let i = id.x;
  if (hyper[4] == 0.0) {
    return;
  }
  switch (group.y) {
${all(
  (k) => `    ${k === 0 ? 'default' : `case ${k}u`}: {
      if (i >= params.n${k}) {
        return;
      }
      var buf = hyper[4] * dw${k}[i];
      if (hyper[1] > 1.0) {
        buf += params.momentum * v${k}[i];
      }
      v${k}[i] = buf;
      let w = w${k}[i] - hyper[0] * buf;
      w${k}[i] = w;${average ? `\n      average${k}[i] = hyper[5] * average${k}[i] + hyper[6] * w;` : ''}
    }`,
)}
  }
}`;
}

/**
 * One step of SGD with momentum over tensors of the given sizes, replayed, and with `average` one of the teacher that
 * follows. What is compared is the last tensor after the first step. A kernel's launch takes the next `count` tensors
 * of the list.
 */
export function optimisers(device: Device, sizes: readonly number[], average: boolean): readonly Variant[] {
  const hyper = hyperTensor(device, { lr: 0.01, step: 2, emaDecay: 0.99 });
  const make = (): Tensor[] =>
    sizes.map((n) =>
      device.tensor(
        Float32Array.from({ length: n }, (_, i) => Math.sin(i * i + n)),
        [n],
      ),
    );
  const variant = (
    name: string,
    why: string,
    step: (w: Tensor[], dw: Tensor[], teacher: Tensor[]) => () => void,
  ): Variant => {
    let recorded: Plan<Record<string, Tensor>> | undefined;
    let shown: Tensor | undefined;
    return {
      name,
      why,
      run() {
        if (!recorded) {
          const w = make();
          const dw = make();
          const teacher = make();
          const body = step(w, dw, teacher);
          shown = (average ? teacher : w).at(-1)!;
          recorded = plan<Record<string, never>, Record<string, Tensor>>(device, {}, () => (body(), {}));
        }
        recorded.run();
        return shown;
      },
    };
  };
  const many = (count: number, why: string): Variant =>
    variant(`${count} ${count === 1 ? 'tensor' : 'tensors'} a launch`, why, (w, dw, teacher) => {
      const v = make();
      return () => {
        for (let first = 0; first < w.length; first += count) {
          const taken = w.slice(first, first + count).map((_, k) => first + k);
          const n = Object.fromEntries(taken.map((t, k) => [`n${k}`, Math.ceil(sizes[t] / 4)]));
          const bindings = Object.fromEntries(
            taken.flatMap(
              (t, k) =>
                [
                  [`dw${k}`, dw[t]],
                  [`w${k}`, w[t]],
                  [`v${k}`, v[t]],
                  ...(average ? [[`average${k}`, teacher[t]]] : []),
                ] as [string, Tensor][],
            ),
          );
          const most = Math.ceil(Math.max(...taken.map((t) => sizes[t])) / 4 / WG);
          shader('manySgd', manySgd(taken.length, average)).run({
            entry: 'momentum',
            bindings: { ...bindings, hyper },
            params: { ...n, momentum: 0.9 },
            groups: [most, taken.length, 1],
          });
        }
      };
    });
  return [
    variant(average ? 'Sgd, then Ema' : 'Sgd', 'what the engine does: a launch for each tensor', (w, dw, teacher) => {
      const map = (tensors: Tensor[]) => new Map(tensors.map((t, i) => [String(i), t]));
      const buffers = new Map<string, Tensor>();
      const sgd = new Sgd(map(w), { momentum: 0.9 });
      const ema =
        average && new Ema({ params: map(teacher), buffers }, { params: map(w), buffers }, { buffers: 'own' });
      return () => {
        sgd.step(dw, hyper);
        if (ema) ema.update(hyper);
      };
    }),
    ...(average
      ? [many(1, 'what was just written is not read again'), many(3, 'a third of these launches: fourteen bindings')]
      : [
          many(2, 'half of the launches: the eight bindings that every adapter has'),
          many(5, 'a fifth: sixteen bindings'),
        ]),
  ];
}
