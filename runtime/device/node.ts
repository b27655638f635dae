// Getting a GPUDevice in Node, through Dawn.
import { create } from 'webgpu';
import { DeviceError } from '../errors.ts';
import type { AdapterInfo } from './device.ts';

export interface OpenOptions {
  adapter?: string;
}

const pinned = new Set<object>();

export async function openNodeDevice(options: OpenOptions = {}): Promise<{ device: GPUDevice; info: AdapterInfo }> {
  const gpu = create([`adapter=${options.adapter ?? 'llvmpipe'}`]);
  pinned.add(gpu);
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new DeviceError('no adapter');
  const l = adapter.limits;
  const device = await adapter.requestDevice({
    requiredFeatures: (['shader-f16', 'subgroups', 'timestamp-query'] as GPUFeatureName[]).filter((f) => adapter.features.has(f)),
    requiredLimits: { maxStorageBufferBindingSize: l.maxStorageBufferBindingSize, maxBufferSize: l.maxBufferSize, maxStorageBuffersPerShaderStage: l.maxStorageBuffersPerShaderStage, maxComputeInvocationsPerWorkgroup: l.maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX: l.maxComputeWorkgroupSizeX, maxComputeWorkgroupStorageSize: l.maxComputeWorkgroupStorageSize },
  });
  const i = adapter.info;
  return { device, info: { description: i.description, vendor: i.vendor, architecture: i.architecture, device: i.device, kind: 'lavapipe', how: '' } };
}
