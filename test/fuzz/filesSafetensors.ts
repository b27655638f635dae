// Malformed safetensors files: seeds, mutations that know the format, and a reader of its own that says what a loaded
// file must hold.

import { halfToFloat } from '../../runtime/half.ts';
import { encodeSafetensors, type FileTensor, type SafetensorsFile } from '../../runtime/io/safetensors.ts';
import type { Rng } from '../../runtime/random.ts';
import { damaged, HARD, joined, noise, pick, type Mutation } from './filesBytes.ts';

interface Described {
  dtype: unknown;
  shape: unknown;
  data_offsets: unknown;
}
type Header = Record<string, unknown>;

const WIDTH: Record<string, number> = { F64: 8, I64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, U8: 1, BOOL: 1 };
const utf8 = new TextEncoder();

const framed = (header: ArrayLike<number>, data: ArrayLike<number>, length = BigInt(header.length)): Uint8Array => {
  const size = new DataView(new ArrayBuffer(8));
  size.setBigUint64(0, BigInt.asUintN(64, length), true);
  return joined(new Uint8Array(size.buffer), header, data);
};

/** A file as the engine writes them, or one of all dtypes that it reads. */
export function seedFile(rng: Rng): Uint8Array {
  if (rng.int(2) === 0) {
    const make = (n: number): FileTensor['data'] =>
      pick(rng, [
        () => Float32Array.from({ length: n }, () => rng.normal()),
        () => Int32Array.from({ length: n }, () => rng.int(100) - 50),
        () => noise(rng, n),
      ])();
    const entries = Array.from({ length: rng.int(5) }, (_, i): [string, FileTensor] => {
      const shape = Array.from({ length: rng.int(4) }, () => rng.int(4));
      return [
        pick(rng, [`layer.${i}.weight`, `ü${i}`, `a "quoted" ${i}`, `__proto__${i}`]),
        { shape, data: make(shape.reduce((a, b) => a * b, 1)) },
      ];
    });
    return encodeSafetensors(new Map(entries), rng.int(2) ? { format: 'pt', note: 'ä"\\' } : {});
  }
  const header: Header = {};
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const dtype of Object.keys(WIDTH)) {
    const shape = Array.from({ length: rng.int(3) }, () => 1 + rng.int(3));
    const n = WIDTH[dtype] * shape.reduce((a, b) => a * b, 1);
    const raw = noise(rng, n);
    if (dtype === 'BOOL') raw.forEach((v, i) => (raw[i] = v & 1));
    if (dtype === 'I64') raw.forEach((_, i) => (raw[i] = i % 8 < 3 ? raw[i] : 0));
    header[`t.${dtype}`] = { dtype, shape, data_offsets: [at, at + n] };
    parts.push(raw);
    at += n;
  }
  return framed(utf8.encode(JSON.stringify(header)), joined(...parts));
}

/** Any JSON value that is not what belongs there. */
const oddity = (rng: Rng): unknown =>
  pick(rng, [
    null,
    true,
    -1,
    0.5,
    1e300,
    -0,
    '',
    'F32',
    '4',
    [],
    {},
    [[1]],
    [null],
    ['F32'],
    [-1],
    [1.5],
    [2 ** 53],
    Number(pick(rng, HARD)),
    Array(2000).fill(1),
    Array(40).fill(2 ** 31),
    'constructor',
    '__proto__',
  ]);

/** A change of one thing that the header says. */
function lied(rng: Rng, header: Header): string {
  const names = Object.keys(header).filter((n) => n !== '__metadata__');
  if (names.length === 0)
    return ((header[pick(rng, ['x', '__metadata__', '__proto__x'])] = oddity(rng)), 'an odd entry');
  const name = pick(rng, names);
  const t = header[name] as Described;
  const offsets = [...(t.data_offsets as number[])];
  const shape = [...(t.shape as number[])];
  switch (rng.int(9)) {
    case 0:
      return (
        (t.dtype = pick(rng, [...Object.keys(WIDTH), 'F8_E4M3', 'I8', 'U64', 'f32', oddity(rng)])),
        `dtype of ${name}`
      );
    case 1:
      return ((t.shape = oddity(rng)), `shape of ${name}`);
    case 2: {
      shape[rng.int(Math.max(1, shape.length))] = pick(rng, [
        -1,
        0,
        0.5,
        2 ** 31,
        2 ** 32,
        2 ** 53 - 1,
        1e308,
        Number(pick(rng, HARD)),
      ]);
      return ((t.shape = shape), `a dimension of ${name}`);
    }
    case 3:
      return ((t.data_offsets = oddity(rng)), `offsets of ${name}`);
    case 4: {
      offsets[rng.int(2)] += pick(rng, [-8, -4, -1, 1, 4, 8, 2 ** 31, 2 ** 32, -(2 ** 53), 2 ** 53]);
      return ((t.data_offsets = offsets), `an offset of ${name}`);
    }
    case 5:
      return (
        (t.data_offsets = [...((header[pick(rng, names)] as Described).data_offsets as number[])]),
        `${name} in another's place`
      );
    case 6:
      return (
        delete (t as Partial<Described>)[pick(rng, ['dtype', 'shape', 'data_offsets'] as const)],
        `a key of ${name} left out`
      );
    case 7:
      return (delete header[name], `${name} left out`);
    default:
      return ((header[pick(rng, ['__metadata__', name, 'new'])] = oddity(rng)), 'an odd entry');
  }
}

