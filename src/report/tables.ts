// The parts of the report that are tables: results with the plot of seeds, IoU per class, confusion matrices, settings.

import { escapeHtml as h } from './escape.ts';
import { bytes, duration, number, percent, points } from './format.ts';
import { colourSlot, schemeName } from './schemes.ts';
import type { SchemeSummary, Stat, Summary } from './summary.ts';
import type { Comparison } from '../train/records.ts';

const rgb = (c: readonly number[] | undefined): string =>
  `rgb(${[0, 1, 2].map((i) => Math.round(Number(c?.[i]) || 0)).join(' ')})`;

/** A square in the class's colour. */
export const swatch = (palette: readonly (readonly number[])[], c: number): string =>
  `<i class="swatch" style="background:${rgb(palette[c])}"></i>`;

const key = (s: string, schemes: readonly string[]): string =>
  `<i class="key" style="background:var(--s${colourSlot(s, schemes)})"></i>`;

/** Round steps for an axis of about five intervals. */
function niceStep(range: number): number {
  const raw = range / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * ([1, 2, 5, 10].find((m) => m * power >= raw) ?? 10);
}

/** mIoU of every seed as a dot, their mean as a bar, their deviation as a band. */
export function seedPlot({ schemes, headline }: Summary): string {
  const all = schemes.flatMap((s) => s[headline].miou?.values ?? []).map((v) => 100 * v);
  if (!all.length) return '';
  const low0 = Math.min(...all);
  const high0 = Math.max(...all);
  const step = niceStep(Math.max(high0 - low0, 2));
  const low = Math.max(0, Math.floor(low0 / step - 0.1) * step);
  const high = Math.min(100, Math.ceil(high0 / step + 0.1) * step);
  const at = (v: number): string => `${((100 * (v - low)) / (high - low)).toFixed(2)}%`;
  const ticks = Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => low + i * step);
  const names = schemes.map((s) => s.scheme);
  const row = (s: SchemeSummary): string => {
    const m = s[headline].miou;
    const mean = 100 * (m?.mean ?? 0);
    const std = 100 * (m?.std ?? 0);
    const from = Math.max(low, mean - std);
    const to = Math.min(high, mean + std);
    const marks = m
      ? (std
          ? `<i class="band" style="left:${at(from)};width:${((100 * (to - from)) / (high - low)).toFixed(2)}%"></i>`
          : '') +
        m.values.map((v) => `<i class="dot" style="left:${at(100 * v)}"></i>`).join('') +
        `<i ` +
        `class="mean" style="left:${at(mean)}"></i>`
      : '';
    return (
      `<div class="row" style="--c:var(--s${colourSlot(s.scheme, names)})"><span class="name">` +
      `${h(schemeName(s.scheme))}</span><span class="track">${marks}</span><span class="value">` +
      `${quiet(percent(m, 1))}</span><span class="gain">` +
      `${s.gain ? points(s.gain[headline] && { ...s.gain[headline], std: null }) : ''}</span></div>`
    );
  };
  return `<div class="seeds" role="img" aria-label="mIoU of every seed by scheme; the numbers are in the table below">
<div class="row head"><span class="name">mIoU, ${headline}</span><span class="track"></span>
<span class="value"></span><span class="gain">gain</span></div>
<div class="grid" aria-hidden="true">
<span class="track">${ticks.map((t) => `<i style="left:${at(t)}"><b>${Number(t.toFixed(6))}</b></i>`).join('')}</span></div>
${schemes.map(row).join('\n')}</div>`;
}

interface Cell {
  html: string;
  value: number | string;
  best?: boolean;
}

/** The deviation steps back behind the mean. */
const quiet = (text: string): string => text.replace(/ ± .*/, '<span class="sd">$&</span>');

const cell = (stat: Stat | null, text: string): Cell => ({ html: quiet(text), value: stat?.mean ?? -Infinity });

