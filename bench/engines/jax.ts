// The benchmark's cases on jax-js: jitted functions in its own layout (NCHW, OIHW), with its reference-counted arrays
// (`.ref` keeps an operand).

import { blockUntilReady, defaultDevice, grad, init, jit, lax, nn, numpy as np, valueAndGrad } from '@jax-js/jax';
import type { Case, Work } from '../cases.ts';
import { padOf, unetParams, type Data, type Inputs } from '../data.ts';
import type { Engine, Job } from '../engine.ts';
import { LR, MOMENTUM, STEPS_COMPARED } from '../training.ts';

type A = np.Array;
type Of<K extends Work['op']> = Extract<Work, { op: K }>;
type Params = { [name: string]: A };

const put = ({ shape, data }: Data): A => np.array(data, { shape: [...shape] });
const floats = async (x: A): Promise<Float32Array> => Float32Array.from((await x.data()) as ArrayLike<number>);

/** Calls whose results are held until all are there. */
const TOGETHER = 8;

/** A job from a jitted function of fixed operands that gives a list of arrays. */
function calls(f: (...xs: A[]) => A[], operands: A[]): Job {
  const call = (): A[] => f(...operands.map((x) => x.ref));
  return {
    async run(times) {
      // What is disposed before it was waited for is never computed.
      for (let left = times; left > 0; left -= TOGETHER) {
        const ys = Array.from({ length: Math.min(left, TOGETHER) }, call).flat();
        await blockUntilReady(ys);
        for (const y of ys) y.dispose();
      }
    },
    outputs: async () => Promise.all(call().map(floats)),
    dispose() {
      for (const x of operands) x.dispose();
    },
  };
}

/** y, and with a dy the gradients of the leaves: those of sum(y dy). */
function withGradients(y: (...xs: A[]) => A, leaves: A[], dy: A | undefined): Job {
  if (!dy)
    return calls(
      jit((...xs: A[]) => [y(...xs)]),
      leaves,
    );
  const weighted = (...xs: A[]): A => np.sum(y(...xs.slice(0, -1)).mul(xs.at(-1)!));
  const gradients = grad(weighted, { argnums: leaves.map((_, i) => i) });
  return calls(
    jit((...xs: A[]) => {
      const out = y(...xs.slice(0, -1).map((x) => x.ref));
      return [out, ...gradients(...xs)];
    }),
    [...leaves, dy],
  );
}

function conv(x: A, w: A, stride = 1, dilation = 1, groups = 1): A {
  const p = padOf(w.shape[2], dilation);
  return lax.convGeneralDilated(
    x,
    w,
    [stride, stride],
    [
      [p, p],
      [p, p],
    ],
    { rhsDilation: [dilation, dilation], featureGroupCount: groups },
  );
}

/** Batch normalisation of a training batch, over axes 0, 2, 3. */
function batchNorm(x: A, gamma: A, beta: A): A {
  const c = x.shape[1];
  const mean = np.mean(x.ref, [0, 2, 3], { keepdims: true });
  const centred = x.sub(mean);
  const variance = np.mean(np.square(centred.ref), [0, 2, 3], { keepdims: true });
  return centred
    .mul(np.reciprocal(np.sqrt(variance.add(1e-5))))
    .mul(gamma.reshape([1, c, 1, 1]))
    .add(beta.reshape([1, c, 1, 1]));
}

/**
 * Twice the size along an axis, bilinear with half-pixel centres: 3/4 of a pixel and 1/4 of the nearer neighbour,
 * interleaved.
 */
function twice(x: A, axis: 2 | 3): A {
  const size = x.shape[axis];
  const along = (from: number, to: number): A =>
    axis === 2 ? x.ref.slice([], [], [from, to]) : x.ref.slice([], [], [], [from, to]);
  const before = np.concatenate([along(0, 1), along(0, size - 1)], axis);
  const after = np.concatenate([along(1, size), along(size - 1, size)], axis);
  const shape = [...x.shape];
  shape[axis] *= 2;
  const own = x.mul(0.75);
  return np.stack([own.ref.add(before.mul(0.25)), own.add(after.mul(0.25))], axis + 1).reshape(shape);
}

const enlarge = (x: A): A => twice(twice(x, 2), 3);

function crossEntropy(x: A, y: A): A {
  const classes = x.shape[1];
  const picked = nn.logSoftmax(x, 1).mul(np.moveaxis(nn.oneHot(y, classes), -1, 1));
  return np.sum(picked).mul(-1 / (x.shape[0] * x.shape[2] * x.shape[3]));
}

/** The U-Net; consumes x, keeps the parameters. */
function unet(p: Params, x: A, levels: number, train: boolean): A {
  const layer = (h: A, name: string): A => {
    const z = conv(h, p[`${name}.conv.weight`].ref);
    const gamma = p[`${name}.bn.weight`].ref;
    const beta = p[`${name}.bn.bias`].ref;
    const c = z.shape[1];
    // The running statistics that evaluation uses are 0 and 1.
    return nn.relu(
      train
        ? batchNorm(z, gamma, beta)
        : z
            .mul(1 / Math.sqrt(1 + 1e-5))
            .mul(gamma.reshape([1, c, 1, 1]))
            .add(beta.reshape([1, c, 1, 1])),
    );
  };
  const block = (h: A, name: string): A => layer(layer(h, `${name}.0`), `${name}.1`);
  const skips: A[] = [];
  let h = x;
  for (let i = 0; i < levels; i++) {
    if (i) {
      const [n, c, hh, ww] = h.shape;
      h = np.max(h.reshape([n, c, hh / 2, 2, ww / 2, 2]), [3, 5]);
    }
    h = block(h, `enc${i}`);
    if (i < levels - 1) skips.push(h.ref);
  }
  for (let i = levels - 2; i >= 0; i--) h = block(np.concatenate([skips[i], enlarge(h)], 1), `dec${i}`);
  return conv(h, p['head.weight'].ref).add(p['head.bias'].ref.reshape([1, -1, 1, 1]));
}

