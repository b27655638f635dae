// Predictions at another size than the network saw.

/**
 * The most likely class of each pixel of an image, and its probability, from class probabilities at another size:
 * bilinear, half-pixel centres, as images are resized.
 * @param p probabilities [h, w, classes] of `from`; with one class, any map
 * @param from height and width of p
 * @param to height and width wanted
 * @returns labels and their interpolated probabilities, both of `to`
 * @example const { labels } = resizeProbabilities(p, [96, 128], [1080, 1440]);
 */
export function resizeProbabilities(
  p: Float32Array,
  from: readonly [number, number],
  to: readonly [number, number],
): { labels: Uint8Array; confidence: Float32Array } {
  const [h, w] = from;
  const [height, width] = to;
  const classes = p.length / (h * w);
  const labels = new Uint8Array(height * width);
  const confidence = new Float32Array(height * width);
  const columns = Array.from({ length: width }, (_, x) => between(x, w, width));
  // A row is interpolated from the two that it lies between, then each of its pixels.
  const row = new Float32Array(w * classes);
  for (let y = 0; y < height; y++) {
    const [up, down, share] = between(y, h, height);
    for (let i = 0; i < row.length; i++) row[i] = mixed(p[up * row.length + i], p[down * row.length + i], share);
    for (let x = 0; x < width; x++) {
      const [left, right, part] = columns[x];
      let best = 0;
      let most = -Infinity;
      for (let c = 0; c < classes; c++) {
        const v = mixed(row[left * classes + c], row[right * classes + c], part);
        // The first NaN stays: a pixel with one has no confidence.
        if (v > most || (Number.isNaN(v) && !Number.isNaN(most))) {
          most = v;
          best = c;
        }
      }
      labels[y * width + x] = best;
      confidence[y * width + x] = most;
    }
  }
  return { labels, confidence };
}

/** Between a and b; a alone where b has no part, whatever it is. */
const mixed = (a: number, b: number, part: number): number => (part === 0 ? a : a + part * (b - a));

/** The two source indices that output index i lies between, and how far towards the second. */
function between(i: number, source: number, target: number): [number, number, number] {
  const at = Math.min(source - 1, Math.max(0, ((i + 0.5) * source) / target - 0.5));
  const below = Math.floor(at);
  return [below, Math.min(source - 1, below + 1), at - below];
}
