// Views as steps use them: the images of a batch, weakly or strongly augmented by draws that become inputs of the plan,
// and with them all that belongs to their pixels, so that one call moves or mixes labels, confidences, validity, and
// the truth that judges them.

import { slice } from '../../runtime/ops/index.ts';
import { gate, pseudoLabel } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { drawBoxes, drawSingleBoxes, type BoxMaskOptions, type SingleBoxOptions } from '../augment/cutmix.ts';
import { boxMask, mixBy } from '../augment/gpu/mix.ts';
import { view } from '../augment/gpu/view.ts';
import { drawWeak, VIEW_ROW, WEAK_FIELDS, type WeakOptions } from '../augment/weak.ts';
import { resizeLike } from '../nn/resize.ts';
import { option, over, type Values } from '../options.ts';
import type { SchemeContext } from './scheme.ts';
import type { Draw, StepContext, StreamSpec } from './step.ts';

/** Options of every scheme: the geometry of weak views. A run fills in its own settings before these defaults. */
export const VIEW_OPTIONS = {
  weak: option(
    over<Omit<WeakOptions, 'crop'>>({ range: [0.5, 2] }, WEAK_FIELDS),
    {},
    'scale and mirroring of weak views; what is left out is that of the run',
  ),
};

/** Weak views of labelled images. */
export interface LabelledView {
  /** [n, h, w, 3] in [0, 1]. */
  image: Tensor;
  /** i32 [n, h, w]; 255 in the padding and where there is no label. */
  label: Tensor;
  /** f32 [n, h, w]; 0 in the padding. */
  valid: Tensor;
}

/** Weak views of unlabelled images. */
export interface UnlabelledView {
  /** [n, h, w, 3] in [0, 1]. */
  image: Tensor;
  /** f32 [n, h, w]; 0 in the padding. */
  valid: Tensor;
  /** i32 [n, h, w]: labels to judge pseudo-labels by, never to learn from; 255 where they are unknown. */
  truth: Tensor;
}

/**
 * Pseudo-labels of pixels, each tensor [n, h, w]. Pixels that are not valid have the label 255 and the confidence 0.
 */
export interface PixelLabels {
  label: Tensor;
  confidence: Tensor;
  valid: Tensor;
  truth: Tensor;
}

/** An image to learn from, and how the labels of the weak view come to lie on it. */
export interface TargetView {
  /** [n, h, w, 3] in [0, 1]. */
  image: Tensor;
  /** The labels of the weak view as its image was moved and mixed. */
  carry(q: PixelLabels): PixelLabels;
}

/** The most likely classes of a view by its logits, and how sure they are; constants. */
export function labelsOf(logits: Tensor, { valid, truth }: Pick<UnlabelledView, 'valid' | 'truth'>): PixelLabels {
  return { ...pseudoLabel(logits, { valid }), valid, truth };
}

/** Applies a function to all maps of pixel labels. `fill` is the value outside the image. */
export function eachMap(q: PixelLabels, f: (map: Tensor, fill: number, of: keyof PixelLabels) => Tensor): PixelLabels {
  const { label, confidence, valid, truth } = q;
  return {
    label: f(label, 255, 'label'),
    confidence: f(confidence, 0, 'confidence'),
    valid: f(valid, 0, 'valid'),
    truth: f(truth, 255, 'truth'),
  };
}

/** The draws of a stream's weak views: the same at every call. @returns the table of `drawWeak` */
export function drawnViews(
  ctx: StepContext,
  c: SchemeContext,
  stream: Pick<StreamSpec, 'name'>,
  weak: Values<typeof VIEW_OPTIONS>['weak'],
): (...given: Parameters<Draw>) => Float32Array {
  const name = `${stream.name}.view`;
  return (at, batches) => drawWeak(ctx.rng(name, at), batches.get(stream.name)!.sizes, { ...weak, crop: c.crop });
}

/** Samples the weak views of a stream, of the size of the crop. */
export function weakView(
  ctx: StepContext,
  c: SchemeContext,
  stream: StreamSpec,
  weak: Values<typeof VIEW_OPTIONS>['weak'],
): LabelledView & UnlabelledView {
  const { texels, sizes } = ctx.source(stream);
  const table = ctx.input(`${stream.name}.view`, [stream.n, VIEW_ROW], 'f32', drawnViews(ctx, c, stream, weak));
  const { image, labels, valid } = view(texels, sizes, table, c.crop);
  return { image, label: labels, valid, truth: labels };
}

/** CutMix masks [n, h, w]: joined boxes (French et al., CPS) or a single box with a probability (UniMatch). */
export function cutMixMask(
  ctx: StepContext,
  c: SchemeContext,
  name: string,
  n: number,
  options: BoxMaskOptions | SingleBoxOptions,
): Tensor {
  const k = 'boxes' in options ? options.boxes : 1;
  const boxes = ctx.input(name, [n, k, 4], 'i32', (at) => {
    const rng = ctx.rng(name, at);
    return 'boxes' in options ? drawBoxes(rng, n, c.crop, options) : drawSingleBoxes(rng, n, c.crop, options, true);
  });
  return boxMask(boxes, c.crop, { invert: 'boxes' in options ? options.invert : true });
}

/** Another image to mix in, with its labels as they lie on it. */
export interface Partner {
  image: Tensor;
  labels: PixelLabels;
}

/**
 * Pastes a partner's pixels into a view where the mask is 1.
 * @param partner default: the next image of the batch
 */
export function mixedView(mask: Tensor, target: TargetView, partner?: Partner): TargetView {
  const mix = (t: Tensor, theirs: Tensor | undefined): Tensor =>
    theirs ? mixBy(mask, t, theirs) : mixBy(mask, t, t, 1);
  return {
    image: mix(target.image, partner?.image),
    carry: (q) => eachMap(target.carry(q), (map, _, of) => mix(map, partner?.labels[of])),
  };
}

/** n images of a batch, from `first` on. */
export function take(batch: Tensor, first: number, n: number): Tensor {
  const rest = batch.shape.slice(1);
  return slice(batch, [first, ...rest.map(() => 0)], [n, ...rest]);
}

/** A mask [n, H, W] on the grid of `like` [n, h, w, c]: 1 where nothing invalid takes part. */
export function coarseValid(valid: Tensor, like: Tensor): Tensor {
  const [n, h, w] = like.shape;
  return gate(resizeLike(valid.view([...valid.shape, 1]), like.shape).view([n, h, w]), 0.999);
}
