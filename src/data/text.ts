// Text files that people write: whatever encoding and line ends their editor chose.

/** Byte order marks. That of UTF-32 begins like that of UTF-16, so that it is looked for first. */
const MARKS: readonly (readonly [mark: readonly number[], encoding: string | null])[] = [
  [[0xff, 0xfe, 0, 0], null],
  [[0, 0, 0xfe, 0xff], null],
  [[0xef, 0xbb, 0xbf], 'utf-8'],
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
];

/** UTF-16 without a mark: text whose every other byte is mostly zero. */
function unmarked(bytes: Uint8Array): string | undefined {
  const zeros = [0, 0];
  const n = Math.min(bytes.length, 4096);
  for (let i = 0; i < n; i++) if (bytes[i] === 0) zeros[i % 2]++;
  if (zeros[1] > n / 4 && zeros[0] < n / 16) return 'utf-16le';
  return zeros[0] > n / 4 && zeros[1] < n / 16 ? 'utf-16be' : undefined;
}

/**
 * Decodes a text file: UTF-8, or UTF-16 in either byte order, with or without a byte order mark; what is valid in
 * neither is taken for Windows-1252, which Latin-1 is a part of.
 * @returns the text without its byte order mark; null where it is not text: it holds zero characters, or is UTF-32
 */
export function decodeText(bytes: Uint8Array): string | null {
  const marked = MARKS.find(([mark]) => mark.every((b, i) => bytes[i] === b));
  const encoding = marked ? marked[1] : unmarked(bytes);
  if (encoding === null) return null;
  const decode = (name: string, fatal: boolean): string => new TextDecoder(name, { fatal }).decode(bytes);
  let text: string;
  try {
    text = decode(encoding ?? 'utf-8', true);
  } catch {
    // A damaged end of UTF-16 still shows its lines.
    text = encoding && encoding !== 'utf-8' ? decode(encoding, false) : decode('windows-1252', false);
  }
  return text.includes('\0') ? null : text;
}

/** The lines of a text, whatever ends them: CRLF, LF or CR. */
export const linesOf = (text: string): string[] => text.split(/\r\n|\n|\r/);
