// Special values: NaN, infinities, zeros of both signs and denormals among ordinary ones, held against the float64
// reference.
//
// A reference in JavaScript keeps NaN and infinities as IEEE 754 and PyTorch do. An adapter may flush denormals to
// zero, so an element is right when it is what the reference gives for the operands as they are, or with the denormals
// of all or of one operand flushed.

import { type DType } from '../../runtime/tensor.ts';
import { Rng } from '../../runtime/random.ts';
import type { F64 } from '../support/op.ts';
import { bounds, mismatch, type Got } from './bounds.ts';
import { dtypeOf, listed, Reject, rounded, Source, type Call, type Entry, type Value } from './call.ts';
import { drawStep, evaluate, type Program } from './program.ts';

/** The least normal magnitude of a dtype. */
const leastNormal = (dtype: DType): number => (dtype === 'f16' ? 2 ** -14 : 2 ** -126);

/** v with some elements replaced by special values; all kinds, or one kind, so that not every call is of NaN. */
function salted(v: Value, rng: Rng): Value {
  const specials = v.specials ?? [];
  const n = v.data.length;
  if (specials.length === 0 || n === 0) return v;
  const kinds = rng.bernoulli(0.5) ? [rng.choice(specials)] : specials;
  const data = Float64Array.from(v.data);
  const count = rng.bernoulli(0.5) ? 1 : Math.max(1, Math.round(n * rng.uniform(0.02, 0.4)));
  for (let i = 0; i < count; i++) {
    const special = rng.choice(kinds);
    const denormal = special !== 0 && Math.abs(special) < 2 ** -126;
    data[rng.int(n)] = denormal && v.dtype === 'f16' ? Math.sign(special) * 2 ** -18 : special;
  }
  return { ...v, data: rounded(v.dtype, data) };
}

/** One call of an operation with special values in its operands; null where it has none that may hold them. */
export function drawSpecial(operation: Entry, seed: number): Program | null {
  if (operation.specials) return null;
  for (let attempt = 0; attempt < 400; attempt++) {
    const own = (seed + attempt * 1000003) >>> 0;
    const rng = new Rng(own, 45);
    const step = attempted(() => drawStep(operation, new Source(own), true));
    if (!step) continue;
    const able = step.call.inputs.flatMap((v, i) => (v.specials?.length && v.data.length > 0 ? [i] : []));
    if (able.length === 0) continue;
    const sure = rng.choice(able);
    const inputs = step.call.inputs.map((v, i) => (i === sure || rng.bernoulli(0.4) ? salted(v, rng) : v));
    const call = { ...step.call, inputs };
    const outputs = evaluate(call, inputs).map((y, k): Value => ({ ...y, dtype: dtypeOf(call, k), data: y.data }));
    return { seed, steps: [{ name: step.name, call, outputs }], smooth: false, specials: true };
  }
  return null;
}

/** What `make` gives, or null where it rejects its operands. */
export function attempted<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof Reject)) throw error;
    return null;
  }
}

const flushed = (v: Value): Value => {
  const least = leastNormal(v.dtype);
  return { ...v, data: v.data.map((e) => (Math.abs(e) < least ? 0 * e : e)) };
};

/** The operands as they are, and with denormals flushed: in all of them, and in one alone. */
function readings(inputs: readonly Value[]): (readonly Value[])[] {
  const float = (v: Value): boolean => v.dtype === 'f32' || v.dtype === 'f16';
  const denormal = (v: Value): boolean => v.data.some((e) => e !== 0 && Math.abs(e) < leastNormal(v.dtype));
  const tiny = inputs.flatMap((v, i) => (float(v) && denormal(v) ? [i] : []));
  if (tiny.length === 0) return [inputs];
  const all = inputs.map((v, i) => (tiny.includes(i) ? flushed(v) : v));
  const alone = tiny.length > 1 ? tiny.map((k) => inputs.map((v, i) => (i === k ? flushed(v) : v))) : [];
  return [inputs, all, ...alone];
}

/** What a dtype holds of a result: too large becomes infinite. */
function held(dtype: DType, y: F64): F64 {
  const most = dtype === 'f16' ? 65520 : dtype === 'f32' ? 2 ** 128 - 2 ** 103 : Infinity;
  return { shape: y.shape, data: y.data.map((v) => (Math.abs(v) < most ? v : v * Infinity)) };
}

/** For each output what is wrong with it, or null. @param c the call with the operands that the engine had */
export function specialMismatch(c: Call, got: readonly Got[], seed: number): (string | null)[] {
  const variants = readings(c.inputs.map((v) => v)).map((inputs) => {
    const own = { ...c, inputs };
    const want = listed(own.reference(...inputs));
    return { want: want.map((y, k) => held(dtypeOf(c, k), y)), bound: bounds(own, want, seed) };
  });
  return got.map((g, k) => {
    const first = mismatch(g.data, variants[0].want[k], variants[0].bound[k], g.shape);
    if (!first || g.data.length !== variants[0].want[k].data.length) return first;
    const dtype = dtypeOf(c, k);
    const float = dtype === 'f32' || dtype === 'f16';
    for (let i = 0; i < g.data.length; i++) {
      const right = variants.some(({ want, bound }) => {
        const w = want[k].data[i];
        // A denormal result may be flushed as well.
        if (float && Math.abs(w) < leastNormal(dtype) && g.data[i] === 0) return true;
        const one = { shape: [1], data: Float64Array.of(w) };
        return mismatch([g.data[i]], one, Float64Array.of(bound[k][i]), [1]) === null;
      });
      const bound = variants[0].bound[k][i];
      const wanted = variants.map((v) => v.want[k].data[i]).join(' or ');
      if (!right) return `[${i}] is ${g.data[i]}, expected ${wanted} (to ${bound})`;
    }
    return null;
  });
}
