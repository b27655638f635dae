// Einstein sums: permutations, diagonals, sums and contractions, the contractions by matmul.

import { args } from '../args.ts';
import { composed } from '../autograd/compose.ts';
import type { Op } from '../autograd/tape.ts';
import { ShapeError } from '../errors.ts';
import { checkReal, sizeOf, type Shape, type Tensor } from '../tensor.ts';
import { defineReal, inF32 } from './cast.ts';
import { matmul } from './matmul.ts';
import { reshape } from './reshape.ts';
import { sumTo } from './sumTo.ts';

/** The array with axes `size` lies in the one of shape `whole` with these strides. */
interface Arrangement {
  size: Shape;
  strides: readonly number[];
  whole: Shape;
}

function arrange(entry: 'gather' | 'scatter', x: Tensor, a: Arrangement): Tensor {
  const y = x.device.empty(entry === 'gather' ? a.size : a.whole, 'f32', 'einsum');
  const n = sizeOf(a.size);
  if (y.size > n) x.device.clear(y);
  // Neighbouring axes that lie in a row are one axis.
  const axes: [number, number][] = [];
  a.size.forEach((d, i) => {
    const last = axes.at(-1);
    if (d === 1) return;
    if (last && last[1] === d * a.strides[i]) axes.splice(-1, 1, [last[0] * d, a.strides[i]]);
    else axes.push([d, a.strides[i]]);
  });
  while (axes.length < 8) axes.unshift([1, 0]);
  const sizes = axes.map(([d]) => d);
  const strides = axes.map(([, s]) => s);
  x.device.run({
    shader: 'einsum',
    entry,
    bindings: { x, y },
    params: {
      n,
      size_a: sizes.slice(0, 4),
      size_b: sizes.slice(4),
      stride_a: strides.slice(0, 4),
      stride_b: strides.slice(4),
    },
    threads: n,
  });
  return y;
}

// Each is the gradient of the other.
const gatherOp: Op<Arrangement, 'x'> = defineReal({
  name: 'einsum',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }, a) => arrange('gather', x, a),
  backward: { x: ({ dy, attrs }) => scatterOp({ x: dy }, attrs).y },
  twice: true,
});

const scatterOp: Op<Arrangement, 'x'> = defineReal({
  name: 'einsum gradient',
  inputs: ['x'],
  outputs: ['y'],
  forward: ({ x }, a) => arrange('scatter', x, a),
  backward: { x: ({ dy, attrs }) => gatherOp({ x: dy }, attrs).y },
  twice: true,
});

/** A tensor with a letter for each axis. */
interface Term {
  t: Tensor;
  labels: readonly string[];
}

const same = (a: readonly string[], b: readonly string[]): boolean => a.join() === b.join();
const sizesOf = ({ t, labels }: Term): Map<string, number> => new Map(labels.map((l, i) => [l, t.shape[i]]));

/** The term with its axes in another order; letters that occur twice are a diagonal. */
function ordered(x: Term, labels: readonly string[]): Term {
  if (same(x.labels, labels)) return x;
  const strides = new Map<string, number>();
  x.labels.forEach((l, i) => strides.set(l, (strides.get(l) ?? 0) + sizeOf(x.t.shape.slice(i + 1))));
  const sizes = sizesOf(x);
  const size = labels.map((l) => sizes.get(l)!);
  if (size.filter((d) => d !== 1).length > 8) throw new ShapeError('einsum', `[${x.t.shape}] has more than eight axes`);
  return { t: gatherOp({ x: x.t }, { size, strides: labels.map((l) => strides.get(l)!), whole: x.t.shape }).y, labels };
}

/** Sums over the letters that are not in `keep`. */
function summed(x: Term, keep: readonly string[]): Term {
  const lost = x.labels.filter((l) => !keep.includes(l));
  const kept = x.labels.filter((l) => keep.includes(l));
  if (!lost.length) return x;
  const { t } = ordered(x, [...lost, ...kept]);
  const n = sizeOf(t.shape.slice(0, lost.length));
  const shape = t.shape.slice(lost.length);
  return { t: reshape(sumTo(reshape(t, [n, sizeOf(shape)]), [1, sizeOf(shape)]), shape), labels: kept };
}

/** The product of two terms, summed over the letters that are not in `keep`. */
function product(a: Term, b: Term, keep: readonly string[]): Term {
  // A size of 1 stands for any: that axis is left away.
  const drop = (x: Term, other: Term): Term => {
    const sizes = sizesOf(other);
    const on = x.labels.map((l, i) => !(x.t.shape[i] === 1 && (sizes.get(l) ?? 1) !== 1));
    return on.every((v) => v)
      ? x
      : {
          t: reshape(
            x.t,
            x.t.shape.filter((_, i) => on[i]),
          ),
          labels: x.labels.filter((_, i) => on[i]),
        };
  };
  const left = summed(drop(a, b), [...keep, ...b.labels]);
  const right = summed(drop(b, a), [...keep, ...a.labels]);
  const both = left.labels.filter((l) => right.labels.includes(l));
  const batch = both.filter((l) => keep.includes(l));
  const inner = both.filter((l) => !keep.includes(l));
  const rows = left.labels.filter((l) => !both.includes(l));
  const columns = right.labels.filter((l) => !both.includes(l));
  // Either order of the last two groups will do: matmul takes them transposed.
  const fit = (x: Term, first: readonly string[], second: readonly string[]): { m: Tensor; transposed: boolean } => {
    const transposed = first.length > 0 && second.length > 0 && same(x.labels, [...batch, ...second, ...first]);
    const { t } = transposed ? x : ordered(x, [...batch, ...first, ...second]);
    const size = (l: readonly string[]): number => l.reduce((n, k) => n * sizesOf(x).get(k)!, 1);
    const sides = [size(first), size(second)];
    return { m: reshape(t, [size(batch), ...(transposed ? sides.reverse() : sides)]), transposed };
  };
  const l = fit(left, rows, inner);
  const r = fit(right, inner, columns);
  const labels = [...batch, ...rows, ...columns];
  const sizes = new Map([...sizesOf(left), ...sizesOf(right)]);
  const y = matmul(l.m, r.m, { transposeA: l.transposed, transposeB: r.transposed });
  return {
    t: reshape(
      y,
      labels.map((k) => sizes.get(k)!),
    ),
    labels,
  };
}

