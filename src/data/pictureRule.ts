// How the images of a data set are read: which way up, and which values of 16-bit files are white. One rule for all
// images of a set. It is kept with a run and its weights, so that new images are read as those of the training were.

/**
 * What is done with the EXIF orientation of an image: it is applied, as viewers do, or the pixels are taken as they are
 * stored.
 */
export type Orientation = 'apply' | 'ignore';

export interface PictureRule {
  orientation: Orientation;
  /** Bits that 16-bit images use: 2^bits - 1 is white. Null where the training had no 16-bit image. */
  bits: number | null;
}

/** What may be asked for instead of what the images show. */
export interface PictureSpec {
  /**
   * `auto` (default): masks tell by their size; where none does, the orientation is applied. `apply` and `ignore` hold
   * for every image.
   */
  orientation?: Orientation | 'auto';
  /** Bits that 16-bit images use, 8 to 16 (default: as the training images show). */
  bits?: number;
  /** The rule of the run that continues or is scored: it decides what the images leave open. */
  pictures?: PictureRule;
}

/** How images were read in runs that kept no rule. */
export const UNRECORDED: PictureRule = { orientation: 'ignore', bits: 16 };

/**
 * What holds for networks that were trained without image files: new images as viewers show them, their depth as they
 * show it.
 */
export const WITHOUT_FILES: PictureRule = { orientation: 'apply', bits: null };

/** What `bits` may be. */
export const LEAST_BITS = 8;
export const MOST_BITS = 16;

/** Depths that cameras, microscopes and scanners write into 16-bit files, lowest bits first. */
const DEPTHS = [8, 10, 12, 14, 16] as const;

/** The bits that values up to this one use. @example bitsOf(4000) // 12 */
export const bitsOf = (largest: number): number => DEPTHS.find((bits) => largest < 2 ** bits) ?? 16;

/** Does this EXIF orientation exchange height and width? */
export const isQuarterTurn = (orientation: number): boolean => orientation >= 5 && orientation <= 8;

type Size = readonly [height: number, width: number];

/** What the header of an image says. */
export interface Header {
  /** Height and width of the stored pixels. */
  stored: Size;
  /** EXIF orientation, 1 to 8; 1 where there is none. */
  orientation: number;
  /** Does it have 16 bits per channel? */
  deep: boolean;
  /** Pictures in the file: more than one for an animation. */
  pages: number;
}

/** Height and width of an image as it is read. */
export function sizeOf({ stored, orientation }: Pick<Header, 'stored' | 'orientation'>, upright: boolean): Size {
  return upright && isQuarterTurn(orientation) ? [stored[1], stored[0]] : stored;
}

const same = (a: Size, b: Size): boolean => a[0] === b[0] && a[1] === b[1];

/** Which reading of an image its mask fits by its size; null where both or none do. */
export function shownBy(image: Header, mask: Size): Orientation | null {
  const upright = same(sizeOf(image, true), mask);
  const stored = same(image.stored, mask);
  return upright === stored ? null : upright ? 'apply' : 'ignore';
}

/**
 * What is wrong with a mask that has another size than its image: message and hint.
 * @param name of the image, for the message
 */
export function sizeClash(
  mask: Size,
  image: Pick<Header, 'stored' | 'orientation'>,
  upright: boolean,
  name = '',
): [what: string, hint: string] {
  const text = ([h, w]: Size): string => `${w}x${h}`;
  const own = sizeOf(image, upright);
  const tagged = image.orientation > 1;
  const how = tagged ? ` with its EXIF orientation ${image.orientation} ${upright ? 'applied' : 'ignored'}` : '';
  const what = `${text(mask)}, the image ${name}${name && ' '}${text(own)}${how}`;
  if (same(sizeOf(image, !upright), mask)) {
    return [what, `read images with orientation ${upright ? 'ignore' : 'apply'} or auto (\`orientation\`)`];
  }
  if (!tagged && same([own[1], own[0]], mask)) {
    return [what, 'the mask is turned by 90 degrees; the image may have lost its EXIF orientation: turn one of them'];
  }
  return [what, 'masks must have the size of their images'];
}

/** That values of an image are clipped. @param share of its values */
export function clippedLine(file: string, share: number, bits: number): string {
  const percent = share < 0.001 ? 'under 0.1' : (100 * share).toFixed(1);
  return `${file} has values beyond ${bits} bits (${percent} % of them), which are read as white (\`bits\`)`;
}
