// Sizes and coordinates of Resize and Upsample in each version, against onnxruntime's and PyTorch's definitions.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText, OnnxError, UnsupportedError } from '../../runtime/errors.ts';
import type { OnnxAttribute, OnnxTensor } from '../../runtime/io/onnx/model.ts';
import { list, reals, runNode } from '../support/onnxFile.ts';
import { close } from '../support/op.ts';

const { fround } = Math;
const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const line = (n: number): OnnxTensor => reals([1, 1, 1, n], count(n));
const scales = (...s: number[]): OnnxTensor => reals([s.length], s.map(fround));

type Setting = Record<string, OnnxAttribute>;

/** A row of n pixels resized by Resize of opset 11 and later. */
async function resized(
  n: number,
  by: OnnxTensor | null,
  attributes: Setting,
  sizes?: OnnxTensor,
  opset = 13,
): Promise<number[]> {
  const inputs = [line(n), null, by, ...(sizes ? [sizes] : [])];
  return [...(await runNode('Resize', inputs, attributes, { opset }))[0].data];
}

/** The same by the operators of older opsets. */
const older = async (opset: number, n: number, scale: number): Promise<number[]> => {
  if (opset < 9) {
    const s = fround(scale);
    const attributes: Setting = opset < 7 ? { height_scale: 1, width_scale: s } : { scales: [1, 1, 1, s] };
    return [...(await runNode('Upsample', [line(n)], attributes, { opset }))[0].data];
  }
  const op = opset < 10 ? 'Upsample' : 'Resize';
  return [...(await runNode(op, [line(n), scales(1, 1, 1, scale)], {}, { opset }))[0].data];
};

const asymmetric = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };

test('10 by 0.7 is 7 wide in every version', async () => {
  const want = [0, 1, 2, 4, 5, 7, 8];
  for (const opset of [6, 8, 9, 10]) assert.equal(await older(opset, 10, 0.7), want, `opset ${opset}`);
  for (const opset of [11, 13, 19]) {
    assert.equal(await resized(10, scales(1, 1, 1, 0.7), asymmetric, undefined, opset), want, `opset ${opset}`);
  }
});

test('the size is the product in f32, rounded down', async () => {
  for (let from = 3; from <= 40; from += 3) {
    for (const scale of [0.1, 0.3, 0.6, 0.7, 0.9, 1.1, 1.3, 1.7, 2.2]) {
      const want = Math.floor(fround(from * fround(scale)));
      assert.is((await resized(from, scales(1, 1, 1, scale), asymmetric)).length, want, `${from} by ${scale}`);
      if (scale >= 1) assert.is((await older(9, from, scale)).length, want, `Upsample ${from} by ${scale}`);
    }
  }
});

test("what PyTorch's interpolate(size) exports below opset 11: scales that are one size over the other", async () => {
  for (let from = 2; from <= 30; from += 2) {
    for (let to = 1; to <= 30; to += 3) {
      const scale = fround(to / from);
      if (Math.floor(fround(from * scale)) !== to) continue;
      const want = count(to).map((o) => Math.floor((o * from) / to));
      for (const opset of [9, 10]) {
        assert.equal(await older(opset, from, scale), want, `${from} to ${to}, opset ${opset}`);
      }
    }
  }
});

