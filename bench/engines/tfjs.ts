// The benchmark's cases on TensorFlow.js with its WebGPU backend: NHWC, HWIO, eager. It has no gradient of dilated
// convolutions; its half-pixel bilinear resize has a wrong one, so that the network below enlarges by slices and
// stacks, whose gradients are right.

import * as tf from '@tensorflow/tfjs-core';
// The core comes without gradients.
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { Case, Work } from '../cases.ts';
import { fromHwio, fromNhwc, padOf, toHwio, toNhwc, unetParams, type Data, type Inputs } from '../data.ts';
import type { Engine, Job } from '../engine.ts';
import { LR, MOMENTUM, STEPS_COMPARED } from '../training.ts';

type T4 = tf.Tensor4D;
type Of<K extends Work['op']> = Extract<Work, { op: K }>;
type Turn = ((data: ArrayLike<number>, shape: readonly number[]) => Float32Array) | undefined;

const put = <R extends tf.Rank>({ shape, data }: Data): tf.Tensor<R> =>
  tf.tensor<R>(data, [...shape] as tf.ShapeMap[R], data instanceof Int32Array ? 'int32' : 'float32');

async function read(ts: tf.Tensor[], turns: readonly Turn[]): Promise<Float32Array[]> {
  const out = await Promise.all(
    ts.map(async (t, i) => {
      const data = await t.data();
      return turns[i]?.(data, t.shape) ?? Float32Array.from(data);
    }),
  );
  tf.dispose(ts);
  return out;
}

function convolve(
  x: T4,
  w: T4,
  { kernel, stride, dilation, groups }: Pick<Of<'conv'>, 'kernel' | 'stride' | 'dilation' | 'groups'>,
): T4 {
  const p = padOf(kernel, dilation);
  const pad: tf.backend_util.ExplicitPadding = [
    [0, 0],
    [p, p],
    [p, p],
    [0, 0],
  ];
  // Depthwise weights are [kh, kw, channels, 1] here.
  if (groups > 1) return tf.depthwiseConv2d(x, tf.transpose(w, [0, 1, 3, 2]) as T4, stride, p, 'NHWC', dilation);
  return tf.conv2d(x, w, stride, pad, 'NHWC', dilation);
}

function batchNorm(x: T4, gamma: tf.Tensor1D, beta: tf.Tensor1D): T4 {
  const { mean, variance } = tf.moments(x, [0, 1, 2]);
  return tf.batchNorm4d(x, mean as tf.Tensor1D, variance as tf.Tensor1D, beta, gamma, 1e-5);
}

/** `times` the size along an axis, bilinear with half-pixel centres. */
function stretch(x: T4, axis: 1 | 2, times: number): T4 {
  const size = x.shape[axis];
  const part = (from: number, count: number): T4 =>
    tf.slice(x, axis === 1 ? [0, from] : [0, 0, from], axis === 1 ? [-1, count] : [-1, -1, count]);
  const before = tf.concat([part(0, 1), part(0, size - 1)], axis);
  const after = tf.concat([part(1, size - 1), part(size - 1, 1)], axis);
  const phases = Array.from({ length: times }, (_, i) => {
    const s = (i + 0.5) / times - 0.5;
    return tf.add(tf.mul(x, 1 - Math.abs(s)), tf.mul(s < 0 ? before : after, Math.abs(s)));
  });
  const shape = [...x.shape] as [number, number, number, number];
  shape[axis] *= times;
  return tf.reshape(tf.stack(phases, axis + 1), shape);
}

const crossEntropy = (x: T4, hot: tf.Tensor): tf.Scalar =>
  tf.mul(tf.sum(tf.mul(tf.logSoftmax(x), hot)), -1 / (x.size / x.shape[3]));

function unet(p: Record<string, tf.Tensor>, x: T4, levels: number, train: boolean): T4 {
  const layer = (h: T4, name: string): T4 => {
    const z = tf.conv2d(h, p[`${name}.conv.weight`] as T4, 1, 'same');
    const gamma = p[`${name}.bn.weight`] as tf.Tensor1D;
    const beta = p[`${name}.bn.bias`] as tf.Tensor1D;
    return tf.relu(
      train ? batchNorm(z, gamma, beta) : tf.batchNorm4d(z, tf.zerosLike(beta), tf.onesLike(beta), beta, gamma, 1e-5),
    );
  };
  const block = (h: T4, name: string): T4 => layer(layer(h, `${name}.0`), `${name}.1`);
  const skips: T4[] = [];
  let h = x;
  for (let i = 0; i < levels; i++) {
    h = block(i ? tf.maxPool(h, 2, 2, 'valid') : h, `enc${i}`);
    skips.push(h);
  }
  for (let i = levels - 2; i >= 0; i--) h = block(tf.concat([skips[i], stretch(stretch(h, 1, 2), 2, 2)], 3), `dec${i}`);
  return tf.add(tf.conv2d(h, p['head.weight'] as T4, 1, 'same'), p['head.bias']);
}

