// Weights that are NaN or infinite are refused when they are loaded, whatever the file stores them as.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CheckpointError, errorText } from '../../runtime/errors.ts';
import { nonFiniteCount, refuseNonFinite } from '../../runtime/io/finite.ts';
import { decodeSafetensors, encodeSafetensors, type FileTensor } from '../../runtime/io/safetensors.ts';
import { BatchNorm, Linear, Sequential } from '../../runtime/modules/layers.ts';
import { UNet } from '../../src/nn/unet.ts';
import { testDevice } from '../support/device.ts';

const floats = (...values: number[]): FileTensor => ({ shape: [values.length], data: Float32Array.from(values) });
const whole = (...values: number[]): FileTensor => ({ shape: [values.length], data: Int32Array.from(values) });

/** A file of one tensor `t` of four values. */
function fileOf(dtype: string, raw: ArrayBufferView): Uint8Array {
  const header = JSON.stringify({ t: { dtype, shape: [4], data_offsets: [0, raw.byteLength] } });
  const bytes = new Uint8Array(8 + header.length + raw.byteLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(new TextEncoder().encode(header), 8);
  bytes.set(new Uint8Array(raw.buffer), 8 + header.length);
  return bytes;
}

test('the count, and an error that names file, tensor and numbers', () => {
  assert.is(nonFiniteCount(Float32Array.of(3.4e38, -3.4e38, 3.4e38, 1e-45, -0)), 0);
  assert.is(nonFiniteCount(new Float32Array(0)), 0);
  assert.is(nonFiniteCount(Float32Array.of(NaN, 1, Infinity, -Infinity)), 3);
  const good = [
    ['a', floats(1, 2)],
    ['steps', whole(0x7fc00000, -1)],
  ] as const;
  refuseNonFinite(new Map(good), 'net.safetensors');
  const refused = (tensors: [string, FileTensor][], message: RegExp): void => {
    const fits = (e: unknown): boolean => e instanceof CheckpointError && message.test(errorText(e));
    assert.throws(() => refuseNonFinite([...good, ...tensors], 'net.safetensors'), fits);
  };
  refused([['b', floats(1, NaN, 2)]], /^net\.safetensors: 1 of 3 values of b are NaN or infinite — the weights are/);
  refused(
    [
      ['b', floats(NaN, -Infinity)],
      ['c', floats(NaN)],
    ],
    /2 of 2 values of b .*, and 1 more tensor has such/,
  );
  refused(
    [
      ['b', floats(NaN)],
      ['c', floats(NaN)],
      ['d', floats(NaN)],
    ],
    /and 2 more tensors have such values/,
  );
});

test('half floats, bfloat16, doubles; doubles that f32 cannot hold', () => {
  const files: Record<string, ArrayBufferView> = {
    F16: Uint16Array.of(0x3c00, 0x7c00, 0xfc00, 0x7e01),
    BF16: Uint16Array.of(0x3f80, 0x7f80, 0xff80, 0x7fc1),
    F32: Float32Array.of(1, Infinity, -Infinity, NaN),
    F64: Float64Array.of(1, 1e300, -Infinity, NaN),
  };
  for (const [dtype, raw] of Object.entries(files)) {
    const { tensors } = decodeSafetensors(fileOf(dtype, raw));
    const said = new RegExp(`${dtype}: 3 of 4 values of t are NaN or infinite`);
    assert.throws(() => refuseNonFinite(tensors, dtype), said);
  }
  refuseNonFinite(decodeSafetensors(fileOf('F16', Uint16Array.of(0x7bff, 0xfbff, 1, 0x8000))).tensors, 'F16');
});

test('loadStateDict refuses them before anything changes, unless an option allows them', async () => {
  const device = await testDevice();
  const net = new Sequential(new Linear(2, 2), new BatchNorm(2)).init(device);
  const before = await net.stateDict();
  const state = new Map([...before].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]));
  state.get('1.running_var')!.data[1] = Infinity;
  const refused = (load: () => unknown, name: string): void =>
    assert.throws(
      load,
      (e: unknown) =>
        e instanceof CheckpointError &&
        new RegExp(`1 of \\d+ values of ${name} are NaN.*allowNonFinite`).test(errorText(e)),
    );
  refused(() => net.loadStateDict(state), '1\\.running_var');
  assert.equal(await net.stateDict(), before);
  // What is not loaded does not matter.
  const part = new Map([
    ['0.bias', floats(1, 2)],
    ['other', floats(NaN)],
  ]);
  assert.equal(net.loadStateDict(part, { partial: true }), ['0.bias']);
  net.loadStateDict(state, { allowNonFinite: true });
  assert.equal((await net.stateDict()).get('1.running_var')!.data, Float32Array.of(1, Infinity));
  net.dispose();

  const unet = new UNet(device, { numClasses: 3, width: 4, depth: 1, seed: 0 });
  const own = await unet.stateDict();
  own.get('head.weight')!.data[3] = NaN;
  const file = decodeSafetensors(encodeSafetensors(own)).tensors as typeof own;
  refused(() => unet.loadStateDict(file), 'head\\.weight');
  unet.loadStateDict(file, { allowNonFinite: true });
  unet.dispose();
});

test.run();
