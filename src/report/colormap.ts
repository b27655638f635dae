// Perceptual colour maps: values in [0, 1] to RGB, interpolated between sampled colours of matplotlib's viridis and
// inferno.

const sampled = (hex: string): number[][] =>
  hex.split(' ').map((h) => [0, 2, 4].map((i) => parseInt(h.slice(i, i + 2), 16)));

function table(colours: number[][]): Uint8Array {
  const out = new Uint8Array(768);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (colours.length - 1);
    const k = Math.min(Math.floor(at), colours.length - 2);
    for (let c = 0; c < 3; c++)
      out[3 * i + c] = Math.round(colours[k][c] + (colours[k + 1][c] - colours[k][c]) * (at - k));
  }
  return out;
}

/** 256 x RGB, dark to bright; equal steps look equal, also to colour-blind eyes and in grey. */
export const VIRIDIS = table(sampled('440154 482878 3e4a89 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725'));
export const INFERNO = table(sampled('000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4'));

/** Colours of values in [0, 1] (others are clamped; NaN is the lowest): 3 bytes a value. */
export function mapColours(values: ArrayLike<number>, colours: Uint8Array): Uint8Array {
  const out = new Uint8Array(values.length * 3);
  for (let i = 0; i < values.length; i++) {
    const at = 3 * Math.round(255 * Math.min(Math.max(values[i] || 0, 0), 1));
    out[3 * i] = colours[at];
    out[3 * i + 1] = colours[at + 1];
    out[3 * i + 2] = colours[at + 2];
  }
  return out;
}
