// Previews of a scheme as the pictures of a report.

import type { Device } from '../../runtime/device/device.ts';
import type { Dataset } from '../data/types.ts';
import type { Scheme } from '../schemes/scheme.ts';
import { preview } from '../train/preview.ts';
import { colourLabels, confidenceColours, dataUrl, overlayHeat, rgbPng } from './pictures.ts';
import type { Picture } from '../train/records.ts';

/**
 * Every layer of some images: the image, the truth (of images of labelled, val and test), the prediction, the
 * pseudo-label, the confidence, Grad-CAM.
 */
export async function makePictures(
  device: Device,
  dataset: Dataset,
  scheme: Scheme,
  ids: readonly string[],
): Promise<Picture[]> {
  const labelled = new Set((['labelled', 'val', 'test'] as const).flatMap((split) => dataset.ids(split)));
  const samples = await Promise.all(ids.map((id) => dataset.load(id, { labels: labelled.has(id) })));
  return (await preview(device, scheme, samples)).map((p) => {
    const png = (rgb: Uint8Array): string => dataUrl(rgbPng(rgb, p.width, p.height));
    return {
      id: p.id,
      width: p.width,
      height: p.height,
      layers: {
        image: png(p.rgb),
        truth: p.truth ? png(colourLabels(p.truth, dataset.palette)) : undefined,
        prediction: png(colourLabels(p.prediction, dataset.palette)),
        pseudo: png(colourLabels(p.pseudo, dataset.palette)),
        confidence: png(confidenceColours(p.confidence)),
        cam: png(overlayHeat(p.rgb, p.cam, p.width, p.height)),
      },
    };
  });
}
