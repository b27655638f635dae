// `fewmask doctor`: what this machine offers, and what to do where something is missing.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Command } from 'commander';
import { cacheFolder } from '../../runtime/device/node/cache.ts';
import { embeddedLibrary } from '../../runtime/device/node/embedded.ts';
import { mib } from '../../runtime/device/pool.ts';
import { measureSpeed } from '../../runtime/device/speed.ts';
import { errorText } from '../../runtime/errors.ts';
import { openNode } from '../../runtime/node.ts';
import { action } from './action.ts';
import type { GlobalFlags } from './common.ts';
import type { Output } from './output.ts';

const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
] as const;

export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .summary('show adapter, driver, limits, speed')
    .description(
      'Shows the adapter, its driver, limits and features, the cache folders and a one-second speed ' +
        'figure, and says what to do when something is missing.',
    )
    .addHelpText('after', '\nExamples:\n  fewmask doctor\n  fewmask doctor --adapter lavapipe\n  fewmask doctor --json')
    .action(action(runDoctor));
}

interface Finding {
  adapter: { description: string; vendor: string; architecture: string; kind: string; how: string } | null;
  limits: Record<string, number>;
  features: { f16: boolean; subgroups: boolean; subgroupMatrices: string | null; timestamps: boolean };
  speed: { gflops: number; gigabytes: number } | null;
  versions: Record<string, string>;
  caches: Record<string, string>;
  advice: string[];
}

function version(name: string): string {
  try {
    return createRequire(import.meta.url)(`${name}/package.json`).version;
  } catch {
    return 'not installed';
  }
}

async function runDoctor(f: GlobalFlags, out: Output): Promise<number> {
  const found: Finding = {
    adapter: null,
    limits: {},
    features: { f16: false, subgroups: false, subgroupMatrices: null, timestamps: false },
    speed: null,
    versions: {
      node: process.versions.node,
      'webgpu (Dawn)': version('webgpu'),
      platform: `${process.platform} ${process.arch}`,
    },
    caches: {
      fewmask: cacheFolder(),
      'embedded adapter': existsSync(embeddedLibrary())
        ? embeddedLibrary()
        : 'not installed (setup fetches it only where there is no other adapter)',
      "Mesa's shaders":
        process.env.MESA_SHADER_CACHE_DIR ??
        `${process.env.XDG_CACHE_HOME ?? `${process.env.HOME}/.cache`}/mesa_shader_cache`,
    },
    advice: [],
  };
  let failed = false;
  try {
    const device = await openNode({ adapter: f.adapter, verbose: f.verbose });
    const {
      info,
      gpu,
      traits: { matrix },
    } = device;
    found.adapter = {
      description: info.description,
      vendor: info.vendor,
      architecture: info.architecture,
      kind: info.kind,
      how: info.how,
    };
    found.limits = Object.fromEntries(LIMITS.map((l) => [l, gpu.limits[l]]));
    found.features = {
      f16: gpu.features.has('shader-f16'),
      subgroups: gpu.features.has('subgroups'),
      subgroupMatrices: matrix ? `${matrix.M}x${matrix.N}x${matrix.K}` : null,
      timestamps: gpu.features.has('timestamp-query'),
    };
    found.speed = await measureSpeed(device, 0.5);
    device.close();
    if (info.kind !== 'hardware')
      found.advice.push(
        'this is a software adapter: training works, slowly; with a GPU, install its Vulkan driver (in a ' +
          'container with an NVIDIA GPU: NVIDIA_DRIVER_CAPABILITIES=all)',
      );
    if (info.kind === 'swiftshader')
      found.advice.push(
        'lavapipe is several times as fast as SwiftShader: as root on Debian or Ubuntu "npm run setup" installs it',
      );
    if (!found.features.timestamps)
      found.advice.push('the adapter has no timestamps: kernels cannot be profiled one by one');
  } catch (error) {
    failed = true;
    found.advice.push(errorText(error));
  }
  out.result(f.json ? JSON.stringify(found, null, 2) : text(found));
  return failed ? 1 : 0;
}

function text(d: Finding): string {
  const yes = (v: boolean): string => (v ? 'yes' : 'no');
  const bytes = (name: string, v: number): string =>
    !/Size$/.test(name) ? v.toLocaleString('en') : v < 2 ** 20 ? `${v / 1024} KiB` : mib(v);
  const rows: [string, string][] = [];
  if (d.adapter)
    rows.push(
      ['adapter', d.adapter.description],
      ['kind', `${d.adapter.kind} (${d.adapter.how})`],
      ['vendor', `${d.adapter.vendor} ${d.adapter.architecture}`.trim()],
    );
  else rows.push(['adapter', 'none']);
  if (d.speed)
    rows.push(['speed', `${d.speed.gflops.toFixed(1)} GFLOPS in registers, ${d.speed.gigabytes.toFixed(1)} GB/s`]);
  if (d.adapter)
    rows.push(
      ['f16', yes(d.features.f16)],
      ['subgroups', yes(d.features.subgroups)],
      ['subgroup matrices', d.features.subgroupMatrices ? `${d.features.subgroupMatrices}, for f16` : 'no'],
      ['timestamps', yes(d.features.timestamps)],
      ...Object.entries(d.limits).map(([k, v]): [string, string] => [k, bytes(k, v)]),
    );
  rows.push(
    ...Object.entries(d.versions),
    ...Object.entries(d.caches).map(([k, v]): [string, string] => [`cache: ${k}`, v]),
  );
  const width = Math.max(...rows.map(([k]) => k.length));
  return [
    ...rows.map(([k, v]) => `${k.padEnd(width)}  ${v}`),
    ...(d.advice.length ? ['', ...d.advice.map((a) => `- ${a}`)] : ['', 'nothing is missing']),
  ].join('\n');
}