test('nearest of opset 10 rounds up where it shrinks by a scale that is not one size over the other', async () => {
  const x = reals([1, 1, 2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);
  const [y] = await runNode('Resize', [x, scales(1, 1, 0.6, 0.6)], { mode: 'nearest' }, { opset: 10 });
  assert.equal(
    [y.shape, [...y.data]],
    [
      [1, 1, 1, 2],
      [1, 3],
    ],
  );
  assert.equal(await older(10, 7, 0.4), [0, 3]);
  assert.equal(await older(10, 5, 1.5), [0, 0, 1, 2, 2, 3, 4]);
  const [linear] = await runNode('Resize', [x, scales(1, 1, 0.6, 0.6)], { mode: 'linear' }, { opset: 10 });
  close(linear.data, [1, 1 + 1 / fround(0.6)], 1e-6, 'linear');
});

test('coordinates in f32 where they are rounded', async () => {
  // 3 / 0.6 is 5 in f32, and less than 5 with the f32 next to 0.6 in f64.
  assert.equal(await resized(11, scales(1, 1, 1, 0.6), asymmetric), [0, 1, 3, 5, 6, 8]);
  for (const nearest_mode of ['floor', 'ceil', 'round_prefer_floor', 'round_prefer_ceil']) {
    for (const how of ['asymmetric', 'half_pixel', 'pytorch_half_pixel', 'tf_half_pixel_for_nn', 'align_corners']) {
      for (const [from, scale] of [
        [11, 0.6],
        [10, 0.45],
        [7, 1.3],
        [5, 2.7],
        [4, 0.3],
        [9, 3],
      ]) {
        const s = fround(scale);
        const to = Math.floor(fround(from * s));
        const over = (o: number): number => fround(fround(o + 0.5) / s);
        const at: Record<string, (o: number) => number> = {
          asymmetric: (o) => fround(o / s),
          half_pixel: (o) => fround(over(o) - 0.5),
          pytorch_half_pixel: (o) => (to > 1 ? fround(over(o) - 0.5) : 0),
          tf_half_pixel_for_nn: over,
          align_corners: (o) => (to > 1 ? fround(fround(o * (from - 1)) / (to - 1)) : 0),
        };
        const round: Record<string, (v: number) => number> = {
          floor: Math.floor,
          ceil: Math.ceil,
          round_prefer_floor: (v) => (v - Math.floor(v) === 0.5 ? Math.floor(v) : Math.round(v)),
          round_prefer_ceil: Math.round,
        };
        const want = count(to).map((o) => Math.min(Math.max(round[nearest_mode](at[how](o)), 0), from - 1));
        const attributes = { mode: 'nearest', coordinate_transformation_mode: how, nearest_mode };
        const got = await resized(from, scales(1, 1, 1, scale), attributes);
        assert.equal(got, want, `${how} ${nearest_mode} ${from} by ${scale}`);
      }
    }
  }
});

test('tf_half_pixel_for_nn is (o + 0.5) / scale', async () => {
  const attributes = { coordinate_transformation_mode: 'tf_half_pixel_for_nn', nearest_mode: 'floor' };
  assert.equal(await resized(4, scales(1, 1, 1, 2), attributes, undefined, 11), [0, 0, 1, 1, 2, 2, 3, 3]);
  assert.equal(await resized(10, null, attributes, list(1, 1, 1, 4), 11), [1, 3, 6, 8]);
  const linear = await resized(3, scales(1, 1, 1, 2), { ...attributes, mode: 'linear' }, undefined, 11);
  close(linear, [0.25, 0.75, 1.25, 1.75, 2, 2], 1e-6, 'linear');
});

test('sizes: coordinates from both sizes, without the rounding of their quotient', async () => {
  for (const [from, to] of [
    [14, 2],
    [14, 8],
    [10, 6],
    [7, 21],
    [30, 13],
  ]) {
    const want = count(to).map((o) => Math.floor((o * from) / to));
    assert.equal(await resized(from, null, asymmetric, list(1, 1, 1, to)), want, `${from} to ${to}`);
  }
});

test('sizes that keep the proportions round half up', async () => {
  for (const [policy, h, w] of [
    ['not_larger', 4, 5],
    ['not_smaller', 6, 9],
  ] as const) {
    const [y] = await runNode(
      'Resize',
      [reals([1, 1, 7, 10], count(70)), null, null, list(6, 5)],
      {
        axes: [2, 3],
        keep_aspect_ratio_policy: policy,
      },
      { opset: 18 },
    );
    assert.equal([...y.shape], [1, 1, h, w], policy);
  }
});

test('Upsample: two attributes, then one, then an input; linear under its first name', async () => {
  const x = reals([1, 1, 2, 2], [1, 2, 3, 4]);
  const want = [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4];
  const nearest: [number, OnnxTensor[], Setting][] = [
    [6, [x], { height_scale: 2, width_scale: 3 }],
    [7, [x], { scales: [1, 1, 2, 3] }],
    [9, [x, scales(1, 1, 2, 3)], {}],
  ];
  for (const [opset, inputs, attributes] of nearest) {
    assert.equal([...(await runNode('Upsample', inputs, attributes, { opset }))[0].data], want, `opset ${opset}`);
  }
  const row = reals([1, 1, 1, 2], [0, 4]);
  const linear: [number, OnnxTensor[], Setting][] = [
    [1, [row], { mode: 'bilinear', height_scale: 1, width_scale: 2 }],
    [8, [row], { mode: 'linear', scales: [1, 1, 1, 2] }],
    [9, [row, scales(1, 1, 1, 2)], { mode: 'linear' }],
  ];
  for (const [opset, inputs, attributes] of linear) {
    close((await runNode('Upsample', inputs, attributes, { opset }))[0].data, [0, 2, 4, 4], 1e-6, `opset ${opset}`);
  }
});

test('what a version does not have is refused', async () => {
  const refused = async (kind: new (...a: never[]) => Error, what: RegExp, run: Promise<unknown>): Promise<void> => {
    const error = await run.then(
      () => undefined,
      (e: unknown) => e,
    );
    assert.instance(error, kind);
    assert.match(errorText(error), what);
  };
  const twice = scales(1, 1, 1, 2);
  const old = (op: string, mode: string, opset: number): Promise<unknown> =>
    runNode(op, [line(4), twice], { mode }, { opset });
  await refused(UnsupportedError, /Resize.*mode cubic in opset 10/, old('Resize', 'cubic', 10));
  await refused(UnsupportedError, /Upsample.*mode bilinear in opset 9/, old('Upsample', 'bilinear', 9));
  const nowhere = { coordinate_transformation_mode: 'nowhere' };
  await refused(UnsupportedError, /coordinate_transformation_mode nowhere/, resized(4, twice, nowhere));
  await refused(UnsupportedError, /nearest_mode constructor/, resized(4, twice, { nearest_mode: 'constructor' }));
  await refused(OnnxError, /both scales and sizes/, resized(4, twice, {}, list(1, 1, 1, 8)));
  await refused(OnnxError, /needs scales or sizes/, resized(4, null, {}));
  await refused(OnnxError, /cannot become/, resized(4, scales(1, 1, 1, -1), {}));
  await refused(OnnxError, /roi/, resized(4, twice, { coordinate_transformation_mode: 'tf_crop_and_resize' }));
  await refused(OnnxError, /antialias/, resized(4, twice, { antialias: 1 }, undefined, 18));
});

test.run();
