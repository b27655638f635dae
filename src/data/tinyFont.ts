// A bitmap font of 3 x 5 pixels, for pictures made without an installed font.

/** Five rows of three bits, an octal digit each. */
const GLYPHS: Record<string, string> = {
  0: '75557',
  1: '26227',
  2: '71747',
  3: '71717',
  4: '55711',
  5: '74717',
  6: '74757',
  7: '71222',
  8: '75757',
  9: '75717',
  A: '25755',
  B: '65656',
  C: '34443',
  D: '65556',
  E: '74647',
  F: '74644',
  G: '34553',
  H: '55755',
  I: '72227',
  J: '11152',
  K: '55655',
  L: '44447',
  M: '57755',
  N: '65555',
  O: '25552',
  P: '65644',
  Q: '25563',
  R: '65655',
  S: '34216',
  T: '72222',
  U: '55557',
  V: '55552',
  W: '55775',
  X: '55255',
  Y: '55222',
  Z: '71247',
  '-': '00700',
  _: '00007',
  '.': '00002',
  ',': '00024',
  '/': '11244',
  '(': '12221',
  ')': '42224',
  ':': '02020',
  '+': '02720',
  '%': '51245',
  ' ': '00000',
};
const UNKNOWN = '77777';

/** Pixels from the start of a letter to that of the next, and the height of a letter, at a scale of 1. */
export const ADVANCE = 4;
export const LETTER_HEIGHT = 5;

/** Calls `dot` for every set pixel of a text (shown in capitals), from its top left corner. */
export function drawText(text: string, x: number, y: number, scale: number, dot: (x: number, y: number) => void): void {
  [...text.toUpperCase()].forEach((letter, i) => {
    [...(GLYPHS[letter] ?? UNKNOWN)].forEach((row, r) => {
      for (let c = 0; c < 3; c++) {
        if (!((Number(row) >> (2 - c)) & 1)) continue;
        for (let k = 0; k < scale * scale; k++)
          dot(x + (i * ADVANCE + c) * scale + (k % scale), y + r * scale + Math.floor(k / scale));
      }
    });
  });
}
