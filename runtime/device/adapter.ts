// What Node and browsers share in opening a device: what kind of adapter it is, what a request means, which features
// and limits to ask for.

import { DeviceError } from '../errors.ts';
import { counted } from '../inspect.ts';
import { MATRIX_FEATURE } from './matrices.ts';
import { mib, type PoolStats } from './pool.ts';
import type { AdapterInfo } from './types.ts';

/** `hardware`: a GPU. `lavapipe`, `swiftshader`: software. `other`: software of another make. */
export type AdapterKind = 'hardware' | 'lavapipe' | 'swiftshader' | 'other';

/** Which adapter to open. */
/** Which adapter to open, and how. */
export interface OpenOptions {
  /** Part of the adapter's description (in any case), or one of `hardware`, `lavapipe`, `swiftshader`. */
  adapter?: string;
  /** Which GPU of several; training wants the fast one, which is the default. */
  powerPreference?: GPUPowerPreference;
  /** Writes each step of the search to stderr (Node) or the console. */
  verbose?: boolean;
}

/** A device as it was opened, with what must stay alive as long as it. */
export interface OpenedDevice {
  device: GPUDevice;
  adapter: GPUAdapter;
  /** The `GPU` object that the adapter came from. */
  instance: GPU;
  info: AdapterInfo & { kind: AdapterKind };
}

/** What a user asked for: a kind, a part of a description, or nothing. */
export type Wish = { kind: AdapterKind; name?: undefined } | { kind?: undefined; name: string } | null;

/**
 * Reads `OpenOptions.adapter` or FEWMASK_ADAPTER. An empty text means no wish; `llvmpipe` and `gpu` are other words for
 * lavapipe and hardware.
 */
export function parseWish(text: string | undefined): Wish {
  const word = (text ?? '').trim().toLowerCase();
  if (word === '' || word === 'auto') return null;
  if (word === 'lavapipe' || word === 'llvmpipe') return { kind: 'lavapipe' };
  if (word === 'swiftshader') return { kind: 'swiftshader' };
  if (word === 'hardware' || word === 'gpu') return { kind: 'hardware' };
  return { name: word };
}

/** The kind of an adapter by its description and names. */
export function kindOf(
  info: { description: string; device: string; vendor: string; architecture: string },
  fallback: boolean,
): AdapterKind {
  const text = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`.toLowerCase();
  if (/llvmpipe|lavapipe/.test(text)) return 'lavapipe';
  if (text.includes('swiftshader')) return 'swiftshader';
  return fallback || /\b(software|null-backend|basic render)\b/.test(text) ? 'other' : 'hardware';
}

/** Does the adapter fulfil the wish? */
export function fulfils(info: AdapterInfo, wish: Wish): boolean {
  if (!wish) return true;
  if (wish.kind) return info.kind === wish.kind;
  return `${info.description} ${info.device} ${info.vendor}`.toLowerCase().includes(wish.name);
}

const FEATURES: readonly GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query', MATRIX_FEATURE];

const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxUniformBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxTextureDimension2D',
] as const;

/** What is known of an adapter; nothing where a browser does not tell. */
export function describe(info: GPUAdapterInfo | undefined): OpenedDevice['info'] {
  const { description = '', vendor = '', architecture = '', device = '' } = info ?? {};
  const kind = kindOf({ description, vendor, architecture, device }, info?.isFallbackAdapter ?? false);
  return {
    description: description || [vendor, architecture, device].filter(Boolean).join(' ') || 'an adapter without a name',
    vendor,
    architecture,
    device,
    kind,
    how: '',
  };
}

/**
 * What to request a GPUDevice of your own with, for the engine: every feature that it can use and the adapter has
 * (`shader-f16`, `subgroups`, `timestamp-query`, in Dawn subgroup matrices), and the adapter's highest limits for
 * buffers, bindings and workgroups. None is a must: a device with WebGPU's default limits and no feature works, without
 * f16 tensors and profiles, and with tensors of at most 128 MiB. Add to it what your own work needs.
 * @example const gpu = await adapter.requestDevice(deviceDescriptor(adapter));
 */
export function deviceDescriptor(
  adapter: GPUAdapter,
): GPUDeviceDescriptor & { requiredFeatures: GPUFeatureName[]; requiredLimits: Record<string, number> } {
  return {
    requiredFeatures: FEATURES.filter((f) => adapter.features.has(f)),
    requiredLimits: Object.fromEntries(LIMITS.map((l) => [l, adapter.limits[l]])),
  };
}

/** Opens a device with every feature and the highest limits that the engine can use. */
export async function requestDevice(adapter: GPUAdapter, description: string): Promise<GPUDevice> {
  try {
    return await adapter.requestDevice(deviceDescriptor(adapter));
  } catch (error) {
    throw new DeviceError(
      `the adapter ${description} gave no device: ${(error as Error).message}`,
      'close other programs that use the GPU, or choose another adapter',
    );
  }
}

/** A device in one line. @param stats of its pool; null once it has been closed */
export function deviceLine({ kind, description }: AdapterInfo, stats: PoolStats | null): string {
  const state = stats ? `, ${counted(stats.buffers, 'buffer')}, ${mib(stats.inUse)} in use` : ' (closed)';
  return `Device ${kind} ${JSON.stringify(description)}${state}`;
}
