// Derivatives of a float64 function along a direction by finite differences, with how far they may be off.

/**
 * The terms of a sum at a distance along the direction; with a noise, with its operands and intermediates slightly off.
 */
export type Scalar = (distance: number, noise?: number) => readonly number[];

const NOISES = 4;

/** Term by term: what is left of a large term after a subtraction is exact where the sum would lose it. */
function central(f: Scalar, h: number, noise?: number): { value: number; size: number } {
  const [a, b, c, d] = [f(h, noise), f(-h, noise), f(2 * h, noise), f(-2 * h, noise)];
  let value = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    value += (8 * (a[i] - b[i]) - (c[i] - d[i])) / (12 * h);
    size += Math.abs(a[i]);
  }
  return { value, size };
}

/**
 * The first derivative, of fourth order in h.
 * @returns value; error, what the differences themselves may be off by; swing, how much the derivative moves when all
 *   is off by 2^-20 or so
 */
export function derivative(f: Scalar, h: number, seed: number): { value: number; error: number; swing: number } {
  const coarse = central(f, h);
  const fine = central(f, h / 2);
  let squares = 0;
  for (let k = 1; k <= NOISES; k++) squares += (central(f, h / 2, (seed * 16 + k) >>> 0).value - fine.value) ** 2;
  return {
    value: fine.value,
    error: Math.abs(coarse.value - fine.value) + (2 ** -50 * fine.size) / h,
    swing: Math.sqrt(squares / NOISES),
  };
}

/** The second derivative, of fourth order in h, and the same beside it. */
export function secondDerivative(f: Scalar, h: number, seed: number): { value: number; error: number; swing: number } {
  const at = (step: number, noise?: number): { value: number; size: number } => {
    const [z, a, b, c, d] = [0, step, -step, 2 * step, -2 * step].map((t) => f(t, noise));
    let value = 0;
    let size = 0;
    for (let i = 0; i < z.length; i++) {
      value += (16 * (a[i] - z[i] - (z[i] - b[i])) - (c[i] - z[i] - (z[i] - d[i]))) / (12 * step * step);
      size += Math.abs(z[i]);
    }
    return { value, size };
  };
  const coarse = at(h);
  const fine = at(h / 2);
  let squares = 0;
  for (let k = 1; k <= NOISES; k++) squares += (at(h / 2, (seed * 16 + k) >>> 0).value - fine.value) ** 2;
  return {
    value: fine.value,
    error: Math.abs(coarse.value - fine.value) + (2 ** -49 * fine.size) / (h * h),
    swing: Math.sqrt(squares / NOISES),
  };
}
