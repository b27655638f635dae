// The charts of the report, by uPlot: a line and a band for each scheme, one legend for all charts, a tooltip, colours
// that follow the page.

import uPlot from 'uplot';
import { decimals } from '../format.ts';
import type { Chart } from '../curves.ts';
import type { ReportData } from '../html.ts';

const variable = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Dashes tell the lines apart where colours do not. */
const DASHES: number[][] = [[7, 4], [], [], [2, 3], [], [7, 3, 2, 3], [1, 3], [10, 3], [4, 2]];

interface Line {
  id: string;
  name: string;
  slot: number;
}

function tooltip(lines: Line[], print: (v: number) => string): uPlot.Plugin {
  const box = document.createElement('div');
  box.className = 'tip';
  box.hidden = true;
  return {
    hooks: {
      init: (u) => u.over.append(box),
      setCursor: (u) => {
        const { idx, left } = u.cursor;
        const rows =
          idx === null || idx === undefined
            ? []
            : lines.flatMap((line, i) => {
                const v = u.data[1 + 3 * i][idx];
                const low = u.data[2 + 3 * i][idx];
                return u.series[1 + 3 * i].show && typeof v === 'number'
                  ? [{ line, v, std: typeof low === 'number' ? v - low : null }]
                  : [];
              });
        box.hidden = !rows.length || left === undefined || left < 0;
        if (box.hidden) return;
        rows.sort((a, b) => b.v - a.v);
        const title = document.createElement('b');
        title.textContent = `step ${u.data[0][idx!]}`;
        box.replaceChildren(
          title,
          ...rows.map(({ line, v, std }) => {
            const row = document.createElement('span');
            const key = document.createElement('i');
            const value = document.createElement('em');
            key.className = 'key';
            key.style.background = `var(--s${line.slot})`;
            value.textContent = print(v) + (std === null ? '' : ` ± ${print(std)}`);
            row.append(key, line.name, value);
            return row;
          }),
        );
        const right = Math.min(left! + 14, u.over.clientWidth - box.offsetWidth);
        const x = left! < u.over.clientWidth / 2 ? right : left! - box.offsetWidth - 14;
        box.style.left = `${Math.max(0, x)}px`;
      },
    },
  };
}

function make(figure: HTMLElement, chart: Chart, measure: number, data: ReportData, hidden: Set<string>): uPlot {
  const host = figure.querySelector<HTMLElement>('.plot')!;
  const { x, curves } = chart.measures[measure];
  const scale = chart.share ? 100 : 1;
  const print = (v: number): string => decimals(v, chart.share ? 1 : 3);
  const scaled = (v: (number | null)[]): (number | null)[] => v.map((y) => (y === null ? null : y * scale));
  const lines = curves.map((c) => data.schemes.find((s) => s.id === c.scheme)!);
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  lines.forEach((line, i) => {
    const stroke = (): string => variable(`--s${line.slot}`);
    const show = !hidden.has(line.id);
    const few = x.length <= 30;
    series.push({
      label: line.id,
      stroke,
      width: 2,
      dash: DASHES[line.slot],
      spanGaps: true,
      show,
      points: { show: few, size: 5, fill: stroke },
    });
    for (let k = 0; k < 2; k++)
      series.push({ label: line.id, stroke: 'transparent', spanGaps: true, show, points: { show: false } });
    bands.push({
      series: [3 + 3 * i, 2 + 3 * i],
      fill: () => `color-mix(in srgb, ${variable(`--s${line.slot}`)} 16%, transparent)`,
    });
  });
  const font = `12px ${variable('--font')}`;
  const axis = {
    stroke: () => variable('--muted'),
    font,
    grid: { stroke: () => variable('--line'), width: 1 },
    ticks: { show: false },
    border: { show: false },
  };
  const options: uPlot.Options = {
    width: host.clientWidth,
    height: 260,
    series,
    bands,
    legend: { show: false },
    padding: [8, 14, 0, 0],
    scales: { x: { time: false }, y: { range: (_, low, high) => range(low, high, chart.share) } },
    axes: [
      { ...axis, size: 30, space: 70 },
      { ...axis, size: 44, space: 36 },
    ],
    cursor: { points: { show: (_, i) => (i % 3 === 1 ? pointMark() : null!) }, y: false, sync: { key: 'steps' } },
    plugins: [tooltip(lines, print)],
  };
  return new uPlot(
    options,
    [x, ...curves.flatMap((c) => [scaled(c.mean), scaled(c.low), scaled(c.high)])] as uPlot.AlignedData,
    host,
  );
}

function pointMark(): HTMLElement {
  const mark = document.createElement('div');
  mark.className = 'mark';
  return mark;
}

/** A little room around the lines; shares stay in 0..100. */
function range(low: number | null, high: number | null, share: boolean): [number, number] {
  if (low === null || high === null) return [0, 1];
  const pad = 0.06 * (high - low || Math.abs(high) || 1);
  return [
    Math.max(low - pad, low >= 0 ? 0 : -Infinity),
    share ? Math.min(high + pad, Math.max(100, high)) : high + pad,
  ];
}

export function drawCharts(data: ReportData): void {
  const hidden = new Set<string>();
  const plots = new Map<HTMLElement, uPlot>();
  for (const figure of document.querySelectorAll<HTMLElement>('figure[data-chart]')) {
    const chart = data.charts.find((c) => c.id === figure.dataset.chart)!;
    const host = figure.querySelector<HTMLElement>('.plot')!;
    const draw = (measure: number): void => {
      plots.get(figure)?.destroy();
      plots.set(figure, make(figure, chart, measure, data, hidden));
    };
    draw(0);
    figure
      .querySelector('select')
      ?.addEventListener('change', (event) => draw(Number((event.target as HTMLSelectElement).value)));
    new ResizeObserver(() => plots.get(figure)!.setSize({ width: host.clientWidth, height: 260 })).observe(host);
  }
  for (const button of document.querySelectorAll<HTMLButtonElement>('.legend [data-scheme]')) {
    button.addEventListener('click', () => {
      const id = button.dataset.scheme!;
      const show = hidden.delete(id);
      if (!show) hidden.add(id);
      button.ariaPressed = String(show);
      for (const plot of plots.values())
        plot.series.forEach((s, i) => i && s.label === id && plot.setSeries(i, { show }));
    });
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
    plots.forEach((plot) => plot.redraw(false)),
  );
}
