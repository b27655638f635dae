// The comparison as one HTML file: no network, no other file. It reads without scripts; they add the charts, sorting
// and zoom.

import { charts } from './curves.ts';
import { escapeHtml as h, scriptJson } from './escape.ts';
import { duration, percent, points } from './format.ts';
import { classLegend, gallery } from './gallery.ts';
import { CLIENT_CSS, CLIENT_JS } from './generated.ts';
import { footnotes, summarise, type Summary } from './summary.ts';
import { colourSlot, schemeName } from './schemes.ts';
import { classTable, confusionMatrices, resultsTable, seedPlot, settings } from './tables.ts';
import { warningsOf } from './text.ts';
import type { Comparison } from '../train/records.ts';

/** What the file's script reads. */
export interface ReportData {
  charts: ReturnType<typeof charts>;
  schemes: { id: string; name: string; slot: number }[];
  classes: { name: string; colour: number[] }[];
}

/** One sentence: which mean is the highest. Whether it is a lead, the spread beside it says. */
function finding({ schemes, headline, split }: Summary): string {
  const scored = schemes
    .filter((s) => s[headline].miou)
    .sort((a, b) => b[headline].miou!.mean - a[headline].miou!.mean);
  if (!scored.length) return '';
  const [top] = scored;
  const gain = top.gain?.[headline];
  const over = gain ? `, <strong>${points(gain)}</strong> points over supervised` : '';
  return (
    `<p class="finding">${h(schemeName(top.scheme))} ` +
    `${scored.length > 1 ? 'has the highest mean' : 'reaches a'} mIoU on ` +
    `${split}${scored.length > 1 ? ':' : ' of'} <strong>${percent(top[headline].miou)} %</strong>` +
    `${over}.</p>`
  );
}

/**
 * The report. Give it to a file with the ending `.html`.
 * @throws DataError where there are no runs
 * @example await writeFile('report.html', htmlReport(comparison));
 */
export function htmlReport(comparison: Comparison): string {
  const summary = summarise(comparison);
  const warnings = warningsOf(comparison);
  const { palette } = comparison.runs[0];
  const { classNames } = summary;
  const schemes = summary.schemes.map((s) => s.scheme);
  const shown = charts(comparison);
  const pictures = gallery(comparison);
  const data: ReportData = {
    charts: shown,
    schemes: schemes.map((id) => ({ id, name: schemeName(id), slot: colourSlot(id, schemes) })),
    classes: classNames.map((name, c) => ({ name, colour: [...(palette[c] ?? [])] })),
  };
  const seeds = [...new Set(comparison.runs.map((r) => r.seed))].sort((a, b) => a - b);
  const facts = [
    ['Data', comparison.dataset],
    ['Adapter', comparison.adapter],
    ['Date', comparison.date],
    [seeds.length > 1 ? 'Seeds' : 'Seed', seeds.join(', ')],
    ['All runs', duration(summary.seconds)],
  ];
  const figures = (ids: string[]): string =>
    shown
      .filter((c) => ids.includes(c.id))
      .map((c) => {
        const choice =
          c.measures.length > 1
            ? '<select aria-label="Term of the loss">' +
              `${c.measures.map((m, i) => `<option value="${i}">${h(m.name)}</option>`).join('')}</select>`
            : '';
        return (
          `<figure class="panel chart" data-chart="${c.id}"><figcaption><h3>${h(c.title)}</h3>${choice}<p ` +
          `class="muted">${h(c.note)}</p></figcaption><div class="plot"></div></figure>`
        );
      })
      .join('\n');
  const legend =
    '<div class="legend" role="group" aria-label="Schemes shown">' +
    schemes
      .map(
        (s) =>
          `<button type="button" aria-pressed="true" data-scheme="${h(s)}">` +
          `<i class="key" style="background:var(--s${colourSlot(s, schemes)})"></i>${h(schemeName(s))}</button>`,
      )
      .join('') +
    '</div>';
  const learning = figures(['miou', 'loss']);
  const pseudo = figures(['accepted', 'accuracy']);
  const notes = footnotes(summary)
    .map((n) => `<p>${h(n)}</p>`)
    .join('');
  const sections: [id: string, title: string, html: string][] = (
    [
      ['results', 'Results', `${seedPlot(summary)}${resultsTable(summary)}<div class="notes">${notes}</div>`],
      ['classes', 'Classes', classTable(summary, palette)],
      [
        'curves',
        'Learning curves',
        learning &&
          `${legend}<div class="charts">${learning}</div><p class="notes">` +
            `${seeds.length > 1 ? 'Lines are means over seeds, bands one sample standard deviation. ' : ''}Drag ` +
            'to zoom, double-click to go back.</p>',
      ],
      ['pseudo', 'Pseudo-labels', pseudo && `${learning ? '' : legend}<div class="charts">${pseudo}</div>`],
      ['pictures', 'Pictures', pictures && classLegend(classNames, palette) + pictures],
      [
        'confusion',
        'Confusion',
        `<p class="notes">Percent of the pixels of each true class, ${summary.headline} on ${summary.split}, ` +
          `all seeds together.</p>${confusionMatrices(summary, palette)}`,
      ],
      ['settings', 'Settings', settings(comparison)],
    ] as [string, string, string][]
  ).filter(([, , html]) => html);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline';
 script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<title>${h(comparison.title)}</title>
<link rel="icon" href="data:,">
<style>${CLIENT_CSS}</style>
</head>
<body>
<header>
<h1>${h(comparison.title)}</h1>
${finding(summary)}
<dl class="facts">${facts.map(([k, v]) => `<div><dt>${k}</dt><dd>${h(v)}</dd></div>`).join('')}</dl>
<pre class="command" tabindex="0"><code>${h(comparison.command)}</code></pre>
${
  warnings.length
    ? `<details class="warnings" open><summary>${warnings.length} ${warnings.length > 1 ? 'warnings' : 'warning'}</summary>
<ul>${warnings.map((w) => `<li>${h(w)}</li>`).join('')}</ul></details>`
    : ''
}
</header>
<nav aria-label="Sections">${sections.map(([id, title]) => `<a href="#${id}">${title}</a>`).join('')}</nav>
<main>
${sections.map(([id, title, html]) => `<section id="${id}"><h2>${title}</h2>\n${html}\n</section>`).join('\n')}
</main>
<script type="application/json" id="data">${scriptJson(data)}</script>
<script>${CLIENT_JS}</script>
</body>
</html>
`;
}
