// The benchmark's cases on onnxruntime-web with its WebGPU provider: forward passes, as it does not train. Inputs and
// outputs stay on the GPU.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Ort from 'onnxruntime-web/webgpu';
import type { Case, Work } from '../cases.ts';
import { padOf, unetParams, type Data, type Inputs } from '../data.ts';
import type { Engine, Job } from '../engine.ts';
import { writeOnnx, type Graph, type Node } from '../onnxWriter.ts';

type Of<K extends Work['op']> = Extract<Work, { op: K }>;

/** The graph of a case, and which of the inputs it is fed. */
function graphOf(w: Work, inputs: Inputs): { graph: Graph; fed: readonly string[] } | { why: string } {
  const shapes = (names: readonly string[]): Record<string, readonly number[]> =>
    Object.fromEntries(names.map((n) => [n, inputs[n].shape]));
  switch (w.op) {
    case 'matmul':
      return {
        fed: ['a', 'b'],
        graph: {
          nodes: [{ op: 'MatMul', inputs: ['a', 'b'], outputs: ['y'] }],
          inputs: shapes(['a', 'b']),
          outputs: ['y'],
        },
      };
    case 'conv': {
      if (w.backward) return { why: 'it does not train' };
      const p = padOf(w.kernel, w.dilation);
      const attributes = {
        kernel_shape: [w.kernel, w.kernel],
        strides: [w.stride, w.stride],
        dilations: [w.dilation, w.dilation],
        pads: [p, p, p, p],
        group: w.groups,
      };
      return {
        fed: ['x'],
        graph: {
          nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['y'], attributes }],
          inputs: shapes(['x']),
          outputs: ['y'],
          weights: { w: inputs.w },
        },
      };
    }
    case 'predictions': {
      const nodes: Node[] = [
        { op: 'Softmax', inputs: ['x'], outputs: ['p'], attributes: { axis: 1 } },
        { op: 'ReduceMax', inputs: ['p'], outputs: ['confidence'], attributes: { axes: [1], keepdims: 0 } },
        { op: 'ArgMax', inputs: ['p'], outputs: ['label'], attributes: { axis: 1, keepdims: 0 } },
      ];
      return { fed: ['x'], graph: { nodes, inputs: shapes(['x']), outputs: ['confidence', 'label'] } };
    }
    case 'resize': {
      if (w.backward) return { why: 'it does not train' };
      const weights = { scales: { shape: [4], data: Float32Array.of(1, 1, w.scale, w.scale) } };
      const node = {
        op: 'Resize',
        inputs: ['x', '', 'scales'],
        outputs: ['y'],
        attributes: { mode: 'linear', coordinate_transformation_mode: 'half_pixel' },
      };
      return { fed: ['x'], graph: { nodes: [node], inputs: shapes(['x']), outputs: ['y'], weights } };
    }
    case 'adds': {
      const nodes = Array.from({ length: w.count }, (_, i): Node => ({
        op: 'Add',
        inputs: [i ? `y${i - 1}` : 'x', 'b'],
        outputs: [i === w.count - 1 ? 'y' : `y${i}`],
      }));
      return { fed: ['x', 'b'], graph: { nodes, inputs: shapes(['x', 'b']), outputs: ['y'] } };
    }
    case 'unet':
      return w.train ? { why: 'it does not train' } : { fed: ['x'], graph: unet(w, inputs) };
    case 'batchNorm':
    case 'crossEntropy':
      return { why: 'it does not train' };
    case 'deeplab':
    case 'scheme':
    case 'epoch':
      return { why: 'it does not train' };
  }
}

function unet(w: Of<'unet'>, inputs: Inputs): Graph {
  const nodes: Node[] = [];
  const weights: Record<string, Data> = Object.fromEntries(
    unetParams(w.widths, w.classes).map(({ name }) => [name, inputs[name]]),
  );
  weights.scales = { shape: [4], data: Float32Array.of(1, 1, 2, 2) };
  let count = 0;
  const node = (op: string, ins: readonly string[], attributes?: Node['attributes']): string => {
    const out = `t${count++}`;
    nodes.push({ op, inputs: ins, outputs: [out], attributes });
    return out;
  };
  const layer = (h: string, name: string): string => {
    const c = inputs[`${name}.bn.weight`].shape[0];
    weights[`${name}.mean`] = { shape: [c], data: new Float32Array(c) };
    weights[`${name}.variance`] = { shape: [c], data: new Float32Array(c).fill(1) };
    const z = node('Conv', [h, `${name}.conv.weight`], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
    return node('Relu', [
      node('BatchNormalization', [z, `${name}.bn.weight`, `${name}.bn.bias`, `${name}.mean`, `${name}.variance`]),
    ]);
  };
  const block = (h: string, name: string): string => layer(layer(h, `${name}.0`), `${name}.1`);
  const skips: string[] = [];
  let h = 'x';
  w.widths.forEach((_, i) => {
    h = block(i ? node('MaxPool', [h], { kernel_shape: [2, 2], strides: [2, 2] }) : h, `enc${i}`);
    skips.push(h);
  });
  for (let i = w.widths.length - 2; i >= 0; i--) {
    const up = node('Resize', [h, '', 'scales'], { mode: 'linear', coordinate_transformation_mode: 'half_pixel' });
    h = block(node('Concat', [skips[i], up], { axis: 1 }), `dec${i}`);
  }
  nodes.push({
    op: 'Conv',
    inputs: [h, 'head.weight', 'head.bias'],
    outputs: ['y'],
    attributes: { kernel_shape: [1, 1] },
  });
  return { nodes, inputs: { x: inputs.x.shape }, outputs: ['y'], weights };
}

export async function ortEngine(version: string): Promise<Engine> {
  const folder = dirname(createRequire(import.meta.url).resolve('onnxruntime-web/webgpu'));
  const ort = (await import(pathToFileURL(join(folder, 'ort.webgpu.bundle.min.mjs')).href)) as typeof Ort;
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = readFileSync(join(folder, 'ort-wasm-simd-threaded.asyncify.wasm')).buffer;
  ort.env.logLevel = 'error';

  async function build({ work }: Case, inputs: Inputs): Promise<Job | { why: string }> {
    const made = graphOf(work, inputs);
    if ('why' in made) return made;
    const session = await ort.InferenceSession.create(writeOnnx(made.graph), {
      executionProviders: ['webgpu'],
      preferredOutputLocation: 'gpu-buffer',
      graphOptimizationLevel: 'all',
    });
    const device = await ort.env.webgpu.device;
    const buffers: GPUBuffer[] = [];
    const feeds: Record<string, Ort.Tensor> = {};
    for (const name of made.fed) {
      const { data, shape } = inputs[name];
      const buffer = device.createBuffer({
        size: Math.ceil(data.byteLength / 16) * 16,
        usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      });
      device.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
      buffers.push(buffer);
      feeds[name] = ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: [...shape] });
    }
    return {
      async run(times) {
        for (let i = 0; i < times; i++) for (const t of Object.values(await session.run(feeds))) t.dispose();
        await device.queue.onSubmittedWorkDone();
      },
      async outputs() {
        const results = await session.run(feeds);
        const out: Float32Array[] = [];
        for (const name of made.graph.outputs)
          out.push(Float32Array.from((await results[name].getData(true)) as ArrayLike<number | bigint>, Number));
        return out;
      },
      dispose() {
        for (const b of buffers) b.destroy();
        void session.release();
      },
    };
  }
  return { name: 'onnxruntime-web', version, build, close: () => {} };
}
