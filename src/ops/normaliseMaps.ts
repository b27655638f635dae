// Activation maps to [0, 1].

import { args } from '../../runtime/args.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { SEGMENTATION } from '../../runtime/kernel/generated.ts';
import type { Tensor } from '../../runtime/tensor.ts';

export interface NormaliseMapsOptions {
  /** `max` (default): x / max. `min-max`: (x - min) / (max - min). After max(x, 0), for each channel of each image. */
  by?: 'max' | 'min-max';
  /** f32 [n, c]: a factor for each map, such as 1 for the classes that are present. */
  present?: Tensor;
}

/**
 * max(x, 0), scaled to [0, 1] in each channel of each image; a map without any spread becomes 0. Without gradient.
 * @param x f32 [n, h, w, c], h and w not 0
 */
export function normaliseMaps(x: Tensor, options: NormaliseMapsOptions = {}): Tensor {
  args('normaliseMaps x {by:s present}', arguments);
  const { by = 'max', present } = options;
  const [n, h, w, c] = x.shape;
  if (x.rank !== 4 || x.dtype !== 'f32' || h * w === 0)
    throw new ShapeError('normaliseMaps', `x is ${x}, not f32 [n, h, w, c] with pixels`);
  if (by !== 'max' && by !== 'min-max')
    throw new ShapeError('normaliseMaps', `there is no normalisation ${String(by)}`, "use 'max' or 'min-max'");
  if (present && (present.size !== n * c || present.dtype !== 'f32'))
    throw new ShapeError('normaliseMaps', `factors ${present} for maps [${x.shape}]`, `give f32 [${n}, ${c}]`);
  const y = x.device.empty(x.shape, 'f32', 'normaliseMaps');
  x.device.run({
    shaders: SEGMENTATION,
    shader: 'normaliseMaps',
    entry: 'forward',
    constants: { MIN_MAX: by === 'min-max', PRESENT: !!present },
    bindings: { x, present: present ?? x, y },
    params: { pixels: h * w, c },
    groups: [c, n, 1],
  });
  return y;
}
