// Second derivatives against second differences of a float64 reference along random directions.

import * as assert from 'uvu/assert';
import { grad } from '../../runtime/autograd/grad.ts';
import type { Device } from '../../runtime/device/device.ts';
import { Rng } from '../../runtime/random.ts';
import { makeData, type OpCase } from './op.ts';

/**
 * Checks d'Hd, where H is the Hessian of the sum of r y over all f32 inputs together: H d by the gradient of a
 * gradient.
 */
export async function checkSecond(device: Device, c: OpCase, tolerance = 1e-3): Promise<void> {
  const rng = new Rng(c.seed ?? 2, 78);
  const names = Object.keys(c.inputs);
  const made = Object.fromEntries(names.map((k) => [k, makeData(c.inputs[k], rng)]));
  const d = Object.fromEntries(
    names.map((k) => [k, Float64Array.from(Float32Array.from(made[k].values, () => rng.normal()))]),
  );
  const at = (s: number) =>
    c.reference(
      Object.fromEntries(
        names.map((k) => [k, { shape: c.inputs[k].shape, data: made[k].values.map((v, i) => v + s * d[k][i]) }]),
      ),
    );
  const want = at(0);
  const r = Float32Array.from(want.data, () => rng.normal());
  // Term by term: what is left of a large value after two subtractions is the smaller the more terms it is summed with.
  const h = 1e-4;
  const up = at(h).data;
  const down = at(-h).data;
  let expected = 0;
  let scale = 1e-6;
  want.data.forEach((v, i) => {
    const term = (r[i] * (up[i] - v - (v - down[i]))) / (h * h);
    expected += term;
    scale += Math.abs(term);
  });
  const products = device.scope(() => {
    const x = Object.fromEntries(names.map((k) => [k, device.tensor(made[k].typed, c.inputs[k].shape)]));
    for (const k of names) x[k].requiresGrad = true;
    const y = c.run(x);
    const all = names.map((k) => x[k]);
    const first = grad(y, all, { dy: device.tensor(r, want.shape), createGraph: true });
    return first.flatMap((g, i) => grad(g, all, { dy: device.tensor(Float32Array.from(d[names[i]]), g.shape) }));
  });
  const hd = await device.read(products);
  let got = 0;
  hd.forEach((v, i) => v.forEach((e, j) => (got += e * d[names[i % names.length]][j])));
  for (const t of products) t.dispose();
  assert.ok(
    Math.abs(got - expected) <= tolerance * scale,
    `${c.name}: the second derivative along a direction is ${got}, second differences say ${expected} (terms of ${scale})`,
  );
}