/** A table whose columns sort; the first column is the row's header. */
function sortable(
  caption: string,
  head: { label: string; hint?: string }[],
  rows: { title: string; name: string; cells: Cell[] }[],
  tint = false,
): string {
  const th = head
    .map(
      (c, i) =>
        `<th scope="col"${c.hint ? ` title="${h(c.hint)}"` : ''}><button type="button" data-sort="${i}">${c.label}</button></th>`,
    )
    .join('');
  const td = (c: Cell): string =>
    '<td ' +
    `data-v="${h(String(c.value))}"${c.best ? ' class="best"' : ''}` +
    (tint && Number.isFinite(c.value) ? ` style="--v:${(100 * Number(c.value)).toFixed(1)}%"` : '') +
    '>' +
    `${c.html}</td>`;
  const body = rows
    .map((r) => `<tr><th scope="row" data-v="${h(r.name)}">${r.title}</th>${r.cells.map(td).join('')}</tr>`)
    .join('\n');
  return (
    `<div class="scroll" tabindex="0"><table class="sortable${tint ? ' tint' : ''}"><caption>` +
    `${caption}</caption><thead><tr>${th}</tr></thead><tbody>${body}</tbody></table></div>`
  );
}

/** Marks the largest value of a list of cells, where there is more than one. */
function markBest(cells: (Cell | undefined)[]): void {
  const values = cells.map((c) => (typeof c?.value === 'number' ? c.value : -Infinity));
  const top = Math.max(...values);
  if (cells.length > 1 && Number.isFinite(top)) cells.forEach((c, i) => c && values[i] === top && (c.best = true));
}

export function resultsTable(summary: Summary): string {
  const { schemes, headline, split } = summary;
  const names = schemes.map((s) => s.scheme);
  const pseudo = schemes.some((s) => s.accepted);
  const averaged = schemes.some((s) => s.ema);
  const head = [
    { label: 'Scheme' },
    { label: 'mIoU last', hint: `nan-mean, ${split}, end of training` },
    { label: 'mIoU best', hint: `nan-mean, ${split}, at the step that was best on val` },
    ...(averaged ? [{ label: 'mIoU EMA', hint: `nan-mean, ${split}, moving average of the weights at the end` }] : []),
    { label: 'Gain', hint: `points of mIoU (${headline}) over supervised` },
    { label: 'absent = 0', hint: `mIoU (${headline}) over all classes, an absent one counting as zero` },
    { label: 'Pixel acc.', hint: `share of pixels that are right (${headline})` },
    ...(pseudo
      ? [
          { label: 'Accepted', hint: 'share of pseudo-labels accepted at the end of training' },
          {
            label: 'of them right',
            hint: 'accuracy of the accepted pseudo-labels among the judged, at the end of training',
          },
        ]
      : []),
    { label: 's/step' },
    { label: 'images/s' },
    { label: 'Peak GPU' },
    { label: 'Time a run' },
  ];
  const rows = schemes.map((s) => ({
    title: key(s.scheme, names) + h(schemeName(s.scheme)),
    name: schemeName(s.scheme),
    cells: [
      cell(s.last.miou, percent(s.last.miou)),
      cell(s.best.miou, percent(s.best.miou)),
      ...(averaged ? [cell(s.ema, percent(s.ema))] : []),
      cell(s.gain?.[headline] ?? null, s.gain ? points(s.gain[headline]) : ''),
      cell(s[headline].miouAbsentZero, percent(s[headline].miouAbsentZero)),
      cell(s[headline].pixelAccuracy, percent(s[headline].pixelAccuracy, 1)),
      ...(pseudo
        ? [cell(s.accepted, percent(s.accepted, 1)), cell(s.pseudoAccuracy, percent(s.pseudoAccuracy, 1))]
        : []),
      cell(s.secondsPerStep, number(s.secondsPerStep?.mean ?? NaN)),
      cell(s.imagesPerSecond, number(s.imagesPerSecond?.mean ?? NaN)),
      { html: bytes(s.peakGpuBytes), value: s.peakGpuBytes },
      cell(s.seconds, duration(s.seconds?.mean ?? NaN)),
    ],
  }));
  for (const column of averaged ? [0, 1, 2, 4, 5] : [0, 1, 3, 4]) markBest(rows.map((r) => r.cells[column]));
  return sortable('Results by scheme', head, rows);
}

export function classTable(
  { schemes, headline, classNames }: Summary,
  palette: readonly (readonly number[])[],
): string {
  const names = schemes.map((s) => s.scheme);
  const row = (title: string, name: string, get: (s: SchemeSummary) => Stat | null) => {
    const cells = schemes.map((s) => cell(get(s), percent(get(s), 1)));
    markBest(cells);
    return { title, name, cells };
  };
  const rows = [
    ...classNames.map((name, c) => row(swatch(palette, c) + h(name), name, (s) => s[headline].iou[c])),
    row('mean', 'mean', (s) => s[headline].miou),
  ];
  return sortable(
    `IoU by class, ${headline}`,
    [{ label: 'Class' }, ...schemes.map((s) => ({ label: key(s.scheme, names) + h(schemeName(s.scheme)) }))],
    rows,
    true,
  );
}

