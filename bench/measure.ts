// Times that can be compared: the engines take turns, samples during which another process used the cores are dropped,
// medians of the rest.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Job } from './engine.ts';

export interface Timing {
  median_ms: number;
  min_ms: number;
  max_ms: number;
  samples: number;
  /** Samples that were dropped. */
  dropped: number;
}

export interface MeasureOptions {
  /** Good samples of each job. */
  samples: number;
  /** Seconds that a sample lasts at least: short work is repeated. */
  sampleSeconds: number;
  /** Share of the cores that others may use during a sample. */
  tolerated: number;
  /**
   * Seconds for all jobs together; samples that were dropped are then taken for want of better ones, which the report
   * says.
   */
  limitSeconds: number;
}

const TICKS = 100;
const cores = availableParallelism();

/** Seconds of CPU that all processes of the machine have used; null where the system does not tell. */
function machineSeconds(): number | null {
  try {
    const [, user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
      .split('\n')[0]
      .split(/\s+/)
      .map(Number);
    return (user + nice + system + irq + softirq) / TICKS;
  } catch {
    return null;
  }
}

interface Sample {
  ms: number;
  /** Share of the cores that others used. */
  others: number;
}

async function sample(job: Job, times: number): Promise<Sample> {
  const machine = machineSeconds();
  const own = process.cpuUsage();
  const start = performance.now();
  const elsewhere = (await job.run(times)) ?? 0;
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(own);
  const after = machineSeconds();
  const others =
    machine === null || after === null
      ? 0
      : Math.max(0, after - machine - (used.user + used.system) / 1e6 - elsewhere) / (seconds * cores);
  return { ms: (1000 * seconds) / times, others };
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const s = [...values].sort((a, b) => a - b);
  const m = s.length >> 1;
  return s.length % 2 ? s[m] : (s[m - 1] + s[m]) / 2;
}

/**
 * How often a job must run in a sample of some seconds: found by doubling, since a first run may be far shorter than
 * the others.
 */
async function repeats(job: Job, seconds: number): Promise<number> {
  for (let times = 1; ; times *= 2) {
    const { ms } = await sample(job, times);
    if (ms * times >= 500 * seconds) return Math.max(1, Math.ceil((1000 * seconds) / ms));
  }
}

/**
 * Times jobs against each other.
 * @param jobs ready to run; each is run once before it is timed
 * @returns in the order of the jobs
 */
export async function measure(jobs: readonly Job[], options: MeasureOptions): Promise<Timing[]> {
  const times: number[] = [];
  for (const job of jobs) {
    await job.run(1);
    times.push(await repeats(job, options.sampleSeconds));
  }
  const good: number[][] = jobs.map(() => []);
  const all: Sample[][] = jobs.map(() => []);
  const start = performance.now();
  while (good.some((g) => g.length < options.samples) && performance.now() - start < 1000 * options.limitSeconds) {
    for (const [i, job] of jobs.entries()) {
      if (good[i].length >= options.samples && all[i].length > good[i].length) continue;
      const s = await sample(job, times[i]);
      all[i].push(s);
      if (s.others <= options.tolerated) good[i].push(s.ms);
    }
  }
  return jobs.map((_, i) => {
    // Too few quiet moments: the quietest samples stand in.
    const enough = good[i].length >= 3;
    const values = enough
      ? good[i]
      : [...all[i]]
          .sort((a, b) => a.others - b.others)
          .slice(0, options.samples)
          .map((s) => s.ms);
    return {
      median_ms: median(values),
      min_ms: Math.min(...values),
      max_ms: Math.max(...values),
      samples: enough ? values.length : 0,
      dropped: all[i].length - good[i].length,
    };
  });
}
