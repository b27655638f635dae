// The points of a search: values for named options, all combinations or drawn ones.

import { UsageError } from '../../runtime/errors.ts';
import { Rng } from '../../runtime/random.ts';

/** An option that a search varies: values to choose from, or a range to draw from. */
export interface Varied {
  key: string;
  values?: readonly unknown[];
  range?: readonly [low: number, high: number];
}

/** Values by option. */
export type Point = Readonly<Record<string, unknown>>;

/** A range this wide is drawn from by its logarithm. */
const WIDE = 10;

/** JSON where it can be read as such, else text. */
function value(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Commas that separate values: those of lists and objects do not. */
function separated(text: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const c of text) {
    if (c === ',' && depth === 0) parts.push('');
    else {
      depth += '[{'.includes(c) ? 1 : ']}'.includes(c) ? -1 : 0;
      parts[parts.length - 1] += c;
    }
  }
  return parts;
}

/**
 * Reads `KEY=VALUE,VALUE,…` or, for drawn points, `KEY=LOW..HIGH`.
 * @throws UsageError
 */
export function parseVaried(item: string): Varied {
  const at = item.indexOf('=');
  const text = item.slice(at + 1);
  if (at < 1 || text === '') throw new UsageError(`--vary ${item}`, 'give KEY=VALUE,VALUE,… as in tau=0.8,0.9,0.95');
  const key = item.slice(0, at);
  const [low, high, ...more] = text.split('..').map(Number);
  if (more.length > 0 || high === undefined) return { key, values: separated(text).map(value) };
  if (!(low < high))
    throw new UsageError(`--vary ${item}`, 'give a range from a lower to a higher number, as in lr=0.001..0.1');
  return { key, range: [low, high] };
}

/**
 * Every combination of the values, the last option changing fastest.
 * @throws UsageError for a range: it has no values to combine
 */
export function gridPoints(varied: readonly Varied[]): Point[] {
  const range = varied.find((v) => v.range);
  if (range)
    throw new UsageError(
      `${range.key} is a range, which a grid cannot go through`,
      'give its values, or draw points (--random N)',
    );
  return varied.reduce<Point[]>(
    (points, { key, values = [] }) => points.flatMap((p) => values.map((v) => ({ ...p, [key]: v }))),
    [{}],
  );
}

/**
 * Drawn points: values uniformly, ranges uniformly or, where they are wide, by their logarithm. More points include
 * fewer.
 */
export function randomPoints(varied: readonly Varied[], count: number, seed: number): Point[] {
  return Array.from({ length: count }, (_, i) => {
    const rng = new Rng(seed, 31, i);
    return Object.fromEntries(
      varied.map(({ key, values, range }) => {
        if (!range) return [key, rng.choice(values!)];
        const [low, high] = range;
        const drawn =
          low > 0 && high / low >= WIDE ? Math.exp(rng.uniform(Math.log(low), Math.log(high))) : rng.uniform(low, high);
        return [key, Number(drawn.toPrecision(3))];
      }),
    );
  });
}

/** A point in words: `tau=0.9 lr=0.01`. */
export const pointText = (point: Point): string =>
  Object.entries(point)
    .map(([key, v]) => `${key}=${typeof v === 'string' ? v : JSON.stringify(v)}`)
    .join(' ');