/** The letters of each operand and of the result; the axes of an ellipsis are numbered from the right. */
function parse(equation: string, xs: readonly Tensor[]): { terms: string[][]; result: string[] } {
  const refuse = (why: string): never => {
    throw new ShapeError(
      'einsum',
      `"${equation}" ${why}`,
      'write it as "bij,bjk->bik": one term for each operand, letters, at most one ... in a term',
    );
  };
  const [left, right, more] = equation.replaceAll(' ', '').split('->');
  if (more !== undefined) refuse('has two arrows');
  const written = left.split(',');
  if (written.length !== xs.length) refuse(`has ${written.length} terms for ${xs.length} operands`);
  if (![...written, right ?? ''].every((w) => /^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(w))) refuse('is not understood');
  let widest = 0;
  const terms = written.map((w, i) => {
    const [before, after] = w.split('...');
    const letters = before.length + (after?.length ?? 0);
    const free = xs[i].rank - letters;
    if (after === undefined ? free !== 0 : free < 0) refuse(`has ${letters} letters for [${xs[i].shape}]`);
    widest = Math.max(widest, free);
    return [...before, ...Array.from({ length: free }, (_, k) => String(free - k)), ...(after ?? '')];
  });
  const ellipsis = Array.from({ length: widest }, (_, k) => String(widest - k));
  const all = terms.flat();
  if (right === undefined)
    return {
      terms,
      result: [
        ...ellipsis,
        ...[...new Set(all)].filter((l) => /[A-Za-z]/.test(l) && all.indexOf(l) === all.lastIndexOf(l)).sort(),
      ],
    };
  const [before, after] = right.split('...');
  const result = [...before, ...(after === undefined ? [] : ellipsis), ...(after ?? '')];
  if (new Set(result).size !== result.length) refuse('has a letter twice in the result');
  for (const l of result) if (!all.includes(l)) refuse(`has ${l} in the result only`);
  return { terms, result };
}

/**
 * The sum of products that an equation says, as torch.einsum: letters name axes, letters that are not in the result are
 * summed over, a letter twice in one term takes the diagonal, `...` stands for the axes in front, between or behind,
 * which broadcast. Products of several are taken from left to right.
 * @param equation "bij,bjk->bik"; without an arrow the letters that occur once, in alphabetical order, are the result
 * @param xs f32 or f16, one for each term
 * @returns dtype of the operands, in the axes of the result
 * @throws ShapeError when the equation is not understood, or sizes of a letter differ (1 goes with any), or dtypes
 *   differ or are integers
 * @example const scores = einsum('nihd,njhd->nhij', q, k);
 * @example const oihw = einsum('hwio->oihw', w);
 */
export function einsum(equation: string, ...xs: readonly Tensor[]): Tensor {
  args('einsum equation:s ...xs:L', [equation, xs]);
  checkReal('einsum', Object.fromEntries(xs.map((x, i) => [`operand ${i}`, x])));
  const { terms, result } = parse(equation, xs);
  const sizes = new Map<string, number>();
  terms.forEach((labels, i) =>
    labels.forEach((l, k) => {
      const d = xs[i].shape[k];
      const known = sizes.get(l) ?? 1;
      if (labels.indexOf(l) !== k && d !== xs[i].shape[labels.indexOf(l)])
        throw new ShapeError('einsum', `"${equation}": the diagonal ${l} of [${xs[i].shape}] is not square`);
      if (d !== 1 && known !== 1 && d !== known)
        throw new ShapeError(
          'einsum',
          `"${equation}": ${l} is ${known} and ${d}`,
          'the sizes of a letter must be equal, or 1',
        );
      sizes.set(l, d === 1 ? known : d);
    }),
  );
  const { device } = xs[0];
  return inF32('einsum', xs, (...xs) =>
    composed(device, () => {
      const operands = xs.map((t, i): Term => ordered({ t, labels: terms[i] }, [...new Set(terms[i])]));
      let left = operands[0];
      for (let i = 1; i < operands.length; i++)
        left = product(left, operands[i], [...result, ...terms.slice(i + 1).flat()]);
      const { t } = ordered(summed(left, result), result);
      return t === xs[0] ? reshape(t, t.shape) : t;
    }),
  );
}
