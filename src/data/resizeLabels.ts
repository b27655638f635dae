// Label maps of another size.

/** Resizes labels by the nearest pixel, as Pillow's NEAREST does: source index floor((x + 0.5) scale). */
export function resizeLabels(
  labels: Uint8Array,
  from: readonly [number, number],
  to: readonly [number, number],
): Uint8Array {
  const [height, width] = from;
  const [h, w] = to;
  if (height === h && width === w) return labels;
  const out = new Uint8Array(h * w);
  for (let y = 0; y < h; y++) {
    const row = Math.floor(((y + 0.5) * height) / h) * width;
    for (let x = 0; x < w; x++) out[y * w + x] = labels[row + Math.floor(((x + 0.5) * width) / w)];
  }
  return out;
}
