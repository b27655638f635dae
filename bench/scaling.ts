// Time and memory of a U-Net's training step against image side, batch, width and classes:
//   npm run bench -- --scaling [--quick --json FILE --html FILE --svg FILE]
//
// FLOPs are those of the definition: convolutions forward and backward, 16 for each value that batch norm and ReLU see,
// 12 for each logit of the loss. On a software adapter time is the process's CPU time over its cores, on hardware the
// wall's; the least of several runs.

import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { plan } from '../runtime/autograd/plan.ts';
import { grad } from '../runtime/autograd/grad.ts';
import { FewmaskError } from '../runtime/errors.ts';
import { openNode } from '../runtime/node.ts';
import { HYPER_SIZE, hyperValues } from '../runtime/optim/hyper.ts';
import { Sgd } from '../runtime/optim/sgd.ts';
import { ceValid } from '../src/losses/index.ts';
import { UNet } from '../src/nn/unet.ts';
import { escapeHtml } from '../src/report/escape.ts';
import { unetFlops } from './cases.ts';
import { excesses, exponent, TOLERATED, type Excess, type Point } from './growth.ts';
import { lined } from './json.ts';
import { svg, type LogChart } from './plot.ts';
import { LR, MOMENTUM } from './training.ts';

const AXES = ['side', 'batch', 'width', 'classes'] as const;
type Axis = (typeof AXES)[number];
type Setting = Record<Axis, number>;
const DEPTH = 4;

const number = (text: string): number => {
  if (!(Number(text) > 0)) throw new InvalidArgumentError('give a number above 0.');
  return Number(text);
};
const flags = new Command('npm run bench -- --scaling')
  .description(
    'Time and memory of a training step of the U-Net against image side, batch, width and number of classes.',
  )
  .option('--scaling')
  .option(
    '--axes <list>',
    `of ${AXES.join(', ')}`,
    (text) => {
      const list = text.split(',') as Axis[];
      for (const a of list) if (!AXES.includes(a)) throw new InvalidArgumentError(`there is no axis "${a}".`);
      return list;
    },
    [...AXES],
  )
  .option('--seconds <n>', 'leave out a point whose step would take longer', number, 60)
  .option('--gib <n>', 'leave out a point that needs more memory', number, 4)
  .option('--quick', 'short axes, to try it')
  .option('--json <file>', 'write the points there')
  .option('--html <file>', 'write tables and charts there')
  .option('--svg <file>', 'write the charts there')
  .parse()
  .opts<{ axes: Axis[]; seconds: number; gib: number; quick?: boolean; json?: string; html?: string; svg?: string }>();

const device = await openNode({ budget: flags.gib * 2 ** 30 });
const hardware = device.info.kind === 'hardware';
const cores = availableParallelism();
const adapter = `${device.info.description} (${device.info.kind}), ${cores} cores`;
const BASE: Setting = flags.quick
  ? { side: 32, batch: 2, width: 4, classes: 5 }
  : hardware
    ? { side: 256, batch: 4, width: 32, classes: 5 }
    : { side: 128, batch: 2, width: 8, classes: 5 };
const VALUES: Record<Axis, readonly number[]> = flags.quick
  ? { side: [16, 32, 64], batch: [1, 2, 4], width: [4, 8, 16], classes: [2, 5, 32] }
  : {
      side: [64, 128, 256, 512, 1024],
      batch: [1, 2, 4, 8, 16, 32],
      width: [8, 16, 32, 64, 128],
      classes: [2, 5, 11, 21, 50, 150],
    };

function flopsOf({ side, batch, width, classes }: Setting): number {
  const widths = Array.from({ length: DEPTH }, (_, i) => width * 2 ** i);
  // Two normalised layers in each encoder and each decoder.
  const normalised = widths.reduce((n, c, i) => n + (side >> i) ** 2 * c * (i < DEPTH - 1 ? 4 : 2), 0);
  return 3 * unetFlops(batch, side, side, widths, classes) + batch * (16 * normalised + 12 * side * side * classes);
}

/**
 * Milliseconds of kernels by shader and entry point, whatever they are specialised on (`conv2d.forward`); of each
 * dispatch the least of three.
 */