function unetJob(w: Of<'unet'>, inputs: Inputs): Job {
  const names = unetParams(w.widths, w.classes).map(({ name }) => name);
  const levels = w.widths.length;
  const named = (list: A[]): Params => Object.fromEntries(names.map((n, i) => [n, list[i]]));
  let params = names.map((n) => put(inputs[n]));
  const x = put(inputs.x);
  const release = (list: A[]): void => {
    for (const t of list) t.dispose();
  };
  if (!w.train) {
    return calls(
      jit((...xs: A[]) => {
        const y = unet(named(xs.slice(1)), xs[0], levels, false);
        release(xs.slice(1));
        return [y];
      }),
      [x, ...params],
    );
  }
  const y = put(inputs.y);
  const loss = (list: A[], xs: A, ys: A): A => {
    const value = crossEntropy(unet(named(list), xs, levels, true), ys);
    release(list);
    return value;
  };
  let momenta = names.map((n) => np.zeros([...inputs[n].shape]));
  const step = jit((list: A[], moments: A[], xs: A, ys: A) => {
    const [value, gradients] = valueAndGrad(loss)(
      list.map((t) => t.ref),
      xs,
      ys,
    ) as [A, A[]];
    const moved = moments.map((v, i) => v.mul(MOMENTUM).add(gradients[i]));
    return [value, list.map((t, i) => t.sub(moved[i].ref.mul(LR))), moved] as [A, A[], A[]];
  });
  const one = (): A => {
    const [value, list, moments] = step(params, momenta, x.ref, y.ref);
    params = list;
    momenta = moments;
    return value;
  };
  return {
    async run(times) {
      for (let i = 0; i < times; i++) {
        const value = one();
        if (i === times - 1) await blockUntilReady([value, ...params]);
        value.dispose();
      }
    },
    async outputs() {
      const losses: number[] = [];
      for (let i = 0; i < STEPS_COMPARED; i++) losses.push((await floats(one()))[0]);
      return [Float32Array.from(losses)];
    },
    dispose: () => release([...params, ...momenta, x, y]),
  };
}

function build({ work: w }: Case, inputs: Inputs): Job | { why: string } {
  const dy = inputs.dy && put(inputs.dy);
  switch (w.op) {
    case 'matmul':
      return calls(
        jit((a: A, b: A) => [np.matmul(a, b)]),
        [put(inputs.a), put(inputs.b)],
      );
    case 'conv':
      return withGradients((x, k) => conv(x, k, w.stride, w.dilation, w.groups), [put(inputs.x), put(inputs.w)], dy);
    case 'batchNorm':
      return withGradients(batchNorm, [put(inputs.x), put(inputs.gamma), put(inputs.beta)], dy);
    case 'predictions':
      return calls(
        jit((x: A) => {
          const p = nn.softmax(x, 1);
          return [np.max(p.ref, 1), np.argmax(p, 1)];
        }),
        [put(inputs.x)],
      );
    case 'crossEntropy':
      return calls(
        jit((x: A, y: A) => valueAndGrad(crossEntropy)(x, y) as unknown as A[]),
        [put(inputs.x), put(inputs.y)],
      );
    case 'resize':
      return w.scale === 4
        ? withGradients((x) => enlarge4(x), [put(inputs.x)], dy)
        : { why: `no resize by ${w.scale}` };
    case 'adds': {
      const chain = (x: A, b: A): A[] => {
        let y = x;
        for (let i = 0; i < w.count; i++) y = y.add(b.ref);
        b.dispose();
        return [y];
      };
      return calls(w.replayed ? jit(chain) : chain, [put(inputs.x), put(inputs.b)]);
    }
    case 'unet':
      return unetJob(w, inputs);
    case 'deeplab':
    case 'scheme':
    case 'epoch':
      return { why: 'no such network comes with it' };
  }
}

/** Four times the size along an axis: the four phases between a pixel and its neighbours. */
function enlarge4(x: A): A {
  const axis4 = (t: A, axis: 2 | 3): A => {
    const size = t.shape[axis];
    const along = (from: number, to: number): A =>
      axis === 2 ? t.ref.slice([], [], [from, to]) : t.ref.slice([], [], [], [from, to]);
    const before = np.concatenate([along(0, 1), along(0, size - 1)], axis);
    const after = np.concatenate([along(1, size), along(size - 1, size)], axis);
    const shape = [...t.shape];
    shape[axis] *= 4;
    const mix = (a: A, b: A, s: number): A => a.mul(1 - s).add(b.mul(s));
    const out = np
      .stack(
        [
          mix(t.ref, before.ref, 0.375),
          mix(t.ref, before, 0.125),
          mix(t.ref, after.ref, 0.125),
          mix(t.ref, after, 0.375),
        ],
        axis + 1,
      )
      .reshape(shape);
    t.dispose();
    return out;
  };
  return axis4(axis4(x, 2), 3);
}

export async function jaxEngine(version: string): Promise<Engine> {
  const got = await init('webgpu');
  if (!got.includes('webgpu')) throw new Error('jax-js found no WebGPU');
  defaultDevice('webgpu');
  return { name: 'jax-js', version, build: async (c, inputs) => build(c, inputs), close: () => {} };
}
