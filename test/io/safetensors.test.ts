// The safetensors format: what is written is read back, and nothing that is damaged gets through.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointError, errorText } from '../../runtime/errors.ts';
import { decodeSafetensors, encodeSafetensors, type FileTensor } from '../../runtime/io/safetensors.ts';
import { Rng } from '../../runtime/random.ts';

const tensors = new Map<string, FileTensor>([
  ['labels', { shape: [3], data: Uint8Array.of(1, 2, 255) }],
  ['w', { shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 1e-30, 0, 7) }],
  ['none', { shape: [0, 4], data: new Float32Array(0) }],
  ['scalar', { shape: [], data: Int32Array.of(-5) }],
]);

test('a file is read back as it was written', () => {
  const bytes = encodeSafetensors(tensors, { made: 'by a test' });
  const file = decodeSafetensors(bytes);
  assert.equal(file.metadata, { made: 'by a test' });
  assert.is(file.tensors.size, 4);
  for (const [name, t] of tensors) assert.equal(file.tensors.get(name), t, name);
  assert.is(new DataView(bytes.buffer).getUint32(0, true) % 8, 0);
});

test('half floats, bfloat16 and 64-bit integers are read', () => {
  const build = (dtype: string, raw: Uint8Array): Uint8Array => {
    const header = new TextEncoder().encode(
      JSON.stringify({ t: { dtype, shape: [2], data_offsets: [0, raw.length] } }),
    );
    const bytes = new Uint8Array(8 + header.length + raw.length);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
    bytes.set(header, 8);
    bytes.set(raw, 8 + header.length);
    return bytes;
  };
  const read = (dtype: string, raw: ArrayBufferView): number[] => [
    ...decodeSafetensors(build(dtype, new Uint8Array(raw.buffer))).tensors.get('t')!.data,
  ];
  assert.equal(read('F16', Uint16Array.of(0x3c00, 0xc500)), [1, -5]);
  assert.equal(read('BF16', Uint16Array.of(0x3f80, 0xc0a0)), [1, -5]);
  assert.equal(read('I64', BigInt64Array.of(7n, -3n)), [7, -3]);
  assert.equal(read('F64', Float64Array.of(0.5, -2)), [0.5, -2]);
});

test('damaged files are refused with a typed error, never partly read', () => {
  const good = encodeSafetensors(tensors, { a: 'b' });
  for (const n of [0, 5, 8, 40, good.length - 1])
    assert.throws(
      () => decodeSafetensors(good.slice(0, n)),
      (e: unknown) => e instanceof CheckpointError,
      `cut at ${n}`,
    );
  assert.throws(
    () => decodeSafetensors(new Uint8Array([...good, 0])),
    (e: unknown) => e instanceof CheckpointError,
    'a byte too many',
  );
  let refused = 0;
  const rng = new Rng(5, 1);
  for (let i = 0; i < 2000; i++) {
    const bytes = good.slice();
    for (let k = 0; k <= rng.int(4); k++) bytes[rng.int(bytes.length)] = rng.int(256);
    try {
      decodeSafetensors(bytes);
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      refused++;
    }
  }
  assert.ok(refused > 1000, `${refused} of 2000 mutations were refused`);
  const huge = good.slice();
  new DataView(huge.buffer).setBigUint64(0, 1n << 60n, true);
  assert.throws(() => decodeSafetensors(huge), /header/);
});

/** A file with this header over `bytes` bytes of data. */
function headed(header: string, bytes: number): Uint8Array {
  const text = new TextEncoder().encode(header);
  const all = new Uint8Array(8 + text.length + bytes);
  new DataView(all.buffer).setBigUint64(0, BigInt(text.length), true);
  all.set(text, 8);
  return all;
}

test('a header that says two things, or something else, is refused', () => {
  const t = (name: string, rest = '"dtype":"F32","shape":[1],"data_offsets":[0,4]'): string => `"${name}":{${rest}}`;
  const refused = (header: string, bytes: number, what: RegExp): void =>
    assert.throws(
      () => decodeSafetensors(headed(header, bytes)),
      (e: unknown) => e instanceof CheckpointError && what.test(errorText(e)),
    );
  assert.is(decodeSafetensors(headed(`{${t('a')}}`, 4)).tensors.size, 1);
  refused(`{${t('a')},${t('\\u0061')}}`, 4, /names a twice/);
  refused(`{${t('a', '"dtype":"F32","shape":[2],"shape":[1],"data_offsets":[0,4]')}}`, 4, /names shape twice/);
  refused(`{${t('a', '"dtype":["F32"],"shape":[1],"data_offsets":[0,4]')}}`, 4, /as \["F32"\], which is not supported/);
  refused(`\ufeff{${t('a')}}`, 4, /not JSON/);
  refused('{"__metadata__":{"epoch":3}}', 0, /metadata/);
});

test('overlapping ranges are refused before anything is copied', () => {
  const many = Array.from(
    { length: 20000 },
    (_, i) => `"t${i}":{"dtype":"U8","shape":[4000000],"data_offsets":[0,4000000]}`,
  );
  const file = headed(`{${many.join(',')}}`, 4000000);
  const before = process.memoryUsage().arrayBuffers;
  assert.throws(() => decodeSafetensors(file), /overlap/);
  assert.ok(process.memoryUsage().arrayBuffers - before < 100 << 20);
});

test('whole numbers that 32 bits do not hold are refused, any byte but 0 is true', () => {
  const file = headed(
    '{"a":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},"b":{"dtype":"BOOL","shape":[2],"data_offsets":[16,18]}}',
    18,
  );
  file[file.length - 1] = 7;
  file.fill(255, file.length - 18, file.length - 10);
  const { tensors: read } = decodeSafetensors(file);
  assert.equal(
    [[...read.get('a')!.data], [...read.get('b')!.data]],
    [
      [-1, 0],
      [0, 1],
    ],
  );
  file[file.length - 11] = 0;
  assert.throws(
    () => decodeSafetensors(file),
    (e: unknown) => e instanceof CheckpointError && /more than 32 bits/.test(errorText(e)),
  );
});

test('names and metadata that JavaScript gives a meaning', () => {
  const one = (name: string): Map<string, FileTensor> => new Map([[name, { shape: [1], data: Float32Array.of(3) }]]);
  const file = decodeSafetensors(encodeSafetensors(one('__proto__'), Object.fromEntries([['__proto__', 'text']])));
  assert.equal(
    [[...file.tensors.get('__proto__')!.data], Object.entries(file.metadata)],
    [[3], [['__proto__', 'text']]],
  );
  assert.throws(
    () => encodeSafetensors(one('__metadata__')),
    (e: unknown) => e instanceof CheckpointError,
  );
});

test.run();
