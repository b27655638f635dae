// Counter-based random numbers on the host: Philox4x32-10 (Salmon et al., SC 2011), the same generator as
// shaders/engine/random.wgsl.
// A draw depends on (seed, stream, step, index) alone, so that a resumed run draws what an unbroken one would.

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/**
 * High 32 bits of the unsigned product of two 32-bit integers, as a signed one; in integers alone: with doubles in
 * between Philox took two to four times as long.
 */
function mulhi(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const mid1 = Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16);
  const mid2 = Math.imul(a0, b1) + (mid1 & 0xffff);
  return (Math.imul(a1, b1) + (mid1 >>> 16) + (mid2 >>> 16)) | 0;
}

/** Ten rounds of Philox4x32 on `counter` with `key`; four 32-bit words. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let r = 0; r < 10; r++) {
    const h0 = mulhi(M0, c0);
    const h1 = mulhi(M1, c2);
    const l0 = Math.imul(M0, c0);
    c0 = h1 ^ c1 ^ k0;
    c1 = Math.imul(M1, c2);
    c2 = h0 ^ c3 ^ k1;
    c3 = l0;
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/**
 * A stream of draws for one (seed, stream, step). Cheap to make: make one wherever a draw is needed.
 * @example const rng = new Rng(42, 0); const angle = rng.uniform(-10, 10);
 */
export class Rng {
  readonly #key: [number, number];
  readonly #step: number;
  #index = 0;
  #words: [number, number, number, number] = [0, 0, 0, 0];
  #left = 0;

  /**
   * Numbers from 0 to 2^32 - 1 each.
   * @param stream tells draws apart that must not be alike
   * @param step number of the training step
   */
  constructor(seed: number, stream: number, step = 0) {
    this.#key = [seed >>> 0, stream >>> 0];
    this.#step = step >>> 0;
  }

  /** The next 32 random bits. */
  u32(): number {
    if (this.#left === 0) {
      this.#words = philox([this.#index++, this.#step, 0, 0], this.#key);
      this.#left = 4;
    }
    return this.#words[4 - this.#left--];
  }

  /** Uniform in [a, b), 24 bits of resolution like the GPU's. */
  uniform(a = 0, b = 1): number {
    return a + (b - a) * ((this.u32() >>> 8) / 16777216);
  }

  /** Uniform integer in 0 … n-1. */
  int(n: number): number {
    return Math.min(n - 1, Math.floor((this.u32() / 4294967296) * n));
  }

  /** True with probability p. */
  bernoulli(p: number): boolean {
    return this.uniform() < p;
  }

  /** Standard normal (Box-Muller, one value a call). */
  normal(): number {
    const u = 1 - this.uniform();
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** One of the items, each as likely as the others. */
  choice<T>(items: readonly T[]): T {
    return items[this.int(items.length)];
  }

  /** Fisher-Yates; returns a new array. */
  shuffle<T>(items: readonly T[]): T[] {
    const out = items.slice();
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }
}