/** Heat maps: rows are the truth, each row adds up to 100 %. */
export function confusionMatrices(
  { schemes, headline, classNames }: Summary,
  palette: readonly (readonly number[])[],
): string {
  const n = classNames.length;
  const names = schemes.map((s) => s.scheme);
  const matrix = (s: SchemeSummary): string => {
    const counts = s[headline].confusion;
    const row = (t: number): string => {
      const total = counts.slice(t * n, (t + 1) * n).reduce((a, b) => a + b, 0);
      const cells = classNames.map((predicted, p) => {
        const v = total ? (100 * counts[t * n + p]) / total : 0;
        const text = !total ? '' : v < 0.5 ? '·' : v.toFixed(0);
        return (
          `<td class="${t === p ? 'hit' : 'miss'}${v > 88 ? ' strong' : ''}" style="--v:${v.toFixed(1)}%" ` +
          `title="${h(classNames[t])} → ${h(predicted)}: ${total ? `${v.toFixed(2)} %` : 'absent'}">` +
          `${text}</td>`
        );
      });
      return `<tr><th scope="row">${swatch(palette, t)}<span>${h(classNames[t])}</span></th>${cells.join('')}</tr>`;
    };
    const head = classNames
      .map((name, c) => `<th scope="col"><span>${h(name)}</span>${swatch(palette, c)}</th>`)
      .join('');
    return (
      `<figure class="panel confusion${n > 14 ? ' dense' : ''}"><figcaption><h3>` +
      `${key(s.scheme, names)}${h(schemeName(s.scheme))}</h3></figcaption><div class="scroll" tabindex="0">` +
      `<table><thead><tr><td class="corner">truth ↓ predicted →</td>${head}</tr></thead><tbody>` +
      `${classNames.map((_, t) => row(t)).join('')}</tbody></table></div></figure>`
    );
  };
  return `<div class="matrices">${schemes.map(matrix).join('\n')}</div>`;
}

/** Nested settings as dotted names and printed values. */
function flatten(value: unknown, name: string, out: Map<string, string>): Map<string, string> {
  if (value && typeof value === 'object' && !Array.isArray(value))
    for (const [k, v] of Object.entries(value)) flatten(v, name ? `${name}.${k}` : k, out);
  else
    out.set(
      name,
      typeof value === 'string'
        ? value
        : Array.isArray(value) && value.every((v) => typeof v !== 'object')
          ? value.join(', ')
          : (JSON.stringify(value) ?? ''),
    );
  return out;
}

/**
 * What all runs share, then what differs between schemes (a scheme's first run speaks for it; the seed is the run's
 * own).
 */
export function settings({ runs }: Comparison): string {
  const schemes = [...new Set(runs.map((r) => r.scheme))];
  const flat = schemes.map((s) => flatten(runs.find((r) => r.scheme === s)!.config, '', new Map()));
  const all = [...new Set(flat.flatMap((f) => [...f.keys()]))].filter((k) => k !== 'seed' && k !== 'scheme');
  const same = all.filter((k) => flat.every((f) => f.get(k) === flat[0].get(k)));
  const differ = all.filter((k) => !same.includes(k));
  const list = same.map((k) => `<div><dt>${h(k)}</dt><dd>${h(flat[0].get(k)!)}</dd></div>`).join('');
  const rows = differ
    .map((k) => `<tr><th scope="row">${h(k)}</th>${flat.map((f) => `<td>${h(f.get(k) ?? '–')}</td>`).join('')}</tr>`)
    .join('');
  const table = differ.length
    ? '<div class="scroll" tabindex="0"><table><caption>By scheme</caption><thead><tr><th scope="col">' +
      'Setting</th>' +
      `${schemes.map((s) => `<th scope="col">${key(s, schemes)}${h(schemeName(s))}</th>`).join('')}</tr>` +
      `</thead><tbody>${rows}</tbody></table></div>`
    : '';
  return `<dl class="settings">${list}</dl>${table}`;
}
