// The networks of conformance/torch-nets (PyTorch in float64): any graph in their format, run by the engine's
// operations; each stored result is a case.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import { decodeSafetensors } from '../../runtime/io/safetensors.ts';
import { fromTorch, toTorch } from '../../runtime/modules/state.ts';
import {
  add,
  batchNorm,
  concat,
  conv2d,
  convTranspose2d,
  crossEntropy,
  globalAvgPool,
  maxPool2d,
  permute,
  relu,
  resizeBilinear,
  resizeNearest,
} from '../../runtime/ops/index.ts';
import { AdamW } from '../../runtime/optim/adamw.ts';
import { hyperTensor } from '../../runtime/optim/hyper.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { allRead, noted, oneOf } from './reading.ts';
import { Unsupported } from './unsupported.ts';

interface GraphNode {
  out: string;
  op: string;
  in: string[];
  [setting: string]: unknown;
}

/** What stands in a net's JSON. */
export interface Net {
  name: string;
  classes: number;
  logits: string;
  acts: string[];
  params: string[];
  buffers: string[];
  sgd: { lr: number; momentum: number; weight_decay: number; nesterov?: boolean };
  adamw: { lr: number; betas: [number, number]; eps: number; weight_decay: number };
  graph: GraphNode[];
  tolerances: Record<string, { atol: number; rtol: number }>;
}

/** A stored result of a net; `op` is what it is a result of: logits, grad, sgd3, … */
export interface NetCase {
  name: string;
  op: string;
  net: Net;
  key: string;
  /** Where the net's files lie, without their endings. */
  path: string;
}

type Values = Record<string, ArrayLike<number>>;

/** The cases of a folder of networks; null where it holds none. */
export function openNets(folder: string): NetCase[] | null {
  const nets = readdirSync(folder).filter(
    (f) => f.endsWith('.json') && existsSync(join(folder, f.replace(/json$/, 'safetensors'))),
  );
  if (nets.length === 0) return null;
  return nets.flatMap((file) => {
    const net = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Net;
    return Object.keys(net.tolerances).map((key) => ({
      name: `${net.name} ${key}`,
      op: key.split('.')[0],
      net,
      key,
      path: join(folder, file.slice(0, -5)),
    }));
  });
}

/** By net: what the engine makes of it, and what PyTorch made. */
const results = new Map<string, Promise<{ got: Values; want: Values }>>();

/** @throws Error with the first element that is off */
export function matches(
  g: ArrayLike<number>,
  w: ArrayLike<number>,
  { atol, rtol }: { atol: number; rtol: number },
  name = '',
): void {
  if (g.length !== w.length) throw new Error(`${name} ${g.length} elements, expected ${w.length}`);
  for (let i = 0; i < w.length; i++)
    if (!(g[i] === w[i] || Math.abs(g[i] - w[i]) <= atol + rtol * Math.abs(w[i])))
      throw new Error(`${name}[${i}] is ${g[i]}, expected ${w[i]} within ${atol} + ${rtol} relative`);
}

/**
 * Compares a result with the stored one; a net runs once for all of its cases.
 * @throws Error with the first mismatch
 */
export async function runNetCase(device: Device, { net, key, path }: NetCase): Promise<void> {
  if (!results.has(path)) results.set(path, play(device, net, path));
  const { got, want } = await results.get(path)!;
  const { atol, rtol } = net.tolerances[key];
  const g = got[key];
  const w = want[key];
  if (!w) throw new Error('the file of tensors does not hold it');
  if (!g) throw new Unsupported('a kind of result that is not known');
  matches(g, w, { atol, rtol });
}

/** A graph over NHWC. @throws Unsupported for an operation, or a setting of one, that is not known */
export function forward(
  nodes: readonly GraphNode[],
  x: Tensor,
  state: Record<string, Tensor>,
  train: boolean,
): Record<string, Tensor> {
  const v: Record<string, Tensor> = { x };
  for (const { out, op, in: names, ...settings } of nodes) {
    const read = noted(settings, { byName: true });
    const s = read.of;
    const i = names.map((n) => v[n]);
    const a = i[0];
    const of = (what: string): Tensor => state[s[what] as string];
    const number = (what: string): number => s[what] as number;
    const bias = (): Tensor | undefined => (s.bias ? of('bias') : undefined);
    const window = () => ({ stride: number('stride'), padding: number('padding') });
    const size = (): [number, number] => v[s.size_of as string].shape.slice(1, 3) as [number, number];
    const run: Record<string, () => Tensor> = {
      conv2d: () =>
        conv2d(a, of('weight'), bias(), { ...window(), dilation: number('dilation'), groups: number('groups') }),
      conv_transpose2d: () =>
        convTranspose2d(a, of('weight'), bias(), { ...window(), outputPadding: number('output_padding') }),
      batch_norm: () =>
        batchNorm(
          a,
          of('weight'),
          of('bias'),
          { mean: of('running_mean'), variance: of('running_var') },
          { mode: train ? 'train' : 'eval', momentum: number('momentum'), eps: number('eps') },
        ),
      relu: () => relu(a),
      max_pool2d: () => maxPool2d(a, { kernel: number('kernel_size'), ...window() }),
      global_avg_pool: () => globalAvgPool(a),
      interpolate() {
        const nearest = oneOf('mode', s.mode, { nearest: true, bilinear: false });
        const alignCorners = s.align_corners as boolean;
        return nearest ? resizeNearest(a, size()) : resizeBilinear(a, size(), { alignCorners });
      },
      cat: () => concat(i, 3),
      add: () => add(a, i[1]),
    };
    if (!run[op]) throw new Unsupported(`the node ${op}`);
    v[out] = run[op]();
    allRead(`the node ${op}`, read);
  }
  return v;
}