/** The header without its padding. */
const headerOf = (seed: Uint8Array): { text: string; data: Uint8Array } => {
  const n = Number(new DataView(seed.buffer, seed.byteOffset).getBigUint64(0, true));
  return { text: new TextDecoder().decode(seed.subarray(8, 8 + n)).trimEnd(), data: seed.subarray(8 + n) };
};

export function mutateSafetensors(rng: Rng, seed: Uint8Array): Mutation {
  const { text, data } = headerOf(seed);
  const plain = utf8.encode(text);
  switch (rng.int(14)) {
    case 0: {
      const length = pick(rng, [
        ...HARD,
        BigInt(seed.length),
        BigInt(seed.length - 8),
        BigInt(plain.length + 1),
        BigInt(plain.length - 1),
        100n << 20n,
      ]);
      return { what: `a header of ${length} bytes, it says`, bytes: framed(plain, data, length), expect: 'either' };
    }
    case 1:
    case 2:
    case 3:
    case 4: {
      const header = JSON.parse(text) as Header;
      const what = lied(rng, header);
      return { what, bytes: framed(utf8.encode(JSON.stringify(header)), data), expect: 'either' };
    }
    case 5: {
      const first = /"(?:[^"\\]|\\.)*":\{/.exec(text)?.[0];
      const doubled = first
        ? `{${text.slice(text.indexOf(first), text.indexOf('}', text.indexOf(first)) + 1)},${text.slice(1)}`
        : '{"a":1,"a":1}';
      return { what: 'a name twice', bytes: framed(utf8.encode(doubled), data), expect: 'refused' };
    }
    case 6: {
      const deep = 10 ** (1 + rng.int(5));
      const nested = pick(rng, [
        '['.repeat(deep),
        `{"a":${'['.repeat(deep)}${']'.repeat(deep)}}`,
        `${'{"a":'.repeat(deep)}1${'}'.repeat(deep)}`,
      ]);
      return { what: `nested ${deep} deep`, bytes: framed(utf8.encode(nested), data), expect: 'refused' };
    }
    case 7: {
      const at = rng.int(plain.length);
      return {
        what: `no UTF-8 at ${at}`,
        bytes: framed(joined(plain.subarray(0, at), [pick(rng, [0x80, 0xc0, 0xff, 0xf5])], plain.subarray(at)), data),
        expect: 'refused',
      };
    }
    case 8:
      return {
        what: 'a mark of byte order',
        bytes: framed(joined([0xef, 0xbb, 0xbf], plain), data),
        expect: 'refused',
      };
    case 9:
      return {
        what: 'bytes after the end',
        bytes: framed(plain, joined(data, noise(rng, 1 + rng.int(9)))),
        expect: 'refused',
      };
    case 10:
      return {
        what: 'padding',
        bytes: framed(joined(plain, new Uint8Array(rng.int(100)).fill(32)), data),
        expect: 'same',
      };
    case 11: {
      const entries = Object.entries(JSON.parse(text) as Header).reverse();
      return {
        what: 'names in another order',
        bytes: framed(utf8.encode(JSON.stringify(Object.fromEntries(entries))), data),
        expect: 'same',
      };
    }
    default:
      return damaged(rng, seed);
  }
}

/** The bytes of a tensor as numbers, each by itself. */
function numbers(dtype: string, raw: Uint8Array): number[] {
  const v = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const w = WIDTH[dtype];
  const at: Record<string, (i: number) => number> = {
    F64: (i) => Math.fround(v.getFloat64(i, true)),
    I64: (i) => Number(v.getBigInt64(i, true)),
    F32: (i) => v.getFloat32(i, true),
    I32: (i) => v.getInt32(i, true),
    U32: (i) => v.getUint32(i, true),
    F16: (i) => halfToFloat(Uint16Array.of(v.getUint16(i, true)))[0],
    U8: (i) => v.getUint8(i),
    BOOL: (i) => Number(v.getUint8(i) !== 0),
    BF16: (i) => {
      const wide = new DataView(new ArrayBuffer(4));
      wide.setUint32(0, v.getUint16(i, true) * 65536);
      return wide.getFloat32(0);
    },
  };
  return Array.from({ length: raw.length / w }, (_, i) => at[dtype](i * w));
}

/** What is wrong with a file that was loaded from these bytes; null where it holds what they say. */
export function wrongSafetensors(bytes: Uint8Array, file: SafetensorsFile): string | null {
  const { data } = headerOf(bytes);
  const n = bytes.length - data.length - 8;
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + n))) as Header;
  const names = Object.keys(header).filter((k) => k !== '__metadata__');
  if (names.length !== file.tensors.size) return `${file.tensors.size} tensors of ${names.length}`;
  if (JSON.stringify(header.__metadata__ ?? {}) !== JSON.stringify(file.metadata)) return 'other metadata';
  let reached = 0;
  for (const name of names) {
    const {
      dtype,
      shape,
      data_offsets: [begin, end],
    } = header[name] as { dtype: string; shape: number[]; data_offsets: [number, number] };
    const t = file.tensors.get(name);
    if (!t || !Object.hasOwn(WIDTH, dtype)) return `${name} is missing, or of no dtype`;
    if (
      JSON.stringify(t.shape) !== JSON.stringify(shape.map((d) => d || 0)) ||
      t.data.length !== shape.reduce((a, b) => a * b, 1)
    )
      return `${name} has another shape`;
    const want = numbers(dtype, data.subarray(begin, end));
    if (
      t.data.length !== want.length ||
      !want.every((v, i) => Object.is(v, t.data[i]) || (v !== v && t.data[i] !== t.data[i]))
    )
      return `${name} has other elements`;
    reached += end - begin;
  }
  return reached === data.length ? null : 'its tensors do not fill it';
}
