// How time and memory grow against the arithmetic of a step: exponents, and what grows faster.

/** A training step of the U-Net at one setting. */
export interface Point {
  axis: string;
  value: number;
  /** Multiplications and additions of the step, see scaling.ts. */
  flops: number;
  /** Bytes of the logits and of their gradient. */
  scores: number;
  ms?: number;
  bytes?: number;
  /** Milliseconds of each kernel. */
  kernels?: Record<string, number>;
  /** Why the time is missing. */
  why?: string;
}

/** Something that grew more than the FLOPs between two neighbours of an axis. */
export interface Excess {
  axis: string;
  from: number;
  to: number;
  of: 'time' | 'memory';
  /** How many times as much, and how many times the FLOPs. */
  grew: number;
  flops: number;
  /** Which part of the memory that came is the logits' and their gradient's. */
  scores: number;
  /** The kernels that did, with the milliseconds that they take beyond their share; those that matter most first. */
  kernels: { kernel: string; grew: number; excess_ms: number }[];
}

/** Growth beyond the FLOPs by less than this is noise. */
export const TOLERATED = 1.15;

/**
 * The exponent p of value ~ flops^p by least squares; null for fewer than two points, or where the FLOPs hardly change.
 */
export function exponent(points: readonly { flops: number; value: number }[]): number | null {
  if (points.length < 2) return null;
  const x = points.map((p) => Math.log(p.flops));
  const y = points.map((p) => Math.log(p.value));
  const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
  const mx = mean(x);
  const my = mean(y);
  const spread = x.reduce((s, v) => s + (v - mx) ** 2, 0);
  return spread < 0.01 ? null : x.reduce((s, v, i) => s + (v - mx) * (y[i] - my), 0) / spread;
}

/** What grew faster than the FLOPs along an axis. @param points of one axis, ascending */
export function excesses(points: readonly Point[]): Excess[] {
  const measured = points.filter((p) => p.ms !== undefined && p.bytes !== undefined);
  return measured.slice(1).flatMap((to, i) => {
    const from = measured[i];
    const flops = to.flops / from.flops;
    return (['time', 'memory'] as const).flatMap((of): Excess[] => {
      const grew = of === 'time' ? to.ms! / from.ms! : to.bytes! / from.bytes!;
      if (grew <= flops * TOLERATED) return [];
      const kernels =
        of === 'memory'
          ? []
          : Object.entries(to.kernels ?? {})
              .map(([kernel, ms]) => ({
                kernel,
                grew: ms / (from.kernels?.[kernel] ?? 0),
                excess_ms: ms - flops * (from.kernels?.[kernel] ?? 0),
              }))
              .filter((k) => k.excess_ms > 0.05 * (to.ms! - flops * from.ms!))
              .sort((a, b) => b.excess_ms - a.excess_ms)
              .slice(0, 5);
      return [
        {
          axis: to.axis,
          from: from.value,
          to: to.value,
          of,
          grew,
          flops,
          scores: (to.scores - from.scores) / (to.bytes! - from.bytes!),
          kernels,
        },
      ];
    });
  });
}
