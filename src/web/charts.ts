// The live curves: losses with their smoothed line, mIoU, and pseudo-labels; drawn by uPlot at most once a frame.

import uPlot from 'uplot';
import { decimals } from '../report/format.ts';

export interface Line {
  name: string;
  /** A variable of the style sheet. */
  colour: string;
  /** Drawn thin and pale: the raw values under a smoothed line. */
  faint?: boolean;
  /** A mark at each value: for values that are few. */
  marks?: boolean;
}

export interface ChartOptions {
  lines: readonly Line[];
  /** Values are shares, shown in percent from 0 on. */
  share: boolean;
}

const HEIGHT = 200;
const variable = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A chart over steps, to which values are added as they come. */
export class LiveChart {
  private readonly plot: uPlot;
  private readonly x: number[] = [];
  private readonly y: (number | null)[][];
  private readonly options: ChartOptions;
  private readonly values: HTMLElement[];
  private steps = 0;
  private waiting = false;

  /**
   * @param figure holds `.plot` and `.values`: a place for the drawing and one for the latest values, which are the
   *   legend as well
   */
  constructor(figure: HTMLElement, options: ChartOptions) {
    this.options = options;
    this.y = options.lines.map(() => []);
    const host = figure.querySelector<HTMLElement>('.plot')!;
    this.values = options.lines.map((line) => {
      const item = document.createElement('span');
      const key = document.createElement('i');
      const value = document.createElement('b');
      key.className = 'key';
      key.style.background = `var(${line.colour})`;
      if (line.faint) key.classList.add('faint');
      value.textContent = '–';
      item.append(key, line.name, ' ', value);
      figure.querySelector('.values')!.append(item);
      return value;
    });
    const axis = {
      stroke: () => variable('--muted'),
      font: `12px ${variable('--font')}`,
      grid: { stroke: () => variable('--line'), width: 1 },
      ticks: { show: false },
      border: { show: false },
    };
    this.plot = new uPlot(
      {
        width: host.clientWidth || 300,
        height: HEIGHT,
        legend: { show: false },
        padding: [8, 10, 0, 0],
        scales: {
          x: { time: false, range: (_, __, high) => [0, Math.max(this.steps, high ?? 1)] },
          y: { range: (_, low, high) => this.range(low, high) },
        },
        axes: [
          { ...axis, size: 28, space: 60 },
          { ...axis, size: 42, space: 34 },
        ],
        cursor: { y: false, points: { show: false } },
        hooks: {
          setCursor: [(u) => this.print(u.cursor.left !== undefined && u.cursor.left >= 0 ? u.cursor.idx : null)],
        },
        series: [
          {},
          ...options.lines.map(({ name, colour, faint, marks }): uPlot.Series => {
            const stroke = (): string =>
              faint ? `color-mix(in srgb, ${variable(colour)} 35%, transparent)` : variable(colour);
            return {
              label: name,
              stroke,
              width: faint ? 1 : 2,
              spanGaps: true,
              points: { show: marks ?? false, size: 6, fill: stroke },
            };
          }),
        ],
      },
      [this.x, ...this.y] as uPlot.AlignedData,
      host,
    );
    new ResizeObserver(() => this.plot.setSize({ width: host.clientWidth, height: HEIGHT })).observe(host);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.plot.redraw(false));
  }

  /** A little room around the lines; without values 0 to 1. */
  private range(low: number | null, high: number | null): [number, number] {
    if (low === null || high === null) return this.options.share ? [0, 100] : [0, 1];
    if (this.options.share) return [0, Math.min(100, Math.max(10, high * 1.1))];
    const pad = 0.06 * (high - low || Math.abs(high) || 1);
    return [Math.max(low - pad, low >= 0 ? 0 : -Infinity), high + pad];
  }

  /** Empties the chart. @param steps the end of its axis */
  clear(steps: number): void {
    this.steps = steps;
    this.x.length = 0;
    for (const y of this.y) y.length = 0;
    this.draw();
  }

  /** Adds the values of a step, in the order of the lines; null where there is none. */
  add(step: number, values: readonly (number | null)[]): void {
    this.x.push(step);
    values.forEach((v, i) => this.y[i].push(v === null ? null : this.options.share ? 100 * v : v));
    this.draw();
  }

  private draw(): void {
    if (this.waiting) return;
    this.waiting = true;
    // A hidden tab draws no frames: values are collected, and drawn when it is visible again.
    requestAnimationFrame(() => {
      this.waiting = false;
      this.plot.setData([this.x, ...this.y] as uPlot.AlignedData);
      this.print(null);
    });
  }

  /** Prints the values at an index, or the last ones. */
  private print(index: number | null | undefined): void {
    this.y.forEach((y, i) => {
      const v = index === null || index === undefined ? y.findLast((w) => w !== null) : y[index];
      const shown = (value: number): string => (this.options.share ? `${value.toFixed(1)} %` : decimals(value, 3));
      this.values[i].textContent = v === null || v === undefined ? '–' : shown(v);
    });
  }
}

/** An exponential moving average that starts as the plain mean. */
export class Smooth {
  private value = 0;
  private weight = 0;
  private readonly keep: number;

  constructor(keep = 0.9) {
    this.keep = keep;
  }

  next(v: number): number {
    this.value = this.keep * this.value + (1 - this.keep) * v;
    this.weight = this.keep * this.weight + (1 - this.keep);
    return this.value / this.weight;
  }
}
