// Does the adapter multiply small matrices within a subgroup (tensor cores)? Dawn has that as an experimental feature of WGSL, behind `allow_unsafe_apis`.

import { create } from 'webgpu';

interface Config {
  componentType: string;
  resultComponentType: string;
  M: number;
  N: number;
  K: number;
}

/** Dawn ends the process when an instance is collected while its adapter is in use. */
const pinned: object[] = [];

/** In a line: the shapes and types that the adapter offers, or that it offers none. @param description that of the adapter which is in use */
export async function subgroupMatrices(description: string): Promise<string> {
  const gpu = create(['enable-dawn-features=allow_unsafe_apis']);
  pinned.push(gpu);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (adapter?.info.description !== description) return 'unknown: the adapter was not given a second time';
  if (!adapter.features.has('chromium-experimental-subgroup-matrix')) return 'not offered by the adapter';
  const { subgroupMatrixConfigs: configs = [] } = adapter.info as GPUAdapterInfo & { subgroupMatrixConfigs?: Iterable<Config> };
  return `offered: ${[...configs].map((c) => `${c.M}x${c.N}x${c.K} ${c.componentType} to ${c.resultComponentType}`).join(', ')}`;
}