export const nhwc = (t: Tensor): Tensor => permute(t, [0, 2, 3, 1]);
export const nchw = (t: Tensor): Tensor => permute(t, [0, 3, 1, 2]);

async function play(device: Device, net: Net, path: string): Promise<{ got: Values; want: Values }> {
  const { tensors } = decodeSafetensors(readFileSync(`${path}.safetensors`), path);
  const want = Object.fromEntries([...tensors].map(([k, t]) => [k, t.data]));
  const got: Values = {};
  const input = (step: number): { x: Tensor; y: Tensor } => {
    const x = tensors.get(`x${step}`)!;
    const y = tensors.get(`y${step}`)!;
    return {
      x: nhwc(device.tensor(x.data as Float32Array, x.shape)),
      y: device.tensor(y.data as Int32Array, y.shape, 'i32'),
    };
  };
  const keep = async (key: string, t: Tensor, image = false): Promise<void> => {
    const data = (await (image ? device.scope(() => nchw(t)) : t).read()) as Float32Array;
    got[key] = image ? data : toTorch(t.shape, data).data;
  };
  const stored = (prefix: string, names: readonly string[]): Record<string, Tensor> =>
    Object.fromEntries(
      names.map((n) => {
        const t = tensors.get(`${prefix}.${n}`)!;
        const { shape, data } = fromTorch({ shape: t.shape, data: t.data as Float32Array });
        return [n, device.tensor(data, shape)];
      }),
    );

  for (const kind of ['sgd', 'adamw'] as const) {
    const params = stored('param', net.params);
    const buffers = stored('buffer', net.buffers);
    const state = { ...params, ...buffers };
    const evaluated = (key: string): Promise<void> =>
      keep(
        key,
        device.scope(() => forward(net.graph, input(0).x, state, false)[net.logits]),
        true,
      );
    for (const t of Object.values(params)) t.requiresGrad = true;
    if (kind === 'sgd') await evaluated('eval_logits');
    const sgd = noted(net.sgd, { byName: true });
    const adamw = noted(net.adamw, { byName: true });
    const { lr, weight_decay: weightDecay } = kind === 'sgd' ? sgd.of : adamw.of;
    const optimizer =
      kind === 'sgd'
        ? new Sgd(params, { momentum: sgd.of.momentum, nesterov: sgd.of.nesterov, weightDecay })
        : new AdamW(params, { weightDecay, eps: adamw.of.eps, betas: adamw.of.betas });
    allRead(kind, kind === 'sgd' ? sgd : adamw);
    const losses: number[] = [];
    for (let s = 0; s < 3; s++) {
      const first = s === 0 && kind === 'sgd';
      const { loss, v, grads, dx } = device.scope(() => {
        const { x, y } = input(s);
        x.requiresGrad = first;
        const v = forward(net.graph, x, state, true);
        const loss = crossEntropy(v[net.logits], y, { ignoreIndex: 255 });
        const all = grad(loss, [...Object.values(params), ...(first ? [x] : [])]);
        const grads = all.slice(0, net.params.length);
        optimizer.step(grads, hyperTensor(device, { lr, step: s + 1, betas: net.adamw.betas }));
        return { loss, v: first ? v : {}, grads, dx: all[net.params.length] };
      });
      losses.push(await loss.item());
      if (!first) continue;
      await keep('loss', loss);
      await keep('logits', v[net.logits], true);
      for (const a of net.acts) await keep(`act.${a}`, v[a], true);
      for (const [i, n] of net.params.entries()) await keep(`grad.${n}`, grads[i]);
      await keep('grad_input', dx, true);
      for (const n of net.buffers) await keep(`buffer1.${n}`, buffers[n]);
    }
    got[`${kind}.losses`] = losses;
    for (const n of net.params) await keep(`${kind}3.${n}`, params[n]);
    for (const n of net.buffers) await keep(`${kind}3_buffer.${n}`, buffers[n]);
    await evaluated(`${kind}3_eval_logits`);
    optimizer.dispose();
  }
  return { got, want };
}
