// Which device compiles a shader in the tests: the adapter's, or one without a driver for what only few adapters have.

import { create } from 'webgpu';
import { MATRIX_FEATURE } from '../../runtime/device/matrices.ts';
import { testDevice } from './device.ts';

/**
 * Dawn without a driver: its compiler takes every feature. Pinned, for Dawn ends the process when it is collected
 * before its device.
 */
const nowhere = create(['enable-dawn-features=allow_unsafe_apis', 'backend=null']);

export async function compilers(): Promise<(code: string) => GPUDevice> {
  const { gpu } = await testDevice();
  const adapter = await nowhere.requestAdapter();
  const other = await adapter!.requestDevice({ requiredFeatures: ['shader-f16', 'subgroups', MATRIX_FEATURE] });
  return (code) => (code.includes('subgroup_matrix') ? other : gpu);
}
