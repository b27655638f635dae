// The prediction, pseudo-label and maps of an image in the current state: for reports and for the page.

import { noGrad } from '../../runtime/autograd/tape.ts';
import type { Device } from '../../runtime/device/device.ts';
import { pseudoLabel } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { view } from '../augment/gpu/view.ts';
import { identityViews } from '../augment/weak.ts';
import { gradCam } from '../cam/index.ts';
import { pack } from '../data/batch.ts';
import { resizeLabels } from '../data/resizeLabels.ts';
import type { Sample } from '../data/types.ts';
import { EVAL, type Network } from '../nn/module.ts';
import type { Scheme } from '../schemes/scheme.ts';

/**
 * The longer side of a preview: larger images are shrunk before the networks see them, so that a look costs little
 * memory beside a step.
 */
const MOST_SIDE = 640;

export interface Preview {
  id: string;
  /** Of the preview, which is smaller than a large image. */
  width: number;
  height: number;
  /** [h, w, 3]. */
  rgb: Uint8Array;
  /** [h, w] class ids, 255 where there is none; null for an image without labels. */
  truth: Uint8Array | null;
  /** [h, w]: the evaluated network's classes, and their probabilities. */
  prediction: Uint8Array;
  confidence: Float32Array;
  /** [h, w]: the pseudo-label that the scheme would give; 255 where it would not be accepted. */
  pseudo: Uint8Array;
  /** [h, w] in [0, 1]: Grad-CAM of the predicted classes at the encoder's deepest stage. */
  cam: Float32Array;
}

/** The image at the size of its preview: colours are means over the pixels they replace, labels the nearest. */
function shrunk(sample: Sample): Sample {
  const { height, width, rgb, labels } = sample;
  const scale = MOST_SIDE / Math.max(height, width);
  if (scale >= 1) return sample;
  const h = Math.max(1, Math.round(height * scale));
  const w = Math.max(1, Math.round(width * scale));
  const out = new Uint8Array(3 * h * w);
  for (let y = 0; y < h; y++) {
    const y0 = Math.floor((y * height) / h);
    const y1 = Math.ceil(((y + 1) * height) / h);
    for (let x = 0; x < w; x++) {
      const x0 = Math.floor((x * width) / w);
      const x1 = Math.ceil(((x + 1) * width) / w);
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let i = y0; i < y1; i++) for (let j = x0; j < x1; j++) sum += rgb[3 * (i * width + j) + c];
        out[3 * (y * w + x) + c] = Math.round(sum / ((y1 - y0) * (x1 - x0)));
      }
    }
  }
  return {
    id: sample.id,
    height: h,
    width: w,
    rgb: out,
    labels: labels && resizeLabels(labels, [height, width], [h, w]),
  };
}

/**
 * Looks at images with the networks of a scheme in evaluation mode. Frees what it makes.
 * @param samples with labels where the truth may be shown
 * @param network whose predictions are shown: a stage may evaluate another one (default: the one that the scheme is
 *   evaluated by)
 * @returns a preview of each image, at most 640 pixels high and wide
 * @throws OutOfMemoryError when a pass does not fit beside what is in use
 */
export async function preview(
  device: Device,
  scheme: Scheme,
  samples: readonly Sample[],
  network: Network = scheme.evaluated,
): Promise<Preview[]> {
  const out: Preview[] = [];
  for (const sample of samples.map(shrunk)) {
    const { id, width, height, rgb, labels } = sample;
    const { texels, sizes } = pack([sample]);
    const made = device.scope(() => {
      const x = standardize(
        view(
          device.tensor(texels, [1, height, width]),
          device.tensor(sizes, [1, 2]),
          device.tensor(identityViews(1), [1, 8]),
          [height, width],
        ).image,
      );
      const own = noGrad(() => pseudoLabel(network.forward(x, EVAL)));
      const given: { label: Tensor; accepted?: Tensor } = scheme.label ? noGrad(() => scheme.label!(x)) : own;
      return [own.label, own.confidence, gradCam(network, x), given.label, ...(given.accepted ? [given.accepted] : [])];
    });
    const [label, confidence, cam, pseudo, accepted] = await device.read(made);
    for (const t of new Set(made)) t.dispose();
    const kept = scheme.pseudoLabels?.get(id);
    if (accepted) pseudo.forEach((_, i) => accepted[i] === 0 && (pseudo[i] = 255));
    out.push({
      id,
      width,
      height,
      rgb,
      truth: labels,
      prediction: Uint8Array.from(label),
      confidence: confidence as Float32Array,
      pseudo: kept ? resizeLabels(kept.labels, [kept.height, kept.width], [height, width]) : Uint8Array.from(pseudo),
      cam: cam as Float32Array,
    });
  }
  return out;
}