async function byKernel(step: {
  profile(): Promise<{ kernel: string; ms: number }[]>;
}): Promise<Record<string, number>> {
  const runs = [await step.profile(), await step.profile(), await step.profile()];
  const sums: Record<string, number> = {};
  runs[0].forEach(({ kernel }, i) => {
    const [name] = kernel.split('(');
    sums[name] = (sums[name] ?? 0) + Math.min(...runs.map((r) => r[i].ms));
  });
  return sums;
}

/** Times the step at a setting. @throws FewmaskError where it does not fit */
async function timed(s: Setting): Promise<Pick<Point, 'ms' | 'bytes' | 'kernels'>> {
  const net = new UNet(device, { numClasses: s.classes, width: s.width, depth: DEPTH });
  const sgd = new Sgd(net.params, { momentum: MOMENTUM });
  try {
    const shape = [s.batch, s.side, s.side];
    const pixels = s.batch * s.side * s.side;
    const step = plan(
      device,
      { x: { shape: [...shape, 3] }, y: { shape, dtype: 'i32' }, hyper: { shape: [HYPER_SIZE] } },
      ({ x, y, hyper }) => {
        const loss = ceValid(net.forward(x, { bn: 'train' }), y);
        sgd.step(grad(loss, [...net.params.values()]), hyper);
        return { loss };
      },
    );
    try {
      const bytes = device.pool.stats.inUse;
      step.run({
        x: Float32Array.from({ length: 3 * pixels }, (_, i) => Math.sin(i)),
        y: Int32Array.from({ length: pixels }, (_, i) => (i >> 3) % s.classes),
        hyper: hyperValues({ lr: LR, step: 1 }),
      });
      await device.sync();
      let ms = Infinity;
      const start = performance.now();
      for (let i = 0; i < 9 && (i < 2 || performance.now() - start < 2000); i++) {
        const t = performance.now();
        const used = process.cpuUsage();
        step.run();
        await device.sync();
        const { user, system } = process.cpuUsage(used);
        ms = Math.min(ms, hardware ? performance.now() - t : (user + system) / 1000 / cores);
      }
      const kernels = device.gpu.features.has('timestamp-query') ? await byKernel(step) : undefined;
      return { ms, bytes, kernels };
    } finally {
      step.dispose();
    }
  } finally {
    for (const o of [net, sgd]) o.dispose();
    device.pool.trim();
  }
}

async function along(axis: Axis): Promise<Point[]> {
  const points: Point[] = [];
  for (const value of VALUES[axis]) {
    const setting = { ...BASE, [axis]: value };
    const flops = flopsOf(setting);
    const last = points.findLast((p) => p.ms !== undefined);
    const expected = last ? (last.ms! * flops) / last.flops / 1000 : 0;
    let result: Partial<Point>;
    if (expected > flags.seconds)
      result = { why: `a step would take some ${expected.toFixed(0)} s (--seconds ${flags.seconds})` };
    else {
      result = await timed(setting).catch((error: Error) => {
        if (!(error instanceof FewmaskError)) throw error;
        return { why: error.message };
      });
    }
    points.push({ axis, value, flops, scores: 8 * setting.batch * setting.side ** 2 * setting.classes, ...result });
    console.error(`  ${axis} ${value}: ${result.ms ? `${result.ms.toFixed(1)} ms` : result.why}`);
  }
  return points;
}

console.error(adapter);
const series: { axis: Axis; points: Point[]; time: number | null; memory: number | null; faster: Excess[] }[] = [];
for (const axis of flags.axes) {
  const points = await along(axis);
  const measured = points.filter((p) => p.ms !== undefined);
  const growth = (key: 'ms' | 'bytes'): number | null =>
    exponent(measured.map((p) => ({ flops: p.flops, value: p[key]! })));
  series.push({ axis, points, time: growth('ms'), memory: growth('bytes'), faster: excesses(points) });
}
device.close();

