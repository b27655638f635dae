// Samples as texels: one u32 a pixel, r | g<<8 | b<<16 | label<<24. Packing a photograph takes milliseconds, so
// decoding workers do it; bytes of colour and labels are unpacked again only where somebody asks for them.

import type { Sample } from './types.ts';

/** Packs height*width*3 bytes and height*width class ids (null: all 255) into texels. */
export function packTexels(rgb: Uint8Array, labels: Uint8Array | null): Uint32Array {
  const texels = new Uint32Array(rgb.length / 3);
  for (let i = 0, p = 0; i < texels.length; i++, p += 3)
    texels[i] = rgb[p] | (rgb[p + 1] << 8) | (rgb[p + 2] << 16) | ((labels ? labels[i] : 255) << 24);
  return texels;
}

/** Not a property of the sample: a copy of one must not inherit them. */
const packed = new WeakMap<Sample, Uint32Array>();

/**
 * A sample that holds texels. `rgb` and `labels` are unpacked again at each access: a cache of samples holds the texels
 * alone.
 */
export function texelSample(id: string, width: number, height: number, texels: Uint32Array, labelled: boolean): Sample {
  const sample: Sample = {
    id,
    width,
    height,
    get rgb() {
      const rgb = new Uint8Array(3 * texels.length);
      for (let i = 0, p = 0; i < texels.length; i++, p += 3) {
        rgb[p] = texels[i];
        rgb[p + 1] = texels[i] >>> 8;
        rgb[p + 2] = texels[i] >>> 16;
      }
      return rgb;
    },
    get labels() {
      return labelled ? Uint8Array.from(texels, (t) => t >>> 24) : null;
    },
  };
  packed.set(sample, texels);
  return sample;
}

/** The texels of any sample, row-major, without padding. */
export function texelsOf(sample: Sample): Uint32Array {
  return packed.get(sample) ?? packTexels(sample.rgb, sample.labels);
}

/** A sample with other labels: colours are not unpacked. @param labels height*width class ids */
export function withLabels(sample: Sample, labels: Uint8Array): Sample {
  const texels = texelsOf(sample).map((t, i) => (t & 0xffffff) | (labels[i] << 24));
  return texelSample(sample.id, sample.width, sample.height, texels, true);
}
