// Subgroup matrices (tensor cores): an experimental feature of Dawn, which no browser offers.

/** Rows, columns and inner size of what the lanes of a subgroup multiply at once: f16, added up in f32. */
export interface SubgroupMatrix {
  M: number;
  N: number;
  K: number;
  LANES: number;
}

/** The feature's name, which the types of WebGPU do not know. */
export const MATRIX_FEATURE = 'chromium-experimental-subgroup-matrix' as GPUFeatureName;

interface Config extends Omit<SubgroupMatrix, 'LANES'> {
  componentType: string;
  resultComponentType: string;
}

/** The largest that conv2dMatrix.wgsl can do with and the device has been opened for; undefined where there is none. */
export function subgroupMatrix(device: GPUDevice, info: GPUAdapterInfo): SubgroupMatrix | undefined {
  const {
    subgroupMatrixConfigs = [],
    subgroupMinSize: LANES = 0,
    subgroupMaxSize,
  } = info as GPUAdapterInfo & { subgroupMatrixConfigs?: Iterable<Config> };
  if (
    !device.features.has(MATRIX_FEATURE) ||
    !device.features.has('shader-f16') ||
    !device.features.has('subgroups') ||
    LANES !== subgroupMaxSize ||
    ![8, 16, 32, 64].includes(LANES)
  )
    return undefined;
  const fits = [...subgroupMatrixConfigs].filter(
    (c) =>
      c.componentType === 'f16' &&
      c.resultComponentType === 'f32' &&
      c.M <= LANES &&
      [c.M, c.N, c.K].every((s) => s === 8 || s === 16),
  );
  const [best] = fits.sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K || b.M - a.M);
  return best && { M: best.M, N: best.N, K: best.K, LANES };
}