export async function tfjsEngine(version: string): Promise<Engine> {
  // The library registers a backend of its own only where it sees a window; here it is made by hand from the adapter
  // that it would ask for.
  const adapter = (await navigator.gpu.requestAdapter())!;
  const {
    maxComputeWorkgroupStorageSize,
    maxComputeWorkgroupsPerDimension,
    maxStorageBufferBindingSize,
    maxBufferSize,
    maxComputeWorkgroupSizeX,
    maxComputeInvocationsPerWorkgroup,
  } = adapter.limits;
  const device = await adapter.requestDevice({
    requiredLimits: {
      maxComputeWorkgroupStorageSize,
      maxComputeWorkgroupsPerDimension,
      maxStorageBufferBindingSize,
      maxBufferSize,
      maxComputeWorkgroupSizeX,
      maxComputeInvocationsPerWorkgroup,
    },
  });
  const backend = new WebGPUBackend(device, adapter.info);
  tf.removeBackend('webgpu');
  tf.registerBackend('webgpu', () => backend);
  await tf.setBackend('webgpu');
  // Small tensors are otherwise computed on the CPU.
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  // As the backend does before it reads: an open pass makes the whole submission invalid, and the work of a sample
  // would be left out.
  const done = async (): Promise<void> => {
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.submitQueue();
    await backend.queue.onSubmittedWorkDone();
  };

  function calls(f: () => tf.Tensor[], turns: readonly Turn[], operands: tf.Tensor[]): Job {
    return {
      async run(times) {
        for (let i = 0; i < times; i++) tf.dispose(tf.tidy(f));
        await done();
      },
      outputs: () => read(tf.tidy(f), turns),
      dispose: () => tf.dispose(operands),
    };
  }

  function withGradients(
    y: (...xs: tf.Tensor[]) => tf.Tensor,
    leaves: tf.Tensor[],
    dy: tf.Tensor | undefined,
    turns: readonly Turn[],
  ): Job {
    if (!dy) return calls(() => [y(...leaves)], turns, leaves);
    const f = (): tf.Tensor[] => {
      const { value, grads } = tf.valueAndGrads(y)(leaves, dy);
      return [value, ...grads];
    };
    return calls(f, turns, [...leaves, dy]);
  }

  function unetJob(w: Of<'unet'>, inputs: Inputs): Job {
    const x = put<tf.Rank.R4>(toNhwc(inputs.x));
    const variables = Object.fromEntries(
      unetParams(w.widths, w.classes).map(({ name }) => [
        name,
        tf.variable(put(inputs[name].shape.length === 4 ? toHwio(inputs[name]) : inputs[name])),
      ]),
    );
    if (!w.train)
      return calls(() => [unet(variables, x, w.widths.length, false)], [fromNhwc], [x, ...Object.values(variables)]);
    const hot = tf.oneHot(put<tf.Rank.R3>(inputs.y), w.classes);
    const optimizer = tf.train.momentum(LR, MOMENTUM);
    const one = (): tf.Scalar =>
      optimizer.minimize(
        () => crossEntropy(unet(variables, x, w.widths.length, true), hot),
        true,
        Object.values(variables),
      ) as tf.Scalar;
    return {
      async run(times) {
        for (let i = 0; i < times; i++) one().dispose();
        await done();
      },
      async outputs() {
        const losses: number[] = [];
        for (let i = 0; i < STEPS_COMPARED; i++) losses.push((await read([one()], []))[0][0]);
        return [Float32Array.from(losses)];
      },
      dispose: () => (optimizer.dispose(), tf.dispose([x, hot, ...Object.values(variables)])),
    };
  }

  function build({ work: w }: Case, inputs: Inputs): Job | { why: string } {
    const image = (d: Data | undefined): T4 => put<tf.Rank.R4>(toNhwc(d!));
    const dy = inputs.dy && image(inputs.dy);
    switch (w.op) {
      case 'matmul': {
        const a = put<tf.Rank.R2>(inputs.a);
        const b = put<tf.Rank.R2>(inputs.b);
        return calls(() => [tf.matMul(a, b)], [], [a, b]);
      }
      case 'conv':
        if (w.backward && w.dilation > 1) return { why: 'no gradient of dilated convolutions' };
        return withGradients((x, k) => convolve(x as T4, k as T4, w), [image(inputs.x), put(toHwio(inputs.w))], dy, [
          fromNhwc,
          fromNhwc,
          fromHwio,
        ]);
      case 'batchNorm':
        return withGradients(
          (x, g, b) => batchNorm(x as T4, g as tf.Tensor1D, b as tf.Tensor1D),
          [image(inputs.x), put(inputs.gamma), put(inputs.beta)],
          dy,
          [fromNhwc, fromNhwc],
        );
      case 'predictions': {
        const x = image(inputs.x);
        const f = (): tf.Tensor[] => {
          const p = tf.softmax(x);
          return [tf.max(p, -1), tf.argMax(p, -1)];
        };
        return calls(f, [], [x]);
      }
      case 'crossEntropy': {
        const x = image(inputs.x);
        const hot = tf.oneHot(put<tf.Rank.R3>(inputs.y), w.c);
        const f = (): tf.Tensor[] => {
          const { value, grad } = tf.valueAndGrad((t: tf.Tensor) => crossEntropy(t as T4, hot))(x);
          return [value, grad];
        };
        return calls(f, [undefined, fromNhwc], [x, hot]);
      }
      case 'resize':
        return withGradients(
          (x) => tf.image.resizeBilinear(x as T4, [w.h * w.scale, w.w * w.scale], false, true),
          [image(inputs.x)],
          dy,
          [fromNhwc, fromNhwc],
        );
      case 'adds': {
        const x = put(inputs.x);
        const b = put(inputs.b);
        const f = (): tf.Tensor[] => {
          let y: tf.Tensor = x;
          for (let i = 0; i < w.count; i++) y = tf.add(y, b);
          return [y];
        };
        return calls(f, [], [x, b]);
      }
      case 'unet':
        return unetJob(w, inputs);
      case 'deeplab':
      case 'scheme':
      case 'epoch':
        return { why: 'no such network comes with it' };
    }
  }

  return { name: 'tfjs', version, build: async (c, inputs) => build(c, inputs), close: () => device.destroy() };
}
