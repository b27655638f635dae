// Random nodes of ONNX in random opsets, among them those whose meaning has changed, against references in float64.

import type { OnnxAttribute, OnnxDimension, OnnxTensor, OnnxType } from '../../runtime/io/onnx/model.ts';
import type { Rng } from '../../runtime/random.ts';
import { sizeOf, type Shape } from '../../runtime/tensor.ts';
import { made, place } from '../support/nd.ts';
import { onnxFile } from '../support/onnxFile.ts';
import type { F64 } from '../support/op.ts';
import { pick } from './filesBytes.ts';

/** A model of one node with its inputs, and what it gives; null where it must be refused. */
export interface VersionCase {
  what: string;
  bytes: Uint8Array;
  inputs: Readonly<Record<string, OnnxTensor>>;
  want: F64 | null;
}

type Setting = Readonly<Record<string, OnnxAttribute>>;

/** A node, before it is a file. */
interface Drawn {
  op: string;
  opset: number;
  inputs: readonly OnnxTensor[];
  attributes: Setting;
  want: F64 | null;
}

const { fround } = Math;
const whole = (rng: Rng, low: number, high: number): number => low + rng.int(high - low + 1);
const sizes = (rng: Rng, rank: number): number[] => Array.from({ length: rank }, () => whole(rng, 1, 4));
const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const filled = (dtype: OnnxType, shape: Shape, draw: () => number): OnnxTensor => ({
  dtype,
  shape,
  data: Array.from({ length: sizeOf(shape) }, draw),
});
const reals = (rng: Rng, shape: Shape, low = -2, high = 2): OnnxTensor =>
  filled('f32', shape, () => fround(low + (high - low) * rng.uniform()));
const list = (data: readonly number[]): OnnxTensor => ({ dtype: 'i64', shape: [data.length], data });
const floats = (data: readonly number[]): OnnxTensor => ({ dtype: 'f32', shape: [data.length], data });

const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
  Pow: (a, b) => a ** b,
  Greater: (a, b) => Number(a > b),
  Less: (a, b) => Number(a < b),
  And: (a, b) => a & b,
  Or: (a, b) => a | b,
  Xor: (a, b) => a ^ b,
};

/** Two operands: below opset 7 with `broadcast` and `axis`, then as NumPy broadcasts. */
function binary(rng: Rng): Drawn {
  const op = pick(rng, Object.keys(BINARY));
  const opset = pick(rng, [1, 6, 7, 9, 13]);
  const logical = /And|Or|Xor/.test(op);
  const tensor = (shape: Shape): OnnxTensor =>
    logical ? filled('bool', shape, () => rng.int(2)) : reals(rng, shape, 0.5, 2);
  const shape = sizes(rng, whole(rng, 1, 4));
  const a = tensor(shape);
  const drawn = (b: OnnxTensor, attributes: Setting, at: ((i: number[]) => number[]) | null): Drawn => {
    const want = at && made(shape, (i) => BINARY[op](a.data[place(shape, i)], b.data[place(b.shape, at(i))]));
    return { op, opset, inputs: [a, b], attributes, want };
  };
  if (opset >= 7) {
    const lead = rng.int(shape.length + 1);
    const own = shape.slice(lead).map((d) => (rng.bernoulli(0.4) ? 1 : d));
    return drawn(tensor(own), {}, (i) => own.map((d, k) => (d === 1 ? 0 : i[lead + k])));
  }
  const axis = rng.int(shape.length);
  const rank = whole(rng, 1, shape.length - axis);
  const own = shape.slice(axis, axis + rank);
  const suffix = axis + rank === shape.length;
  const attributes = { broadcast: 1, ...(suffix && rng.bernoulli(0.5) ? {} : { axis }) };
  const at = (i: number[]): number[] => i.slice(axis, axis + rank);
  switch (rng.int(4)) {
    case 0:
      return drawn(tensor([1]), { broadcast: 1 }, () => [0]);
    case 1: {
      // Of another shape, and with nothing to say so.
      const same = rank === shape.length;
      return drawn(tensor(own), {}, same ? (i) => i : null);
    }
    case 2: {
      const wrong = own.map((d, k) => (k === 0 ? d + 1 : d));
      return drawn(tensor(wrong), attributes, null);
    }
    default:
      return drawn(tensor(own), attributes, at);
  }
}

