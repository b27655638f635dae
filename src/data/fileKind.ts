// What a file is by its first bytes, whatever its name says.

/** First bytes that suffice for {@link fileKind}. */
export const HEAD_BYTES = 4096;

/** Formats that are recognised by a constant at a fixed place: `[offset, bytes, what it is]`. */
const SIGNATURES: readonly (readonly [offset: number, bytes: string, what: string])[] = [
  [0, '\x89PNG\r\n\x1a\n', 'a PNG image'],
  [0, '\xff\xd8\xff', 'a JPEG image'],
  [0, 'GIF8', 'a GIF image'],
  [0, 'II*\0', 'a TIFF image'],
  [0, 'MM\0*', 'a TIFF image'],
  [0, 'II+\0', 'a TIFF image'],
  [0, 'MM\0+', 'a TIFF image'],
  [0, '\xff\x0a', 'a JPEG XL image'],
  [0, '\0\0\0\x0cJXL ', 'a JPEG XL image'],
  [0, '\0\0\0\x0cjP  ', 'a JPEG 2000 image'],
  [0, '\xff\x4f\xff\x51', 'a JPEG 2000 image'],
  [0, '8BPS', 'a Photoshop file'],
  [0, 'v/1\x01', 'an OpenEXR image'],
  [0, '\x93NUMPY', 'a NumPy array'],
  [0, '\x89HDF', 'an HDF5 file'],
  [0, '%PDF', 'a PDF document'],
  [0, 'PK\x03\x04', 'a ZIP archive'],
  [0, '\x1f\x8b', 'a gzip archive'],
  [0, '7z\xbc\xaf', 'a 7-Zip archive'],
  [0, 'Rar!', 'a RAR archive'],
  [0, 'SQLite format 3', 'an SQLite database'],
  [128, 'DICM', 'a DICOM file'],
  [0, 'version https://git-lfs', 'a Git LFS pointer, not the file itself'],
];

/** Brands of ISO media files, whose first box is named "ftyp". */
const BRANDS: Readonly<Record<string, string>> = {
  heic: 'a HEIC image',
  heix: 'a HEIC image',
  hevc: 'a HEIC image',
  heim: 'a HEIC image',
  heis: 'a HEIC image',
  mif1: 'a HEIF image',
  msf1: 'a HEIF image',
  avif: 'an AVIF image',
  avis: 'an AVIF image',
  'crx ': 'a raw camera file',
};

const latin = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, Math.max(from, Math.min(to, bytes.length))));

/** Is it text in UTF-8, or in UTF-16 with a byte order mark? */
function isText(bytes: Uint8Array): boolean {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) return true;
  try {
    // A cut may fall within a character: as a stream, the decoder accepts that.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, HEAD_BYTES), { stream: true });
    return [...text].every((c) => c >= ' ' || '\t\n\r\f'.includes(c));
  } catch {
    return false;
  }
}

function textKind(bytes: Uint8Array): string {
  const start = latin(bytes, 0, 1024)
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .toLowerCase();
  if (start.startsWith('<!doctype html') || start.startsWith('<html')) return 'an HTML page';
  if (/^(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)?(<!doctype svg[^>]*>\s*)?<svg/.test(start)) return 'an SVG drawing';
  if (start.startsWith('<?xml')) return 'an XML file';
  if (/^[[{]\s*["[{\d\]}]/.test(start)) return 'a JSON file';
  return 'a text file';
}

/**
 * What a file is, in words: "a PNG image", "an HTML page", "an empty file".
 * @param bytes the file, or its first {@link HEAD_BYTES}
 * @returns "a file of an unknown format" where nothing is recognised
 * @example fileKind(new TextEncoder().encode('<html>')) // "an HTML page"
 */
export function fileKind(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  const found = SIGNATURES.find(([offset, magic]) => latin(bytes, offset, offset + magic.length) === magic);
  if (found) return found[2];
  if (latin(bytes, 0, 4) === 'RIFF') {
    const form = latin(bytes, 8, 12);
    return form === 'WEBP' ? 'a WebP image' : form === 'AVI ' ? 'an AVI video' : 'a RIFF file';
  }
  // Two letters alone could be text: the reserved bytes of the header are zero.
  if (latin(bytes, 0, 2) === 'BM' && latin(bytes, 6, 10) === '\0\0\0\0') return 'a BMP image';
  if (latin(bytes, 4, 8) === 'ftyp') return BRANDS[latin(bytes, 8, 12)] ?? 'a video';
  if (bytes.subarray(0, HEAD_BYTES).every((b) => b === 0)) return 'a file of zero bytes only';
  return isText(bytes) ? textKind(bytes) : 'a file of an unknown format';
}

/** Is it one of the formats that images are read from? */
export function isReadable(kind: string): boolean {
  return kind === 'a JPEG image' || kind === 'a PNG image' || kind === 'a WebP image';
}

/** Is the PNG an animation (APNG)? Its "acTL" chunk comes before the pixels. @param bytes the file, or its beginning */
export function isAnimatedPng(bytes: Uint8Array): boolean {
  if (fileKind(bytes) !== 'a PNG image') return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 8 <= bytes.length; at += 12 + view.getUint32(at)) {
    const type = latin(bytes, at + 4, at + 8);
    if (type === 'acTL') return true;
    if (type === 'IDAT') return false;
  }
  return false;
}
