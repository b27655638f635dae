// The benchmark's cases on this engine: recorded as plans and replayed, but for the case that measures eager calls.

import { plan, type Plan, type PlanOutputs } from '../../runtime/autograd/plan.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import {
  add,
  batchNorm,
  cast,
  conv2d,
  crossEntropy,
  indexSelect,
  matmul,
  reshape,
  resizeBilinear,
} from '../../runtime/ops/index.ts';
import { pseudoLabel } from '../../src/ops/index.ts';
import { tuneKernels } from '../../runtime/kernel/tune.ts';
import { mixedPrecision } from '../../runtime/modules/precision.ts';
import { HYPER_SIZE, hyperValues } from '../../runtime/optim/hyper.ts';
import { LossScaler } from '../../runtime/optim/lossScaler.ts';
import { Sgd } from '../../runtime/optim/sgd.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { SampleCache } from '../../src/data/batch.ts';
import { openDataset } from '../../src/data/open.node.ts';
import { createSynthetic } from '../../src/data/synthetic.ts';
import type { Dataset } from '../../src/data/types.ts';
import { ceValid } from '../../src/losses/index.ts';
import { DeepLabV3Plus } from '../../src/nn/deeplab.ts';
import type { Network } from '../../src/nn/module.ts';
import { UNet } from '../../src/nn/unet.ts';
import { BASELINE, createScheme } from '../../src/schemes/index.ts';
import { StepContext } from '../../src/schemes/step.ts';
import { openStreams } from '../../src/train/streams.ts';
import type { Case, Work } from '../cases.ts';
import { fromHwio, fromNhwc, hwioPlace, nhwcPlace, padOf, toHwio, toNhwc, type Data, type Inputs } from '../data.ts';
import type { Engine, Job } from '../engine.ts';
import { weightsOf } from './weights.ts';
import { epochFolder } from '../epoch.ts';
import { hostTimes } from '../host.ts';
import { LOSS_SCALE, LR, MOMENTUM, STEPS_COMPARED } from '../training.ts';

type Of<K extends Work['op']> = Extract<Work, { op: K }>;
/** How a tensor of the engine's layout becomes an array in PyTorch's, and where in it an element of that is. */
interface Layout {
  turn(data: ArrayLike<number>, shape: readonly number[]): Float32Array;
  place(at: number, shape: readonly number[]): number;
}
type Out = [Tensor, Layout?];
const NHWC: Layout = { turn: fromNhwc, place: nhwcPlace };
const HWIO: Layout = { turn: fromHwio, place: hwioPlace };

/**
 * @param tuning time the kernels' variants of a product, a convolution or a U-Net before its plan is recorded; other
 *   cases take what is known by then
 */
