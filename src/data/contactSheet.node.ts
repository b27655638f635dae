// One picture of many images beside their masks, to see before training whether they belong together.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DataError } from '../../runtime/errors.ts';
import type { PoolOptions } from './decodePool.node.ts';
import { refuseOverwriting } from './overwrite.node.ts';
import { openDataset, type DatasetSpec } from './open.node.ts';
import { resizeLabels } from './resizeLabels.ts';
import { loadSharp } from './sharp.node.ts';
import { ADVANCE, drawText, LETTER_HEIGHT } from './tinyFont.ts';
import type { Dataset, DatasetSplit, Sample } from './types.ts';

type Colour = readonly [number, number, number];
const BACKGROUND: Colour = [24, 26, 30];
const INK: Colour = [225, 228, 232];
const FAINT: Colour = [140, 146, 154];
const ALARM: Colour = [255, 110, 90];
const SCALE = 2;
const GAP = 10;
const LINE = SCALE * LETTER_HEIGHT + 8;
/** Weight of a class's colour over the image. */
const OVERLAY = 0.55;

/** RGB pixels to draw on; what lies outside is left out. */
class Canvas {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.data = new Uint8Array(3 * width * height);
    this.box(0, 0, width, height, BACKGROUND);
  }

  dot(x: number, y: number, colour: Colour): void {
    if (x >= 0 && y >= 0 && x < this.width && y < this.height) this.data.set(colour, 3 * (y * this.width + x));
  }

  box(x: number, y: number, w: number, h: number, colour: Colour): void {
    for (let j = y; j < y + h; j++) for (let i = x; i < x + w; i++) this.dot(i, j, colour);
  }

  /** Draws a text, cut to `most` pixels. */
  text(text: string, x: number, y: number, colour: Colour, most = Infinity): void {
    const letters = Math.floor(most / (ADVANCE * SCALE));
    drawText(text.length > letters ? `${text.slice(0, Math.max(0, letters - 2))}..` : text, x, y, SCALE, (i, j) =>
      this.dot(i, j, colour),
    );
  }
}

export interface ContactSheetOptions extends PoolOptions {
  /** Images shown (default 12): labelled ones first, a few of val, a few unlabelled. */
  n?: number;
  /** Longest side of a shown image in pixels (default 200). */
  side?: number;
  /** Pairs in a row (default 3). */
  columns?: number;
}

/** Evenly spread over a list. */
const spread = <T>(items: readonly T[], n: number): T[] =>
  Array.from(
    { length: Math.min(n, items.length) },
    (_, i) => items[Math.floor((i * items.length) / Math.min(n, items.length))],
  );

function choose(set: Dataset, n: number): [string, DatasetSplit][] {
  const of = (split: DatasetSplit, most: number): [string, DatasetSplit][] =>
    spread(set.ids(split), most).map((id) => [id, split]);
  const unlabelled = of('unlabelled', Math.floor(n / 4));
  const val = of('val', Math.floor(n / 4));
  return [...of('labelled', n - unlabelled.length - val.length), ...val, ...unlabelled].slice(0, n);
}

/**
 * Writes a PNG: pairs of image and class colours over the image, a light line where classes meet, stripes where pixels
 * are ignored; a legend with ids and names. Unlabelled images stand alone, their masks stay closed. An image that
 * cannot be read shows as a red box.
 * @returns the ids shown
 * @throws DataError, UsageError where the set cannot be opened at all, the file is one of its images or masks, or
 *   cannot be written
 * @example await contactSheet({ path: 'camvid', labels: '1/8' }, 'sheet.png', { n: 12 });
 */
