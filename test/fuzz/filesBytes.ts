// Mutations of bytes that know nothing of a format, and the draws that the others share.

import type { Rng } from '../../runtime/random.ts';

/** A file after a mutation, with what the mutation was and, where that is known, what must come of it. */
export interface Mutation {
  what: string;
  bytes: Uint8Array;
  /** `same`: it says what the seed said. `refused`: a typed error. `either`: it is loaded right or refused. */
  expect: 'same' | 'refused' | 'either';
}

export const pick = <T>(rng: Rng, list: readonly T[]): T => list[rng.int(list.length)];

export const joined = (...parts: readonly ArrayLike<number>[]): Uint8Array => {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
};

export const noise = (rng: Rng, n: number): Uint8Array => Uint8Array.from({ length: n }, () => rng.int(256));

/** Numbers at which readers go wrong. */
export const HARD = [
  0n,
  1n,
  127n,
  128n,
  255n,
  2n ** 15n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
] as const;

/** Damage of the kinds that disks, networks and hands do. */
export function damaged(rng: Rng, seed: Uint8Array): Mutation {
  const bytes = seed.slice();
  const n = bytes.length;
  const at = rng.int(n);
  const length = 1 + rng.int(Math.min(32, n - at));
  const part = bytes.subarray(at, at + length);
  switch (rng.int(9)) {
    case 0:
      return { what: `cut at ${at}`, bytes: bytes.slice(0, at), expect: 'either' };
    case 1: {
      for (let k = rng.int(4); k >= 0; k--)
        bytes[rng.int(n)] = pick(rng, [0, 1, 7, 8, 34, 44, 91, 92, 123, 125, 127, 128, 192, 255]);
      return { what: 'bytes changed', bytes, expect: 'either' };
    }
    case 2: {
      bytes[at] ^= 1 << rng.int(8);
      return { what: `bit of byte ${at} flipped`, bytes, expect: 'either' };
    }
    case 3:
      return {
        what: `${length} bytes at ${at} left out`,
        bytes: joined(bytes.subarray(0, at), bytes.subarray(at + length)),
        expect: 'either',
      };
    case 4:
      return {
        what: `${length} bytes at ${at} doubled`,
        bytes: joined(bytes.subarray(0, at + length), bytes.subarray(at)),
        expect: 'either',
      };
    case 5:
      return {
        what: `noise at ${at}`,
        bytes: joined(bytes.subarray(0, at), noise(rng, length), bytes.subarray(at)),
        expect: 'either',
      };
    case 6: {
      const to = rng.int(n - length + 1);
      bytes.copyWithin(to, at, at + length);
      return { what: `${length} bytes at ${at} written over ${to}`, bytes, expect: 'either' };
    }
    case 7: {
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, pick(rng, HARD), true);
      part.set(new Uint8Array(view.buffer).subarray(0, Math.min(8, length)));
      return { what: `a hard number at ${at}`, bytes, expect: 'either' };
    }
    default:
      return { what: `${length} bytes of noise`, bytes: noise(rng, length), expect: 'either' };
  }
}
