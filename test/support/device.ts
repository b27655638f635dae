// One device for all GPU tests of the process.

import { openNode } from '../../runtime/node.ts';
import { Device } from '../../runtime/device/device.ts';
import { checkDeclared } from '../proof/specialisations.ts';

let opened: Promise<Device> | undefined;

export function testDevice(): Promise<Device> {
  opened ??= openNode().then(watched);
  return opened;
}

/** Every specialisation that a test makes must be one of those that are proven to compile. */
function watched(device: Device): Device {
  const { gpu } = device;
  const make = gpu.createShaderModule.bind(gpu);
  gpu.createShaderModule = (descriptor) => {
    const kernel = /^(\w+)\((.*)\)$/.exec(descriptor.label ?? '');
    if (kernel)
      checkDeclared(
        kernel[1],
        Object.fromEntries(
          kernel[2]
            .split(/,(?=\w+=)/)
            .filter(Boolean)
            .map((c) => c.split('=') as [string, string]),
        ),
      );
    return make(descriptor);
  };
  return device;
}

let other: Promise<Device> | undefined;

/** The same adapter taken for a GPU: kernels that have a variant for software adapters run the one for GPUs. */
export function gpuVariants(): Promise<Device> {
  other ??= testDevice().then(
    (d) =>
      new Device(
        d.gpu,
        { ...d.info, kind: 'hardware' },
        d.options.matrix && { native: d.options.native, matrix: d.options.matrix },
      ),
  );
  return other;
}

let plain: Promise<Device> | undefined;

/** The same adapter taken for another software adapter, for which neither textures nor workgroup memory win. */
export function softwareVariants(): Promise<Device> {
  plain ??= testDevice().then((d) => new Device(d.gpu, { ...d.info, kind: 'swiftshader' }));
  return plain;
}
