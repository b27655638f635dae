// Getting a GPUDevice in Node, through Dawn: what was asked for, else a hardware adapter, else lavapipe, else the
// embedded SwiftShader.

import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeviceError } from '../../errors.ts';
import { describe, fulfils, parseWish, requestDevice, type OpenedDevice, type OpenOptions } from '../adapter.ts';
import { subgroupMatrix, type SubgroupMatrix } from '../matrices.ts';
import { loadEmbedded } from './embedded.ts';
import { waitQuietly } from './waits.ts';

export type { OpenedDevice, OpenOptions } from '../adapter.ts';

/** What dawn.node exports, as far as it is needed. */
export interface Dawn {
  create(options: string[]): GPU;
}

/**
 * Dawn ends the process when the object from `create()` is collected while a device lives: each one used stays as long
 * as this module.
 */
const pinned = new Set<object>();

/** An instance of Dawn that stays. */
function createInstance(dawn: Dawn, flags: string[]): GPU {
  const instance = dawn.create(flags);
  pinned.add(instance);
  return instance;
}

/** Mesa complains on stderr when the folder for its sockets is not named. It reads the variable when Dawn loads it. */
function quietMesa(): void {
  if (process.env.XDG_RUNTIME_DIR || process.platform !== 'linux') return;
  const folder = join(tmpdir(), `fewmask-runtime-${process.getuid?.()}`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    process.env.XDG_RUNTIME_DIR = folder;
  } catch {
    // Only a warning is lost.
  }
}

interface Found {
  instance: GPU;
  adapter: GPUAdapter;
  info: OpenedDevice['info'];
}

/**
 * Asks Dawn for an adapter. `name` is part of the name that Dawn has for it; Dawn throws when none has it, and gives
 * null when there is no driver.
 */
async function ask(dawn: Dawn, options: OpenOptions, name?: string): Promise<Found | null> {
  // Timestamps in steps of 0.1 ms, meant against side channels of web pages, are too coarse for kernels.
  // Subgroup matrices are among the experimental features that have to be asked for.
  const flags = ['disable-dawn-features=timestamp_quantization', 'enable-dawn-features=allow_unsafe_apis'];
  const instance = createInstance(dawn, name === undefined ? flags : [...flags, `adapter=${name}`]);
  const adapter = await instance
    .requestAdapter({ powerPreference: options.powerPreference ?? 'high-performance' })
    .catch(() => null);
  if (options.verbose)
    console.error(`adapter${name === undefined ? '' : ` "${name}"`}: ${adapter ? adapter.info.description : 'none'}`);
  return adapter ? { instance, adapter, info: describe(adapter.info) } : null;
}

/** The subgroup matrices that f16 is multiplied by; none where FEWMASK_MATRICES is off. */
export const matrixOf = ({ device, adapter }: OpenedDevice): SubgroupMatrix | undefined =>
  process.env.FEWMASK_MATRICES === 'off' ? undefined : subgroupMatrix(device, adapter.info);

/** The names of all adapters that Dawn sees: it tells them when asked for one that there is not. */
async function adapterNames(dawn: Dawn): Promise<string[]> {
  const instance = createInstance(dawn, ['adapter=\u0001']);
  const message = await instance.requestAdapter().then(
    () => '',
    (error: Error) => error.message,
  );
  return [...new Set([...message.matchAll(/name: '([^']*)'/g)].map((m) => m[1]))];
}

/**
 * Opens a device: what `options.adapter` or FEWMASK_ADAPTER asks for; else a hardware adapter, else lavapipe, else the
 * SwiftShader that `npm run setup` put into the cache folder. The device has the adapter's highest limits and, where
 * there are, `shader-f16`, `subgroups`, `timestamp-query`.
 * @throws DeviceError when no adapter is there, or none that was asked for
 * @example const { device, info } = await openNodeDevice({ adapter: 'lavapipe' });
 */
export async function openNodeDevice(options: OpenOptions = {}): Promise<OpenedDevice> {
  quietMesa();
  const fromOptions = parseWish(options.adapter);
  const wish = fromOptions ?? parseWish(process.env.FEWMASK_ADAPTER);
  const dawn = await systemDawn();
  let found: Found | null = null;
  let how: string;
  if (wish) {
    const text = (fromOptions ? options.adapter : process.env.FEWMASK_ADAPTER)!.trim();
    found = await wished(dawn, options, text);
    how = `asked for by ${fromOptions ? 'option' : 'FEWMASK_ADAPTER'}: ${text}`;
  } else {
    // Dawn puts hardware before software; of two software adapters the faster one is looked for by name.
    found = await ask(dawn, options);
    if (found && found.info.kind !== 'hardware' && found.info.kind !== 'lavapipe')
      found = (await ask(dawn, options, 'llvmpipe')) ?? found;
    if (!found) found = await embedded(options);
    how = found ? REASON[found.info.kind] : '';
  }
  if (!found)
    throw new DeviceError(
      'no usable GPU adapter on this machine',
      `install the Vulkan driver of your GPU, or ${SOFTWARE}`,
    );
  const device = await requestDevice(found.adapter, found.info.description);
  waitQuietly(device);
  return { device, adapter: found.adapter, instance: found.instance, info: { ...found.info, how } };
}

/** How to get along without a driver: in a checkout, and with the package. */
const SOFTWARE = 'get a software adapter: "npm run setup" in the project, installEmbedded() of fewmask/node elsewhere';

const REASON = {
  hardware: 'a hardware adapter',
  lavapipe: "no hardware adapter: Mesa's software adapter",
  swiftshader: 'no hardware adapter and no lavapipe: SwiftShader, which is slow',
  other: 'the only adapter there is',
} as const;

async function wished(dawn: Dawn, options: OpenOptions, text: string): Promise<Found> {
  const wish = parseWish(text);
  const first = await ask(dawn, options);
  if (first && fulfils(first.info, wish)) return first;
  const names = first ? await adapterNames(dawn) : [];
  for (const name of names) {
    const found = await ask(dawn, options, name);
    if (found && (fulfils(found.info, wish) || fulfils({ ...found.info, description: name }, wish))) return found;
  }
  const own = await embedded(options);
  if (own && fulfils(own.info, wish)) return own;
  const all = [...names, ...(own ? [`${own.info.description} (embedded)`] : [])];
  throw new DeviceError(
    `no adapter matches "${text}"; ${all.length ? `there is: ${all.join(', ')}` : 'there is none at all'}`,
    all.length ? 'leave `adapter` and FEWMASK_ADAPTER away to take the best one' : SOFTWARE,
  );
}

async function systemDawn(): Promise<Dawn> {
  try {
    return await import('webgpu');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND')
      throw new DeviceError(
        'WebGPU in Node is the package webgpu (Dawn), which is not installed',
        'npm install webgpu',
      );
    throw new DeviceError(
      `Dawn cannot be loaded: ${message.split('\n')[0]}`,
      'run "npm install webgpu"; on Linux it needs glibc 2.34 and libstdc++ of GCC 12 or later',
    );
  }
}

async function embedded(options: OpenOptions): Promise<Found | null> {
  const dawn = loadEmbedded();
  return dawn ? ask(dawn, options) : null;
}
