// The comparison as tables: aligned for terminals (at most 100 columns), markdown for a README, JSON for programs.

import { bytes, duration, number, percent, plain, points } from './format.ts';
import { schemeName } from './schemes.ts';
import { footnotes, summarise, type SchemeSummary, type Summary } from './summary.ts';
import type { Comparison } from '../train/records.ts';

type Row = string[];
interface Table {
  head: Row;
  rows: Row[];
}

/** Widest line of the terminal form. */
const WIDTH = 100;

function shorten(text: string, width: number): string {
  const t = [...plain(text)];
  return t.length > width ? `${t.slice(0, width - 1).join('')}…` : t.join('');
}

function scoreTable({ schemes, headline }: Summary): Table {
  const averaged = schemes.some((s) => s.ema);
  const row = (s: SchemeSummary): Row => [
    schemeName(s.scheme),
    percent(s.last.miou),
    percent(s.best.miou),
    ...(averaged ? [percent(s.ema)] : []),
    s.gain ? points(s.gain[headline]) : '',
    percent(s[headline].miouAbsentZero),
    percent(s[headline].pixelAccuracy, 1),
  ];
  return {
    head: [
      'scheme',
      'mIoU last',
      'mIoU best',
      ...(averaged ? ['mIoU EMA'] : []),
      `gain (${headline})`,
      `absent=0 (${headline})`,
      'pixel acc',
    ],
    rows: schemes.map(row),
  };
}

function costTable({ schemes }: Summary): Table {
  const mean = (s: { mean: number } | null): number => s?.mean ?? NaN;
  const row = (s: SchemeSummary): Row => [
    schemeName(s.scheme),
    s.seeds.join(' '),
    number(mean(s.secondsPerStep)),
    number(mean(s.imagesPerSecond)),
    bytes(s.peakGpuBytes),
    duration(mean(s.seconds)),
    ...(schemes.some((x) => x.accepted) ? [percent(s.accepted, 1), percent(s.pseudoAccuracy, 1)] : []),
  ];
  return {
    head: [
      'scheme',
      'seeds',
      's/step',
      'images/s',
      'peak GPU',
      'time a run',
      ...(schemes.some((x) => x.accepted) ? ['accepted', 'of them right'] : []),
    ],
    rows: schemes.map(row),
  };
}

function classTable({ schemes, headline, classNames }: Summary): Table {
  const mean: Row = ['mean', ...schemes.map((s) => percent(s[headline].miou, 1))];
  return {
    head: ['class', ...schemes.map((s) => schemeName(s.scheme))],
    rows: [...classNames.map((name, c) => [name, ...schemes.map((s) => percent(s[headline].iou[c], 1))]), mean],
  };
}

/**
 * Aligned columns: the first to the left, the others to the right. Too many columns go below, with the first repeated.
 */
function aligned({ head, rows }: Table): string[] {
  const all = [head, ...rows].map((row) => row.map((cell, i) => shorten(cell, i ? 20 : 24)));
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  const lines: string[] = [];
  for (let from = 1; from < head.length;) {
    let to = from;
    let width = widths[0];
    while (to < head.length && (to === from || width + 2 + widths[to] <= WIDTH)) width += 2 + widths[to++];
    const line = (row: Row): string =>
      [row[0].padEnd(widths[0]), ...row.slice(from, to).map((cell, i) => cell.padStart(widths[from + i]))]
        .join('  ')
        .trimEnd();
    if (lines.length) lines.push('');
    lines.push(line(all[0]), '─'.repeat(width), ...all.slice(1).map(line));
    from = to;
  }
  return lines;
}

function wrap(text: string, indent = ''): string[] {
  const lines = [''];
  for (const word of plain(text).split(' ')) {
    if (lines[lines.length - 1] && lines[lines.length - 1].length + word.length + 1 > WIDTH - indent.length)
      lines.push('');
    lines[lines.length - 1] += (lines[lines.length - 1] ? ' ' : '') + word;
  }
  return lines.map((l, i) => (i ? indent + l : l));
}

/** Warnings of the runs, each with its scheme and seed; equal ones of several seeds once. */
export function warningsOf(comparison: Comparison): string[] {
  const seeds = new Map<string, { scheme: string; text: string; seeds: number[] }>();
  for (const { scheme, seed, warnings } of comparison.runs) {
    for (const text of new Set(warnings)) {
      const key = `${scheme}\n${text}`;
      if (!seeds.has(key)) seeds.set(key, { scheme, text, seeds: [] });
      seeds.get(key)!.seeds.push(seed);
    }
  }
  return [...seeds.values()].map((w) => `${schemeName(w.scheme)}, seed ${w.seeds.join(', ')}: ${w.text}`);
}

/** The tables for a terminal: no line is wider than 100 columns (long words apart). */
export function textReport(comparison: Comparison): string {
  const summary = summarise(comparison);
  const warnings = warningsOf(comparison);
  const lines = [
    ...wrap(comparison.title),
    ...wrap(`${comparison.dataset} · ${comparison.adapter} · ${comparison.date}`),
    ...wrap(comparison.command, '    '),
    '',
    ...aligned(scoreTable(summary)),
    '',
    ...aligned(costTable(summary)),
    '',
    ...aligned(classTable(summary)),
    '',
    ...footnotes(summary).flatMap((n) => wrap(n)),
    `All runs: ${duration(summary.seconds)}.`,
    ...(warnings.length ? ['', 'Warnings', ...warnings.flatMap((w) => wrap(`- ${w}`, '  '))] : []),
  ];
  return `${lines.join('\n')}\n`;
}

const escapeMarkdown = (text: string): string => plain(text).replace(/[\\`*_[\]<>|]/g, '\\$&');

/** A code span that no backtick inside can end. */
function code(text: string): string {
  const fence = '`'.repeat(1 + Math.max(0, ...[...text.matchAll(/`+/g)].map((m) => m[0].length)));
  const pad = text.startsWith('`') || text.endsWith('`') ? ' ' : '';
  return fence + pad + plain(text) + pad + fence;
}

function markdownTable({ head, rows }: Table): string[] {
  const line = (row: Row): string => `| ${row.map(escapeMarkdown).join(' | ')} |`;
  return [line(head), `| --- |${' ---: |'.repeat(head.length - 1)}`, ...rows.map(line)];
}

/** The tables as GitHub markdown. */
export function markdownReport(comparison: Comparison): string {
  const summary = summarise(comparison);
  const warnings = warningsOf(comparison);
  const lines = [
    `${escapeMarkdown(comparison.title)}: ${escapeMarkdown(comparison.dataset)}, ` +
      `${escapeMarkdown(comparison.adapter)}, ${escapeMarkdown(comparison.date)}; all runs ` +
      `${duration(summary.seconds)}.`,
    '',
    code(comparison.command),
    '',
    ...markdownTable(scoreTable(summary)),
    '',
    ...markdownTable(costTable(summary)),
    '',
    ...markdownTable(classTable(summary)),
    '',
    ...footnotes(summary).map(escapeMarkdown),
    ...(warnings.length ? ['', ...warnings.map((w) => `- ${escapeMarkdown(w)}`)] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** The summary with what identifies the comparison, as JSON. Shares are 0..1, gains in points, times in seconds. */
export function jsonReport(comparison: Comparison): string {
  const { title, command, date, adapter, dataset } = comparison;
  const all = { title, command, date, adapter, dataset, ...summarise(comparison), warnings: warningsOf(comparison) };
  return `${JSON.stringify(all, null, 2)}\n`;
}
