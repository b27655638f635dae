// Views as steps use them: a stream's images, weakly augmented by draws that become inputs of the plan.

import { normalise as standardise } from '../augment/gpu/normalise.ts';
import { view, type View } from '../augment/gpu/view.ts';
import { drawWeak, VIEW_ROW, type WeakOptions } from '../augment/weak.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { SchemeContext } from './scheme.ts';
import type { StepContext, StreamSpec } from './step.ts';

export interface ViewOptions {
  /** Weak geometry; default: scale 0.5 to 2, crop, mirror. */
  weak?: Omit<WeakOptions, 'crop'>;
}

/** The weak views of a stream: image in [0, 1], labels, validity. */
export function weakView(ctx: StepContext, c: SchemeContext, stream: StreamSpec, options: ViewOptions): View {
  const { texels, sizes } = ctx.source(stream);
  const weak: WeakOptions = { range: [0.5, 2], ...options.weak, crop: c.crop };
  const table = ctx.input(`${stream.name}.view`, [stream.n, VIEW_ROW], 'f32', (at, all) => drawWeak(ctx.rng(`${stream.name}.view`, at), all.get(stream.name)!, weak));
  return view(texels, sizes, table, c.crop);
}

/** What a network takes: standardised by ImageNet's mean and deviation. */
export function normalise(image: Tensor): Tensor {
  return standardise(image);
}