/** Softmax and its like: over all axes from the first on before opset 13. */
function soft(rng: Rng): Drawn {
  const op = pick(rng, ['Softmax', 'LogSoftmax']);
  const opset = pick(rng, [1, 9, 11, 12, 13]);
  const shape = sizes(rng, whole(rng, 2, 4));
  const x = reals(rng, shape);
  const given = rng.bernoulli(0.6);
  const axis = given ? rng.int(shape.length) : opset < 13 ? 1 : shape.length - 1;
  const attributes: Setting = given ? { axis: opset >= 11 && rng.bernoulli(0.5) ? axis - shape.length : axis } : {};
  const grouped = (i: number[]): string => String(i.filter((_, k) => (opset < 13 ? k < axis : k !== axis)));
  const totals = new Map<string, number>();
  made(shape, (i) => {
    totals.set(grouped(i), (totals.get(grouped(i)) ?? 0) + Math.exp(x.data[place(shape, i)]));
    return 0;
  });
  const share = (i: number[]): number => Math.exp(x.data[place(shape, i)]) / totals.get(grouped(i))!;
  const want = made(shape, (i) => (op === 'Softmax' ? share(i) : Math.log(share(i))));
  return { op, opset, inputs: [x], attributes, want };
}

/** Nearest by a scale, in all its versions. */
function nearest(rng: Rng): Drawn {
  const opset = pick(rng, [1, 7, 8, 9, 10, 11, 13, 18, 19]);
  const op = opset < 10 ? 'Upsample' : 'Resize';
  const from = whole(rng, 1, 24);
  const scale = fround(opset < 10 ? 1 + 2 * rng.uniform() : pick(rng, [0.3, 0.5, 0.6, 0.7, 0.9, 1.25, 1.7, 2, 3]));
  const to = Math.floor(fround(from * scale));
  const x = reals(rng, [1, 1, 1, from]);
  const floor = (o: number): number => Math.floor(fround(o / scale));
  const result = (pixel: (o: number) => number): F64 =>
    made([1, 1, 1, to], (i) => x.data[Math.min(Math.max(pixel(i[3]), 0), from - 1)]);
  // A size over a size: computed from both, exactly.
  const exact = scale === fround(to / from);
  const over = (o: number): number => Math.floor((o * from) / to);
  if (opset < 7) {
    const attributes = { height_scale: 1, width_scale: scale };
    return { op, opset, inputs: [x], attributes, want: result(exact ? over : floor) };
  }
  if (opset < 9) {
    const attributes = { scales: [1, 1, 1, scale] };
    return { op, opset, inputs: [x], attributes, want: result(exact ? over : floor) };
  }
  const by = floats([1, 1, 1, scale]);
  if (opset < 11) {
    const up = opset === 10 && scale < 1 && !exact;
    const pixel = up ? (o: number) => Math.ceil(fround(o / scale)) : exact ? over : floor;
    return { op, opset, inputs: [x, by], attributes: { mode: 'nearest' }, want: result(pixel) };
  }
  const attributes = { mode: 'nearest', nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' };
  return { op, opset, inputs: [x, floats([]), by], attributes, want: result(exact ? over : floor) };
}

/** Lists that were attributes and became inputs. */
function moved(rng: Rng): Drawn {
  const shape = sizes(rng, 3);
  const x = reals(rng, shape);
  const axis = rng.int(3);
  const kept = (i: number): number => (rng.bernoulli(0.5) ? i : i - 3);
  const node = (
    op: string,
    opset: number,
    since: number,
    name: string,
    values: readonly number[],
    want: F64,
    more: Setting = {},
  ): Drawn =>
    opset < since
      ? { op, opset, inputs: [x], attributes: { [name]: values, ...more }, want }
      : { op, opset, inputs: [x, list(values)], attributes: more, want };
  switch (rng.int(5)) {
    case 0: {
      const op = pick(rng, ['ReduceSum', 'ReduceMean', 'ReduceMax']);
      const opset = pick(rng, [1, 11, 12, 13, 17, 18]);
      const keepdims = rng.int(2);
      const out = shape.flatMap((d, k) => (k !== axis ? [d] : keepdims ? [1] : []));
      const want = made(out, (i) => {
        const line = count(shape[axis]).map((v) => {
          const at = keepdims ? i.slice() : [...i.slice(0, axis), 0, ...i.slice(axis)];
          at[axis] = v;
          return x.data[place(shape, at)];
        });
        const sum = line.reduce((a, b) => a + b, 0);
        return op === 'ReduceMax' ? Math.max(...line) : op === 'ReduceSum' ? sum : sum / line.length;
      });
      const axes = [opset < 11 ? axis : kept(axis)];
      return node(op, opset, op === 'ReduceSum' ? 13 : 18, 'axes', axes, want, { keepdims });
    }
    case 1: {
      const opset = pick(rng, [1, 11, 13, 21]);
      const out = [...shape.slice(0, axis), 1, ...shape.slice(axis)];
      const want = { shape: out, data: Float64Array.from(x.data) };
      return node('Unsqueeze', opset, 13, 'axes', [axis], want);
    }
    case 2: {
      const opset = pick(rng, [1, 2, 11, 13, 18]);
      const pads = Array.from({ length: 6 }, () => rng.int(3));
      const value = fround(rng.uniform());
      const want = made(
        shape.map((d, k) => d + pads[k] + pads[k + 3]),
        (i) => {
          const at = i.map((v, k) => v - pads[k]);
          return at.every((v, k) => v >= 0 && v < shape[k]) ? x.data[place(shape, at)] : value;
        },
      );
      if (opset < 11) return node('Pad', opset, 11, opset < 2 ? 'paddings' : 'pads', pads, want, { value });
      const scalar: OnnxTensor = { dtype: 'f32', shape: [], data: [value] };
      return { op: 'Pad', opset, inputs: [x, list(pads), scalar], attributes: {}, want };
    }
    case 3: {
      const opset = pick(rng, [1, 5, 6, 13]);
      const times = whole(rng, 1, 3);
      const repeats = shape.map((_, k) => (k === axis ? times : 1));
      const out = shape.map((d, k) => d * repeats[k]);
      const want = made(
        out,
        (i) =>
          x.data[
            place(
              shape,
              i.map((v, k) => v % shape[k]),
            )
          ],
      );
      const scalar = (v: number): OnnxTensor => ({ dtype: 'f32', shape: [], data: [v] });
      const inputs = opset < 6 ? [x, scalar(times), scalar(axis)] : [x, list(repeats)];
      return { op: 'Tile', opset, inputs, attributes: {}, want };
    }
    default: {
      const opset = pick(rng, [1, 3, 4, 11, 13]);
      const along = opset < 4 && rng.bernoulli(0.5) ? 1 : axis;
      const out = shape.map((d, k) => (k === along ? 2 * d : d));
      const want = made(
        out,
        (i) =>
          x.data[
            place(
              shape,
              i.map((v, k) => (k === along ? v % shape[k] : v)),
            )
          ],
      );
      const attributes: Setting = along === axis && !(opset < 4 && axis === 1) ? { axis } : {};
      return { op: 'Concat', opset, inputs: [x, x], attributes, want };
    }
  }
}

/** PRelu, whose slope was for channels, and batch statistics, which are stored by default. */
function channels(rng: Rng): Drawn {
  const shape = sizes(rng, 4);
  const x = reals(rng, shape);
  const each = (low: number): OnnxTensor => reals(rng, [shape[1]], low, low + 1);
  if (rng.bernoulli(0.5)) {
    const opset = pick(rng, [1, 6, 7, 9, 16]);
    const slope = each(0.5);
    const shaped = opset < 7 ? slope : { ...slope, shape: [shape[1], 1, 1] };
    const want = made(shape, (i) => {
      const v = x.data[place(shape, i)];
      return v < 0 ? v * slope.data[i[1]] : v;
    });
    return { op: 'PRelu', opset, inputs: [x, shaped], attributes: {}, want };
  }
  const opset = pick(rng, [1, 6, 7, 9, 14, 15]);
  const [gamma, beta, mean, variance] = [each(0.5), each(-1), each(0), each(0.5)];
  const want = made(shape, (i) => {
    const unit = (x.data[place(shape, i)] - mean.data[i[1]]) / Math.sqrt(variance.data[i[1]] + 1e-5);
    return unit * gamma.data[i[1]] + beta.data[i[1]];
  });
  const attributes: Setting = opset < 7 ? { is_test: 1 } : {};
  return { op: 'BatchNormalization', opset, inputs: [x, gamma, beta, mean, variance], attributes, want };
}

/** Draws a case. Inputs are declared with shapes, some sizes by name, or not at all; a few are declared wrongly. */
export function drawVersion(rng: Rng): VersionCase {
  const { op, opset, inputs, attributes, want } = pick(rng, [binary, soft, nearest, moved, channels])(rng);
  const names = inputs.map((_, i) => `x${i}`);
  const wrong = rng.bernoulli(0.1) ? rng.int(inputs.length) : -1;
  const declared = inputs.map(({ shape }, i): OnnxDimension[] | undefined => {
    if (i === wrong && (shape.length === 0 || rng.bernoulli(0.5))) return [...shape, 1];
    if (i === wrong) return [shape[0] + 1, ...shape.slice(1)];
    if (rng.bernoulli(0.3)) return undefined;
    return shape.map((d) => pick(rng, [d, d, `size${d}`, null]));
  });
  const bytes = onnxFile({
    opset,
    nodes: [{ op, inputs: names, outputs: ['y'], attributes }],
    inputs: inputs.map(({ dtype }, i) => ({ name: names[i], dtype, ...(declared[i] && { shape: declared[i] }) })),
    outputs: ['y'],
  });
  const shapes = inputs.map((t) => `[${t.shape}]`).join(' ');
  return {
    what: `${op} of opset ${opset} ${JSON.stringify(attributes)} of ${shapes}`,
    bytes,
    inputs: Object.fromEntries(names.map((n, i) => [n, inputs[i]])),
    want: wrong < 0 ? want : null,
  };
}
