// One device for all GPU tests of the process.

import { SHADERS } from '../../runtime/kernel/generated.ts';
import { KernelCache } from '../../runtime/kernel/kernel.ts';
import { openNode } from '../../runtime/node.ts';
import { Device } from '../../runtime/device/device.ts';
import type { SubgroupMatrix } from '../../runtime/device/matrices.ts';
import { checkDeclared } from '../proof/specialisations.ts';

let opened: Promise<Device> | undefined;

export function testDevice(): Promise<Device> {
  opened ??= openNode();
  return opened;
}

// Every specialisation that a test makes must be one of those that are proven to compile.
const get = KernelCache.prototype.get;
KernelCache.prototype.get = function (shader, entry, constants, shaders) {
  const { size } = this;
  const kernel = get.call(this, shader, entry, constants, shaders);
  if (this.size > size && shader in SHADERS) checkDeclared(shader, constants ?? {});
  return kernel;
};

/** The adapter with the traits of a GPU: kernels that have a variant for software adapters run the one for GPUs. */
export const asGpu = ({ gpu, info, options: { native } }: Device, matrix?: SubgroupMatrix): Device =>
  new Device(gpu, info, { native, traits: { texels: false, tiles: true, vectors: true, matrix } });

/** The adapter with the traits of one on which neither textures nor workgroup memory nor matrices win. */
export const asSoftware = ({ gpu, info }: Device): Device =>
  new Device(gpu, info, { traits: { texels: false, tiles: false, vectors: false, matrix: undefined } });

let other: Promise<Device> | undefined;

/** {@link asGpu} of the tests' device, with its subgroup matrices. */
export function gpuVariants(): Promise<Device> {
  other ??= testDevice().then((device) => asGpu(device, device.traits.matrix));
  return other;
}

let plain: Promise<Device> | undefined;

/** {@link asSoftware} of the tests' device. */
export function softwareVariants(): Promise<Device> {
  plain ??= testDevice().then(asSoftware);
  return plain;
}
