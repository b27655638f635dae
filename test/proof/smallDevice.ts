// The test adapter with smaller limits than it has: what lies beyond them is then cheap to ask for.

import { Device } from '../../runtime/device/device.ts';
import { NATIVE } from '../../runtime/kernel/generated.ts';
import { testDevice } from '../support/device.ts';

/** A device of its own over the same GPUDevice. Limits that are not named are the adapter's. */
export async function smallDevice(
  limits: Partial<Record<keyof GPUSupportedLimits, number>>,
  budget?: number,
): Promise<Device> {
  const { gpu, info } = await testDevice();
  const own: Record<string, unknown> = { ...limits };
  const lowered = new Proxy(gpu.limits, {
    get: (target, name) => own[name as string] ?? Reflect.get(target, name, target),
  });
  const proxy = new Proxy(gpu, {
    get(target, name) {
      if (name === 'limits') return lowered;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set: () => true, // the first device hears of errors
  });
  return new Device(proxy, info, { budget, native: NATIVE });
}
