// Charts of the scaling report as one SVG: a column for each axis, time above, memory below, what the FLOPs would lead
// one to expect as a dashed line.

import { escapeHtml } from '../src/report/escape.ts';

/** A chart with two logarithmic axes. */
export interface LogChart {
  title: string;
  /** Of the values. */
  unit: string;
  x: readonly number[];
  /** Values at x; null where there is none. */
  y: readonly (number | null)[];
  /** A second line, dashed. */
  expected: readonly (number | null)[];
}

const WIDTH = 250;
const HEIGHT = 190;
const LEFT = 46;
const RIGHT = 10;
const TOP = 28;
const BOTTOM = 26;

const short = (v: number): string => (v >= 1e4 || v < 0.01 ? v.toExponential(0) : String(Number(v.toPrecision(2))));

/** Powers of ten from the one below `low` to the one above `high`. */
function decades(low: number, high: number): number[] {
  const from = Math.floor(Math.log10(low));
  const to = Math.max(from + 1, Math.ceil(Math.log10(high)));
  return Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
}

function chart({ title, unit, x, y, expected }: LogChart, left: number, top: number): string {
  const values = [...y, ...expected].filter((v): v is number => v !== null && v > 0);
  if (!values.length) return '';
  const ticks = decades(Math.min(...values), Math.max(...values));
  const [low, high] = [Math.log(ticks[0]), Math.log(ticks.at(-1)!)];
  const [first, last] = [Math.log(x[0]), Math.log(x.at(-1)!)];
  const px = (v: number): number =>
    left + LEFT + ((Math.log(v) - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT);
  const py = (v: number): number =>
    top + HEIGHT - BOTTOM - ((Math.log(v) - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const path = (line: readonly (number | null)[]): string =>
    line.flatMap((v, i) => (v ? [`${px(x[i]).toFixed(1)},${py(v).toFixed(1)}`] : [])).join(' ');
  const grid = ticks
    .map(
      (t) =>
        `<path class="grid" d="M${left + LEFT} ${py(t).toFixed(1)}H${left + WIDTH - RIGHT}"/><text ` +
        `class="tick" text-anchor="end" x="${left + LEFT - 5}" y="${(py(t) + 3.5).toFixed(1)}">` +
        `${short(t)}</text>`,
    )
    .join('');
  const names = x
    .map(
      (v) =>
        `<text class="tick" text-anchor="middle" x="${px(v).toFixed(1)}" y="${top + HEIGHT - BOTTOM + 14}">${v}</text>`,
    )
    .join('');
  const dots = y
    .map((v, i) =>
      v
        ? `<circle cx="${px(x[i]).toFixed(1)}" cy="${py(v).toFixed(1)}" r="2.6"><title>` +
          `${escapeHtml(`${title} ${x[i]}: ${v.toPrecision(4)} ${unit}`)}</title></circle>`
        : '',
    )
    .join('');
  return (
    `<g><text class="title" x="${left + LEFT}" y="${top + 15}">${escapeHtml(title)}, ` +
    `${escapeHtml(unit)}</text>${grid}${names}<polyline class="expected" points="${path(expected)}"/>` +
    `<polyline class="line" points="${path(y)}"/>${dots}</g>`
  );
}

/** All charts, `columns` beside each other. It carries its style, light and dark. */
export function svg(charts: readonly LogChart[], columns: number): string {
  const width = columns * WIDTH;
  const height = Math.ceil(charts.length / columns) * HEIGHT;
  const style = `text{font:11px system-ui,sans-serif;fill:#333}.title{font-weight:600}
.tick{font-size:10px;fill:#666}.grid{stroke:#ddd}.line{fill:none;stroke:#1667b7;stroke-width:2}
.expected{fill:none;stroke:#b0680f;stroke-width:1.3;stroke-dasharray:5 4}circle{fill:#1667b7}
@media (prefers-color-scheme:dark){text{fill:#ddd}
.tick{fill:#aaa}.grid{stroke:#444}.line{stroke:#6cb2f7}.expected{stroke:#e8a75a}circle{fill:#6cb2f7}}`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" ` +
    `height="${height}" role="img" aria-label="Time and memory of a training step"><style>` +
    `${style}</style>` +
    `${charts.map((c, i) => chart(c, (i % columns) * WIDTH, Math.floor(i / columns) * HEIGHT)).join('\n')}</svg>`
  );
}
