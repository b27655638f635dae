// The safetensors format: eight bytes of header length, a JSON header, then the tensors' bytes. Everything is checked
// before anything is used.

import { CheckpointError } from '../errors.ts';
import { halfToFloat } from '../half.ts';
import { sizeOf, type Shape } from '../tensor.ts';

/** A tensor in a file. */
export interface FileTensor {
  /** Its shape. */
  shape: Shape;
  /** The elements, row-major; booleans as u8. */
  data: Float32Array | Int32Array | Uint32Array | Uint8Array;
}

/** What a safetensors file holds. */
export interface SafetensorsFile {
  /** The tensors by name. */
  tensors: Map<string, FileTensor>;
  /** The strings under `__metadata__`. */
  metadata: Record<string, string>;
}

const MOST_HEADER = 100 << 20;
const TYPES = { F32: Float32Array, I32: Int32Array, U32: Uint32Array, U8: Uint8Array } as const;
type FileType = keyof typeof TYPES;

const typeOf = (data: FileTensor['data']): FileType =>
  (Object.keys(TYPES) as FileType[]).find((k) => data instanceof TYPES[k])!;

/**
 * Writes a file of f32, i32, u32 and u8 tensors.
 * @throws CheckpointError when a tensor's elements do not make its shape, or it has the name of the metadata
 * @returns the bytes of the file
 * @example writeFileSync('net.safetensors', encodeSafetensors(await net.stateDict()));
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, FileTensor>,
  metadata: Record<string, string> = {},
): Uint8Array<ArrayBuffer> {
  const header: [string, unknown][] = Object.keys(metadata).length ? [['__metadata__', metadata]] : [];
  let offset = 0;
  // Wide elements first: every tensor then lies at a multiple of its element's size without padding.
  const entries = [...tensors].sort(([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  for (const [name, { shape, data }] of entries) {
    if (sizeOf(shape) !== data.length)
      throw new CheckpointError(`${name}: ${data.length} elements do not make [${shape}]`);
    if (name === '__metadata__')
      throw new CheckpointError(`a tensor cannot be called ${name}`, 'the format keeps that name for the metadata');
    header.push([name, { dtype: typeOf(data), shape, data_offsets: [offset, offset + data.byteLength] }]);
    offset += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.fill(32, 8, 8 + padded);
  bytes.set(text, 8);
  let at = 8 + padded;
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

/** A name that an object of this valid JSON holds twice: JSON.parse would keep the last and say nothing. */
function doubled(json: string): string | undefined {
  const open: Set<string>[] = [];
  let from = 0;
  let to = 0;
  for (let i = 0; i < json.length; i++) {
    const c = json[i];
    if (c === '{') open.push(new Set());
    else if (c === '}') open.pop();
    else if (c === ':') {
      const name = JSON.parse(json.slice(from, to)) as string;
      const seen = open.at(-1)!;
      if (seen.has(name)) return name;
      seen.add(name);
    } else if (c === '"') {
      for (from = i++; json[i] !== '"'; i++) if (json[i] === '\\') i++;
      to = i + 1;
    }
  }
  return undefined;
}

const WIDTH = new Map(Object.entries({ F64: 8, I64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, U8: 1, BOOL: 1 }));
const isSizes = (v: unknown): v is number[] => Array.isArray(v) && v.every((n) => Number.isSafeInteger(n) && n >= 0);
const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null && !Array.isArray(v);

/**
 * Reads a file of f32, f16, bf16, f64, i32, i64, u32, u8 and bool tensors; the wider and narrower floats become f32,
 * i64 becomes i32, bool u8 (0 or 1). All is checked against the bytes that are there before any element is copied: a
 * file takes at most twice its length beside itself.
 * @param name the file, for errors
 * @throws CheckpointError when the file is truncated, damaged, no safetensors file, or holds a tensor of another dtype
 *   or an i64 beyond 32 bits
 * @returns the tensors by name, and the metadata
 * @example const { tensors } = decodeSafetensors(readFileSync('net.safetensors'));
 */
export function decodeSafetensors(bytes: Uint8Array, name = 'the file'): SafetensorsFile {
  const bad = (what: string): never => {
    throw new CheckpointError(
      `${name} ${what.length > 400 ? `${what.slice(0, 400)}…` : what}`,
      'it is damaged, truncated, or no safetensors file',
    );
  };
  if (bytes.length < 8) bad(`has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (!(length <= MOST_HEADER) || 8 + length > bytes.length) bad(`claims a header of ${length} bytes`);
  let header: unknown;
  let json = '';
  try {
    json = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, 8 + length));
    header = JSON.parse(json);
  } catch {
    bad('has a header that is not JSON');
  }
  if (!isObject(header)) return bad('has a header that is not an object');
  const twice = doubled(json);
  if (twice !== undefined) bad(`names ${twice} twice`);
  const { __metadata__: meta = {}, ...rest } = header;
  if (!isObject(meta) || !Object.values(meta).every((v) => typeof v === 'string'))
    return bad('has metadata that is not strings by name');
  const room = bytes.length - 8 - length;
  const described = Object.entries(rest).map(([key, value]) => {
    const { dtype, shape, data_offsets: offsets } = isObject(value) ? value : {};
    if (!isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) return bad(`describes ${key} in an unknown way`);
    const [begin, end] = offsets;
    const width = typeof dtype === 'string' ? WIDTH.get(dtype) : undefined;
    if (width === undefined)
      bad(`holds ${key} as ${String(JSON.stringify(dtype)).slice(0, 40)}, which is not supported`);
    if (begin > end || end > room || end - begin !== sizeOf(shape) * width!)
      bad(`says that ${key} [${shape.slice(0, 16)}] ${dtype} lies in bytes ${begin} to ${end} of ${room}`);
    return { key, dtype: dtype as string, shape, begin, end };
  });
  let reached = 0;
  for (const { begin, end } of [...described].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== reached)
      bad(begin < reached ? 'has tensors that overlap' : `leaves bytes ${reached} to ${begin} unused`);
    reached = end;
  }
  if (reached !== room) bad(`has ${room} bytes of data, of which ${reached} are described`);
  const tensors = new Map<string, FileTensor>();
  for (const { key, dtype, shape, begin, end } of described) {
    const at = bytes.byteOffset + 8 + length + begin;
    tensors.set(key, {
      shape,
      data: elements(dtype, bytes.buffer.slice(at, at + end - begin) as ArrayBuffer, () =>
        bad(`holds in ${key} whole numbers of more than 32 bits`),
      ),
    });
  }
  return { tensors, metadata: Object.fromEntries(Object.entries(meta)) as Record<string, string> };
}

/** @param wide called when an i64 does not fit into 32 bits */
function elements(dtype: string, buffer: ArrayBuffer, wide: () => never): FileTensor['data'] {
  if (dtype === 'F32') return new Float32Array(buffer);
  if (dtype === 'I32') return new Int32Array(buffer);
  if (dtype === 'U32') return new Uint32Array(buffer);
  if (dtype === 'U8') return new Uint8Array(buffer);
  if (dtype === 'BOOL') return new Uint8Array(buffer).map((v) => Number(v !== 0));
  if (dtype === 'F64') return Float32Array.from(new Float64Array(buffer));
  if (dtype === 'I64')
    return Int32Array.from(new BigInt64Array(buffer), (v) => (v === BigInt.asIntN(32, v) ? Number(v) : wide()));
  const half = new Uint16Array(buffer);
  if (dtype === 'BF16') return new Float32Array(Uint32Array.from(half, (h) => h << 16).buffer);
  return halfToFloat(half);
}
