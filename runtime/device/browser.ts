// Getting a GPUDevice in a browser, on a page or in a worker.

import { DeviceError } from '../errors.ts';
import { describe, fulfils, parseWish, requestDevice, type OpenedDevice, type OpenOptions } from './adapter.ts';

export type { OpenedDevice, OpenOptions } from './adapter.ts';

/** The parts of the global scope, of a window or a worker, that matter here. */
export interface BrowserScope {
  isSecureContext?: boolean;
  navigator?: { gpu?: GPU };
}

/**
 * Opens a device from `navigator.gpu`: the adapter that the browser prefers, else its fallback (software) adapter.
 * `options.adapter` may ask for `hardware`, for `swiftshader` (the fallback adapter of Chromium), or for a part of the
 * description, which many browsers leave empty.
 * @param scope where to look for `navigator`; the global scope when left out
 * @throws DeviceError when the context is insecure, when the browser has no WebGPU, or no adapter (that was asked for)
 * @example const { device, info } = await openBrowserDevice();
 */
export async function openBrowserDevice(
  options: OpenOptions = {},
  scope: BrowserScope = globalThis,
): Promise<OpenedDevice> {
  const gpu = scope.navigator?.gpu;
  if (!gpu) {
    if (scope.isSecureContext === false) {
      throw new DeviceError(
        'this page is not a secure context, and browsers have WebGPU only there',
        'open it over https:// or from http://localhost',
      );
    }
    throw new DeviceError(
      'this browser has no WebGPU',
      'use a current Chrome, Edge, Safari or Firefox; Chrome on Linux may need the flag chrome://flags/#enable-unsafe-webgpu',
    );
  }
  const wish = parseWish(options.adapter);
  const powerPreference = options.powerPreference ?? 'high-performance';
  let last = '';
  for (const forceFallbackAdapter of wish?.kind === 'swiftshader' ? [true, false] : [false, true]) {
    const adapter = await gpu.requestAdapter({ powerPreference, forceFallbackAdapter }).catch(() => null);
    if (options.verbose)
      console.info(
        `adapter${forceFallbackAdapter ? ' (fallback)' : ''}: ${adapter ? describe(adapter.info).description : 'none'}`,
      );
    if (!adapter) continue;
    const info = describe(adapter.info);
    last = info.description;
    if (!fulfils(info, wish)) continue;
    const how = wish
      ? `asked for: ${options.adapter!.trim()}`
      : forceFallbackAdapter
        ? "no other adapter: the browser's fallback"
        : 'the adapter that the browser prefers';
    return { device: await requestDevice(adapter, info.description), adapter, instance: gpu, info: { ...info, how } };
  }
  if (last)
    throw new DeviceError(
      `no adapter of this browser matches "${options.adapter}"; it has: ${last}`,
      'ask for no particular adapter to take the one there is',
    );
  throw new DeviceError(
    'this browser has WebGPU, but no adapter for it',
    'turn on hardware acceleration in its settings, update the graphics driver, or look into ' +
      'chrome://gpu (about:support in Firefox) for the reason',
  );
}
