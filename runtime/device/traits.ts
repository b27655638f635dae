// What kernels ask about an adapter, answered in one place: which of their variants can run there, and which win.

import type { SubgroupMatrix } from './matrices.ts';
import type { DeviceOptions } from './types.ts';

/** What decides between variants of kernels. */
export interface Traits {
  /**
   * Loads from buffers are slow, while reads through textures and broadcasts within a subgroup of 8 lanes or more are
   * fast: kernels with such a variant use it. The variants stand in `DeviceOptions.native`.
   */
  readonly texels: boolean;
  /** Workgroup memory is faster than the caches: products go by tiles that a workgroup shares. */
  readonly tiles: boolean;
  /** Kernels over vectors of four channels are so much faster that channels are filled up to a multiple of four. */
  readonly vectors: boolean;
  /** What a subgroup multiplies at once in f16; undefined where it cannot. */
  readonly matrix: SubgroupMatrix | undefined;
}

/**
 * The traits of an adapter.
 * @param kind of the adapter, as in `AdapterInfo`
 * @param options of the device: the native kernels and subgroup matrices that it may use
 */
export function traitsOf(
  gpu: GPUDevice,
  kind: string,
  { native, matrix }: Pick<DeviceOptions, 'native' | 'matrix'>,
): Traits {
  const texels =
    native !== undefined &&
    kind === 'lavapipe' &&
    gpu.features.has('subgroups') &&
    (gpu.adapterInfo?.subgroupMinSize ?? 0) >= 8;
  const tiles = kind === 'hardware';
  return { texels, tiles, vectors: texels || tiles, matrix };
}