export function fewmaskEngine(device: Device, version: string, tuning = false): Engine {
  const tuned = async (body: () => PlanOutputs): Promise<void> => {
    if (tuning) await tuneKernels(device, body);
  };

  const put = ({ shape, data }: Data, half = false): Tensor => {
    const t = device.keep(device.tensor(data as Float32Array, shape));
    if (!half) return t;
    const narrow = device.keep(cast(t, 'f16'));
    t.dispose();
    return narrow;
  };

  /** A job that replays a plan. */
  function replay(step: Plan<Record<string, Tensor>>, outs: Out[], owned: { dispose(): void }[]): Job {
    step.run();
    return {
      async run(times) {
        for (let i = 0; i < times; i++) step.run();
        await device.sync();
      },
      async outputs() {
        step.run();
        const data = await device.read(outs.map(([t]) => t));
        return outs.map(([t, layout], i) => (layout ? layout.turn(data[i], t.shape) : Float32Array.from(data[i])));
      },
      async sampled(at) {
        step.run();
        const picked = device.scope(() =>
          outs.map(([t, layout], i) =>
            indexSelect(
              reshape(t, [t.size]),
              0,
              device.tensor(layout ? at[i].map((p) => layout.place(p, t.shape)) : at[i], [at[i].length]),
            ),
          ),
        );
        const data = await device.read(picked);
        for (const t of picked) t.dispose();
        return data.map((d) => Float32Array.from(d));
      },
      dispose() {
        step.dispose();
        for (const o of owned) o.dispose();
      },
    };
  }

  /** Records y of some leaves, and the gradients of those that `wrt` names when there is a dy. */
  async function recorded(
    leaves: Record<string, Tensor>,
    wrt: readonly string[],
    y: (t: Record<string, Tensor>) => Tensor,
    layouts: readonly Out[1][],
    layoutY: Out[1],
  ): Promise<Job> {
    const { dy } = leaves;
    if (dy) for (const name of wrt) leaves[name].requiresGrad = true;
    const body = (): Record<string, Tensor> => {
      const out = y(leaves);
      const gradients = dy
        ? grad(
            out,
            wrt.map((name) => leaves[name]),
            { dy },
          )
        : [];
      return { y: out, ...Object.fromEntries(gradients.map((g, i) => [`d${wrt[i]}`, g])) };
    };
    await tuned(body);
    const step = plan(device, {}, body);
    const outs: Out[] = [
      [step.outputs.y, layoutY],
      ...(dy ? wrt.map((name, i): Out => [step.outputs[`d${name}`], layouts[i]]) : []),
    ];
    return replay(step, outs, Object.values(leaves));
  }

  function conv(w: Of<'conv'>, inputs: Inputs, half: boolean): Promise<Job> {
    const leaves = {
      x: put(toNhwc(inputs.x), half),
      w: put(toHwio(inputs.w), half),
      ...(inputs.dy && { dy: put(toNhwc(inputs.dy), half) }),
    };
    const options = { stride: w.stride, dilation: w.dilation, groups: w.groups, padding: padOf(w.kernel, w.dilation) };
    return recorded(leaves, ['x', 'w'], (t) => conv2d(t.x, t.w, undefined, options), [NHWC, HWIO], NHWC);
  }

  async function training(net: Network, inputs: Inputs, half: boolean): Promise<Job> {
    const x = put(toNhwc(inputs.x));
    const y = put(inputs.y);
    const sgd = new Sgd(net.params, { momentum: MOMENTUM });
    const params = [...net.params.values()];
    const scaler = half ? new LossScaler(device, { scale: LOSS_SCALE }) : null;
    const passes = (): { loss: Tensor; grads: Tensor[] } => {
      const forward = (): Tensor => net.forward(x, { bn: 'train' });
      const loss = ceValid(half ? mixedPrecision(device, forward) : forward(), y);
      return { loss, grads: grad(loss, params, { dy: scaler?.scale }) };
    };
    // Those of a DeepLabV3+ would take minutes.
    if (net instanceof UNet) {
      await tuned(() => {
        const { loss, grads } = passes();
        return { loss, ...Object.fromEntries(grads.map((g, i) => [`grad${i}`, g])) };
      });
    }
    const step = plan(device, { hyper: { shape: [HYPER_SIZE] } }, ({ hyper }) => {
      const { loss, grads } = passes();
      sgd.step(grads, scaler?.unscale(grads, hyper) ?? hyper);
      return { loss };
    });
    const one = (i: number): void => void step.run({ hyper: hyperValues({ lr: LR, step: i + 1 }) });
    let done = 0;
    return {
      async run(times) {
        if (done === 0) await step.compile();
        for (let i = 0; i < times; i++) one(done++);
        await device.sync();
      },
      async outputs() {
        const losses: number[] = [];
        for (let i = 0; i < STEPS_COMPARED; i++) {
          one(done++);
          losses.push(await step.outputs.loss.item());
        }
        return [Float32Array.from(losses)];
      },
      host: () =>
        hostTimes(
          device.gpu,
          () => one(done++),
          () => device.sync(),
        ),
      dispose() {
        step.dispose();
        for (const o of [x, y, net, sgd, scaler]) o?.dispose();
      },
    };
  }

  async function unet(w: Of<'unet'>, inputs: Inputs, half: boolean): Promise<Job> {
    const net = new UNet(device, { numClasses: w.classes, widths: w.widths });
    net.loadStateDict(weightsOf(inputs), { partial: true });
    if (w.train) return training(net, inputs, half);
    const x = put(toNhwc(inputs.x));
    const body = (): Record<string, Tensor> => ({ y: net.forward(x, { bn: 'eval' }) });
    await tuned(body);
    const step = plan(device, {}, body);
    return replay(step, [[step.outputs.y, NHWC]], [x, net]);
  }

  function adds({ count, replayed }: Of<'adds'>, inputs: Inputs): Job {
    const x = put(inputs.x);
    const b = put(inputs.b);
    const chain = (): Tensor => {
      let y = x;
      for (let i = 0; i < count; i++) y = add(y, b);
      return y;
    };
    if (replayed) {
      const step = plan(device, {}, () => ({ y: chain() }));
      return replay(step, [[step.outputs.y]], [x, b]);
    }
    return {
      async run(times) {
        for (let i = 0; i < times; i++) device.scope(() => void chain());
        await device.sync();
      },
      async outputs() {
        const y = device.scope(chain);
        const data = Float32Array.from(await y.read());
        y.dispose();
        return [data];
      },
      dispose() {
        x.dispose();
        b.dispose();
      },
    };
  }

  interface Training {
    name: string;
    dataset: Dataset;
    size: readonly [number, number];
    crop: readonly [number, number];
    batch: number;
    steps: number;
  }

  /** Records the last step of a scheme as a run takes it: views, passes, losses, update. */
  function schemeStep({ name, dataset, size, crop, batch, steps }: Training): {
    take(data: Dataset): (at: number) => Promise<void>;
    loss: Tensor;
    dispose(): void;
  } {
    const seed = 1;
    const made = createScheme(
      name,
      {
        device,
        numClasses: dataset.numClasses,
        crop,
        batch: { labelled: batch, unlabelled: batch },
        steps,
        seed,
        network: (draw) => new UNet(device, { numClasses: dataset.numClasses, width: 16, seed: draw }),
        optimizer: (params) => new Sgd(params, { momentum: MOMENTUM, weightDecay: 1e-4 }),
      },
      {},
    );
    const maps = made.pseudoLabels;
    // The student of self-training, with labels of its own making in place of a teacher's.
    if (maps)
      for (const id of dataset.ids('unlabelled'))
        maps.set(id, { height: size[0], width: size[1], labels: new Uint8Array(size[0] * size[1]) });
    const stage = made.stages.length - 1;
    let context!: StepContext;
    const step = plan(device, {}, (_, declare): Record<string, Tensor> => {
      context = new StepContext(device, declare, { seed, sourceSize: size, lr: () => LR });
      return { loss: made.stages[stage].record(context).loss };
    });
    return {
      take(data) {
        const open = openStreams({ dataset: data, cache: new SampleCache(data), scheme: made, seed, size });
        const sources = context.streams.map((spec) => ({ spec, source: open(spec, stage) }));
        return async (at) => {
          const batches = new Map(
            await Promise.all(sources.map(async ({ spec, source }) => [spec.name, await source.batch(at)] as const)),
          );
          step.run(context.inputs({ step: at, progress: at / steps }, batches));
        };
      },
      loss: step.outputs.loss,
      dispose() {
        step.dispose();
        made.dispose();
      },
    };
  }

  /** Batches are made again for each step. */
  function scheme({ scheme: name }: Of<'scheme'>): Job {
    const size = [96, 96] as const;
    const dataset = createSynthetic({
      seed: 1,
      height: size[0],
      width: size[1],
      train: 32,
      labelled: 8,
      val: 1,
      test: 1,
    });
    const step = schemeStep({ name, dataset, size, crop: [64, 64], batch: 4, steps: 1000 });
    const take = step.take(dataset);
    let at = 0;
    return {
      async run(times) {
        for (let i = 0; i < times; i++) await take(at++);
        await device.sync();
      },
      async outputs() {
        await take(at++);
        return [Float32Array.of(await step.loss.item())];
      },
      dispose: () => step.dispose(),
    };
  }

  /** A pass over images that lie on the disk: opened, decoded and trained with, none of them known from before. */
  async function epoch({ images, h, w, batch, crop, classes }: Of<'epoch'>): Promise<Job> {
    const path = await epochFolder(images, h, w);
    const open = (): Promise<Dataset> => openDataset({ path, classes });
    const first = await open();
    const steps = images / batch;
    const step = schemeStep({ name: BASELINE, dataset: first, size: [h, w], crop, batch, steps });
    await first.close();
    const pass = async (): Promise<void> => {
      const dataset = await open();
      const take = step.take(dataset);
      for (let at = 0; at < steps; at++) await take(at);
      await device.sync();
      await dataset.close();
    };
    return {
      async run(times) {
        for (let i = 0; i < times; i++) await pass();
      },
      async outputs() {
        await pass();
        return [Float32Array.of(await step.loss.item())];
      },
      dispose: () => step.dispose(),
    };
  }

  function build({ work: w, half = false }: Case, inputs: Inputs): Job | Promise<Job> {
    switch (w.op) {
      case 'matmul':
        return recorded(
          { a: put(inputs.a, half), b: put(inputs.b, half) },
          [],
          ({ a, b }) => matmul(a, b),
          [],
          undefined,
        );
      case 'conv':
        return conv(w, inputs, half);
      case 'batchNorm': {
        const leaves = {
          x: put(toNhwc(inputs.x)),
          gamma: put(inputs.gamma),
          beta: put(inputs.beta),
          dy: put(toNhwc(inputs.dy)),
        };
        return recorded(
          leaves,
          ['x', 'gamma', 'beta'],
          (t) => batchNorm(t.x, t.gamma, t.beta, undefined, { mode: 'train' }),
          [NHWC],
          NHWC,
        );
      }
      case 'predictions': {
        const x = put(toNhwc(inputs.x));
        const step = plan(device, {}, (): Record<string, Tensor> => {
          const { confidence, label } = pseudoLabel(x);
          return { confidence, label };
        });
        return replay(step, [[step.outputs.confidence], [step.outputs.label]], [x]);
      }
      case 'crossEntropy': {
        const x = put(toNhwc(inputs.x));
        const y = put(inputs.y);
        x.requiresGrad = true;
        const step = plan(device, {}, (): Record<string, Tensor> => {
          const loss = crossEntropy(x, y);
          return { loss, dx: grad(loss, [x])[0] };
        });
        return replay(step, [[step.outputs.loss], [step.outputs.dx, NHWC]], [x, y]);
      }
      case 'resize': {
        const leaves = { x: put(toNhwc(inputs.x)), ...(inputs.dy && { dy: put(toNhwc(inputs.dy)) }) };
        return recorded(leaves, ['x'], (t) => resizeBilinear(t.x, [w.h * w.scale, w.w * w.scale]), [NHWC], NHWC);
      }
      case 'adds':
        return adds(w, inputs);
      case 'unet':
        return unet(w, inputs, half);
      case 'deeplab': {
        const net = new DeepLabV3Plus(device, { numClasses: w.classes, depth: w.depth });
        net.loadStateDict(weightsOf(inputs), { partial: true });
        return training(net, inputs, half);
      }
      case 'scheme':
        return scheme(w);
      case 'epoch':
        return epoch(w);
    }
  }

  return {
    name: 'fewmask',
    version,
    async build(c, inputs) {
      if (c.half && !device.f16) return { why: 'the adapter has no f16' };
      const job = await build(c, inputs);
      // What the pool holds on to is not the next case's.
      return { ...job, dispose: () => (job.dispose(), device.pool.trim()) };
    },
    close: () => device.close(),
  };
}
