// The results of a benchmark as a table, as JSON, and against an earlier JSON.

import type { Case } from './cases.ts';
import type { EngineName } from './engine.ts';
import type { Timing } from './measure.ts';

export interface Result extends Partial<Timing> {
  engine: EngineName;
  /** Of the definition's multiplications and additions. */
  gflops?: number;
  /** GB/s of the bytes that must move at least. */
  gbps?: number;
  /** The larger of the shares of the adapter's arithmetic and bandwidth that these are. */
  roofline?: number;
  /** Most GPU memory that was alive while it ran. */
  peak_bytes?: number;
  /** Largest difference from the reference, relative to the largest value, for each output. */
  difference?: number[];
  /** False where that is beyond the tolerance: the time is then of another computation. */
  right?: boolean;
  /** There was nothing to hold the outputs against. */
  unchecked?: boolean;
  /** Milliseconds of a replay on the calling thread, and of these the engine's JavaScript. */
  host_ms?: number;
  javascript_ms?: number;
  /** Why the time is missing. */
  why?: string;
}

export interface Report {
  adapter: string;
  versions: Record<string, string>;
  command: string;
  date: string;
  /** What the adapter reaches: GFLOPS of multiply-adds in registers, GB/s read and written. */
  peaks: { gflops: number; gbps: number };
  /** The matrix products within a subgroup that f16 ran on, in words. */
  subgroupMatrices?: string;
  cases: { name: string; flops: number; bytes: number; results: Result[] }[];
}

/** Adds what follows from a time. */
export function withRates(result: Result, c: Pick<Case, 'flops' | 'bytes' | 'half'>, peaks: Report['peaks']): Result {
  if (!result.median_ms) return result;
  const gflops = c.flops / result.median_ms / 1e6;
  const gbps = c.bytes / result.median_ms / 1e6;
  const shares = [c.flops ? gflops / peaks.gflops : 0, c.bytes ? gbps / peaks.gbps : 0];
  // The adapter's peaks are those of WebGPU in f32.
  const comparable = !c.half && !result.engine.startsWith('pytorch') && Math.max(...shares) > 0;
  return {
    ...result,
    ...(c.flops && { gflops }),
    ...(c.bytes && { gbps }),
    ...(comparable && { roofline: Math.max(...shares) }),
  };
}

/** Largest difference of each output, relative to its largest value; infinite where one is missing or no number. */
export function differences(got: readonly ArrayLike<number>[], wanted: readonly ArrayLike<number>[]): number[] {
  return wanted.map((w, i) => {
    const g = got[i];
    if (!g || g.length !== w.length) return Infinity;
    let most = 0;
    let off = 0;
    for (let k = 0; k < w.length; k++) {
      most = Math.max(most, Math.abs(w[k]));
      const d = Math.abs(g[k] - w[k]);
      off = Math.max(off, Number.isNaN(d) ? Infinity : d);
    }
    return off / (most || 1);
  });
}

const ms = (t: number): string => (t < 10 ? t.toFixed(2) : t < 100 ? t.toFixed(1) : t.toFixed(0));
const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

/** A line for each case and engine; `ratio` is how many times as long as fewmask it takes. */
export function table(report: Report): string {
  const head = ['case', 'engine', 'median ms', 'min', 'max', 'ratio', 'GFLOPS', 'GB/s', 'roofline', 'MiB', 'note'];
  const rows: string[][] = [];
  for (const c of report.cases) {
    const own = c.results.find((r) => r.engine === 'fewmask')?.median_ms;
    c.results.forEach((r, i) => {
      const note = [
        r.why,
        r.javascript_ms !== undefined
          ? `host ${r.host_ms!.toFixed(1)} ms, JavaScript ${r.javascript_ms.toFixed(2)}`
          : '',
        r.right === false ? `WRONG: off by ${Math.max(...(r.difference ?? [])).toExponential(1)}` : '',
        r.unchecked ? 'values not checked' : '',
        r.samples === 0 ? 'noisy' : '',
        r.dropped ? `${r.dropped} dropped` : '',
      ]
        .filter(Boolean)
        .join('; ');
      rows.push([
        i ? '' : c.name,
        r.engine,
        r.median_ms ? ms(r.median_ms) : '-',
        r.min_ms ? ms(r.min_ms) : '',
        r.max_ms ? ms(r.max_ms) : '',
        r.median_ms && own ? (r.median_ms / own).toFixed(2) : '',
        r.gflops?.toFixed(1) ?? '',
        r.gbps?.toFixed(2) ?? '',
        r.roofline ? `${(100 * r.roofline).toFixed(0)} %` : '',
        r.peak_bytes ? mib(r.peak_bytes) : '',
        note,
      ]);
    });
  }
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i].length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i < 2 || i === head.length - 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd();
  return [line(head), ...rows.map(line)].join('\n');
}

/**
 * Where fewmask has become slower than in an earlier report.
 * @param allowed share by which a median may be larger
 * @returns one line per such case
 */
export function regressions(now: Report, before: Report, allowed = 0.1): string[] {
  const own = (r: Report): Map<string, number> =>
    new Map(
      r.cases.flatMap((c) =>
        c.results.filter((x) => x.engine === 'fewmask' && x.median_ms).map((x) => [c.name, x.median_ms!]),
      ),
    );
  const old = own(before);
  return [...own(now)].flatMap(([name, t]) => {
    const was = old.get(name);
    return was !== undefined && t > was * (1 + allowed)
      ? [`${name}: ${ms(t)} ms, before ${ms(was)} ms (${((t / was - 1) * 100).toFixed(0)} % slower)`]
      : [];
  });
}
