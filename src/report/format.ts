// Numbers as the tables and the report print them.

import type { Stat } from './summary.ts';

/** A minus is a minus, not a hyphen. */
const minus = (text: string): string => text.replace('-', '−');

/** Mean ± sample standard deviation; one value stands alone, none is a dash. */
export function spread(stat: Stat | null, digits: number, scale = 1, sign = false): string {
  if (!stat) return '–';
  const mean = stat.mean * scale;
  const plus = sign && mean >= 0 ? '+' : '';
  return plus + minus(mean.toFixed(digits)) + (stat.std === null ? '' : ` ± ${(stat.std * scale).toFixed(digits)}`);
}

/** One share as percent. */
export const share = (value: number | null, digits = 1): string =>
  value === null ? '–' : (100 * value).toFixed(digits);

/** Shares as percent: their mean and deviation. */
export const percent = (stat: Stat | null, digits = 2): string => spread(stat, digits, 100);

/** A difference in points, with its sign. */
export const points = (stat: Stat | null): string => spread(stat, 2, 1, true);

/** Three significant digits, no exponent. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  return minus(value.toFixed(Math.min(Math.max(2 - Math.floor(Math.log10(Math.abs(value))), 0), 6)));
}

/** A number with a fixed count of decimals; from a million on with an exponent, such as a loss that explodes. */
export const decimals = (value: number, digits: number): string =>
  Math.abs(value) < 1e6 ? value.toFixed(digits) : value.toExponential(2);

/** Bytes in MiB or GiB. */
export function bytes(value: number): string {
  const mib = value / 2 ** 20;
  return mib < 1000 ? `${number(mib)} MiB` : `${number(mib / 1024)} GiB`;
}

/** Seconds as 41 s, 12 min, 3 h 05 min. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 99.5) return `${number(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100
    ? `${minutes} min`
    : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** Text without control characters: it goes to terminals. */
export function plain(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}