const base = AXES.map((a) => `${a} ${BASE[a]}`).join(', ');
const HEAD = ['axis', 'value', 'GFLOP', 'ms', 'GFLOPS', 'MiB', 'note'];
const rows = series.flatMap(({ points }) =>
  points.map((p, i) => [
    i ? '' : p.axis,
    String(p.value),
    (p.flops / 1e9).toFixed(2),
    p.ms?.toFixed(1) ?? '-',
    p.ms ? (p.flops / p.ms / 1e6).toFixed(1) : '',
    p.bytes ? (p.bytes / 2 ** 20).toFixed(1) : '',
    p.why ?? '',
  ]),
);
const power = (v: number | null): string => (v === null ? 'FLOPs hardly change' : `FLOPs^${v.toFixed(2)}`);
const summary = series.map(({ axis, time, memory }) => `${axis}: time ~ ${power(time)}, memory ~ ${power(memory)}`);
const found = series
  .flatMap(({ faster }) => faster)
  .map((e) => {
    const kernels = e.kernels
      .map(
        (k) =>
          `${k.kernel} x${Number.isFinite(k.grew) ? k.grew.toFixed(1) : '(new)'}, ${k.excess_ms.toFixed(1)} ms beyond its share`,
      )
      .join('; ');
    if (e.of === 'memory')
      return (
        `memory from ${e.axis} ${e.from} to ${e.to}: x${e.grew.toFixed(2)} where the FLOPs grow ` +
        `x${e.flops.toFixed(2)}; scores and their gradient are ${(100 * Math.min(1, e.scores)).toFixed(0)} % ` +
        'of what came'
      );
    return (
      `${e.of} from ${e.axis} ${e.from} to ${e.to}: x${e.grew.toFixed(2)} where the FLOPs grow ` +
      `x${e.flops.toFixed(2)}${kernels ? ` (${kernels})` : ''}`
    );
  });
const verdict = found.length
  ? `Faster than its FLOPs (by more than ${Math.round(100 * (TOLERATED - 1))} %) grows:`
  : 'Nothing grows faster than its FLOPs.';

const widths = HEAD.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i].length)));
const line = (cells: readonly string[]): string =>
  cells
    .map((c, i) => (i === 0 || i === 6 ? c.padEnd(widths[i]) : c.padStart(widths[i])))
    .join('  ')
    .trimEnd();
console.log(
  [
    `U-Net, depth ${DEPTH}, around ${base}`,
    '',
    line(HEAD),
    ...rows.map(line),
    '',
    ...summary,
    '',
    verdict,
    ...found.map((f) => `- ${f}`),
  ].join('\n'),
);

const charts = (['ms', 'bytes'] as const).flatMap((key) =>
  series.map(({ axis, points }): LogChart => {
    const unit = key === 'ms' ? 1 : 2 ** 20;
    const first = points.find((p) => p[key] !== undefined);
    return {
      title: axis,
      unit: key === 'ms' ? 'ms' : 'MiB',
      x: points.map((p) => p.value),
      y: points.map((p) => (p[key] === undefined ? null : p[key] / unit)),
      expected: points.map((p) => (first ? (first[key]! / unit) * (p.flops / first.flops) : null)),
    };
  }),
);
const command = `npm run bench -- ${process.argv.slice(2).join(' ')}`.trim();
const date = new Date().toISOString().slice(0, 10);
if (flags.json) writeFileSync(flags.json, lined({ adapter, date, command, base: BASE, series }));
if (flags.svg) writeFileSync(flags.svg, svg(charts, series.length));
if (flags.html) {
  const h = escapeHtml;
  writeFileSync(
    flags.html,
    `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>fewmask: time and memory of a training step</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:1040px;margin:2em auto;padding:0 1em}
table{border-collapse:collapse}th,td{padding:.15em .8em;text-align:right;font-variant-numeric:tabular-nums}
th:first-child,td:first-child,td:last-child{text-align:left}
svg{max-width:100%;height:auto}</style></head>
<body><h1>Time and memory of a training step</h1>
<p>U-Net, depth ${DEPTH}, around ${h(base)}. ${h(adapter)}. ${date}.
Time is ${hardware ? "the wall's" : "the process's CPU time over its cores"}, the least of several runs;
FLOPs are those of the definition.</p>
<pre><code>${h(command)}</code></pre>
${svg(charts, series.length)}
<p>Dashed: what the first point leads one to expect by FLOPs.</p>
<ul>${summary.map((s) => `<li>${h(s)}</li>`).join('')}</ul>
<p>${h(verdict)}</p>${found.length ? `<ul>${found.map((f) => `<li>${h(f)}</li>`).join('')}</ul>` : ''}
<table><thead><tr>${HEAD.map((x) => `<th>${x}</th>`).join('')}</tr></thead>
<tbody>${rows.map((r) => `<tr>${r.map((c) => `<td>${h(c)}</td>`).join('')}</tr>`).join('')}</tbody></table>
</body></html>
`,
  );
}
process.exit();