export async function contactSheet(
  spec: DatasetSpec,
  file: string,
  options: ContactSheetOptions = {},
): Promise<string[]> {
  const { n = 12, side = 200, columns = 3 } = options;
  const set = await openDataset({ ...spec, tolerant: true }, options);
  try {
    refuseOverwriting(set.files(), [file]);
    const chosen = choose(set, n);
    const samples = await Promise.all(
      chosen.map(([id, split]) => set.load(id, { labels: split !== 'unlabelled' }).catch((e: unknown) => e as Error)),
    );
    const cellWidth = 2 * side + 4;
    const width = columns * (cellWidth + GAP) + GAP;
    const legend = layLegend(set, width - 2 * GAP);
    // A row is as high as the highest of its images.
    const tops = [2 * GAP + legend.lines * LINE];
    for (let i = 0; i < samples.length; i += columns)
      tops.push(
        tops.at(-1)! +
          LINE +
          GAP +
          Math.max(
            ...samples.slice(i, i + columns).map((s) => (s instanceof Error ? side / 2 : shownSize(s, side)[0])),
          ),
      );
    const canvas = new Canvas(width, Math.ceil(tops.at(-1)!));
    drawLegend(canvas, set, legend.at);
    for (const [i, [id, split]] of chosen.entries()) {
      const x = GAP + (i % columns) * (cellWidth + GAP);
      const y = tops[Math.floor(i / columns)];
      canvas.text(`${split}: ${id}`, x, y, FAINT, cellWidth);
      const sample = samples[i];
      if (sample instanceof Error) {
        canvas.box(x, y + LINE, side, side / 2, [70, 20, 20]);
        canvas.text('cannot be read', x + 6, y + LINE + 6, ALARM, side - 12);
      } else {
        await drawPair(canvas, sample, set.palette, x, y + LINE, side);
      }
    }
    const sharp = await loadSharp();
    const png = await sharp(canvas.data, { raw: { width: canvas.width, height: canvas.height, channels: 3 } })
      .png({ compressionLevel: 9 })
      .toBuffer();
    try {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, png);
    } catch (error) {
      throw new DataError(`the contact sheet ${file} cannot be written: ${(error as NodeJS.ErrnoException).code}`);
    }
    return chosen.map(([id]) => id);
  } finally {
    await set.close();
  }
}

interface Entry {
  label: string;
  x: number;
  line: number;
}

/** Places of the classes in a legend of this width. */
function layLegend(set: Dataset, width: number): { at: Entry[]; lines: number } {
  let x = 0;
  let line = 0;
  const at = set.classNames.map((name, c): Entry => {
    const label = name === `class ${c}` ? name : `${c} ${name}`;
    const wide = 20 + ADVANCE * SCALE * label.length + 2 * GAP;
    if (x > 0 && x + wide > width) {
      x = 0;
      line++;
    }
    const entry = { label, x, line };
    x += wide;
    return entry;
  });
  return { at, lines: line + 1 };
}

const colourOf = (palette: Uint8Array, c: number): Colour => [palette[3 * c], palette[3 * c + 1], palette[3 * c + 2]];

function drawLegend(canvas: Canvas, set: Dataset, at: readonly Entry[]): void {
  at.forEach(({ label, x, line }, c) => {
    const top = GAP + line * LINE;
    canvas.box(GAP + x, top - 2, 14, 14, INK);
    canvas.box(GAP + x + 1, top - 1, 12, 12, colourOf(set.palette, c));
    canvas.text(label, GAP + x + 20, top, INK);
  });
}

/** Height and width at which an image is shown. */
function shownSize({ width, height }: Sample, side: number): [number, number] {
  const scale = side / Math.max(width, height);
  return [Math.max(1, Math.round(height * scale)), Math.max(1, Math.round(width * scale))];
}

async function drawPair(
  canvas: Canvas,
  sample: Sample,
  palette: Uint8Array,
  x: number,
  y: number,
  side: number,
): Promise<void> {
  const [h, w] = shownSize(sample, side);
  const sharp = await loadSharp();
  const rgb = await sharp(sample.rgb, { raw: { width: sample.width, height: sample.height, channels: 3 } })
    .resize(w, h, { fit: 'fill' })
    .raw()
    .toBuffer();
  const labels = sample.labels && resizeLabels(sample.labels, [sample.height, sample.width], [h, w]);
  for (let j = 0; j < h; j++) {
    for (let i = 0; i < w; i++) {
      const p = j * w + i;
      const pixel: Colour = [rgb[3 * p], rgb[3 * p + 1], rgb[3 * p + 2]];
      canvas.dot(x + i, y + j, pixel);
      if (!labels) continue;
      const c = labels[p];
      const edge = (i + 1 < w && labels[p + 1] !== c) || (j + 1 < h && labels[p + w] !== c);
      const over: Colour = c === 255 ? ((i + j) % 8 < 3 ? [200, 200, 200] : [40, 40, 40]) : colourOf(palette, c);
      const mixed = pixel.map((v, k) => v + (over[k] - v) * OVERLAY);
      // Thin things are all border: their colour shows through the line.
      canvas.dot(x + side + 4 + i, y + j, (edge ? mixed.map((v) => v + (255 - v) * 0.5) : mixed) as unknown as Colour);
    }
  }
  if (!labels) canvas.text('unlabelled', x + side + 10, y + 6, FAINT, side - 12);
}
