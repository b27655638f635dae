// Views as steps use them: a stream's images, weakly augmented by draws that become inputs of the plan.

import { boxMask } from '../augment/gpu/mix.ts';
import { normalise as standardise } from '../augment/gpu/normalise.ts';
import { view, type View } from '../augment/gpu/view.ts';
import { drawBoxes, drawSingleBoxes, type BoxMaskOptions, type SingleBoxOptions } from '../augment/cutmix.ts';
import { fields, given, type Kind } from '../augment/settings.ts';
import { drawWeak, VIEW_ROW, WEAK_FIELDS, type WeakOptions } from '../augment/weak.ts';
import { slice } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { SchemeContext } from './scheme.ts';
import type { StepContext, StreamSpec } from './step.ts';

export interface ViewOptions {
  /** Weak geometry. What is left out: scaled by U(0.5, 2), mirrored with probability 0.5, padded right and below; a run fills in its own settings first. */
  weak?: Omit<WeakOptions, 'crop'>;
}

/** What the options may be. */
export const VIEW_FIELDS: Readonly<Record<keyof ViewOptions, Kind>> = { weak: fields(WEAK_FIELDS) };

/** The weak views of a stream, of the size of the crop: image [n, h, w, 3] in [0, 1], labels i32 [n, h, w], validity f32 [n, h, w]. */
export function weakView(ctx: StepContext, c: SchemeContext, stream: StreamSpec, options: ViewOptions): View {
  const { texels, sizes } = ctx.source(stream);
  const weak: WeakOptions = { range: [0.5, 2], ...given(options.weak), crop: c.crop };
  const table = ctx.input(`${stream.name}.view`, [stream.n, VIEW_ROW], 'f32', (at, batches) => drawWeak(ctx.rng(`${stream.name}.view`, at), batches.get(stream.name)!.sizes, weak));
  return view(texels, sizes, table, c.crop);
}

/** What a network takes: standardised by ImageNet's mean and deviation. */
export function normalise(image: Tensor): Tensor {
  return standardise(image);
}

/** CutMix masks [n, h, w]: joined boxes (French et al., CPS) or a single box with a probability (UniMatch). */
export function cutMixMask(ctx: StepContext, c: SchemeContext, name: string, n: number, options: BoxMaskOptions | SingleBoxOptions): Tensor {
  const k = 'boxes' in options ? options.boxes : 1;
  const boxes = ctx.input(name, [n, k, 4], 'i32', (at) => {
    const rng = ctx.rng(name, at);
    return 'boxes' in options ? drawBoxes(rng, n, c.crop, options) : drawSingleBoxes(rng, n, c.crop, options, true);
  });
  return boxMask(boxes, c.crop, { invert: 'boxes' in options ? options.invert : true });
}

/** n images of a batch, from `first` on. */
export function take(batch: Tensor, first: number, n: number): Tensor {
  const rest = batch.shape.slice(1);
  return slice(batch, [first, ...rest.map(() => 0)], [n, ...rest]);
}
