// Headless Chromium for tests that need a real browser.

import { existsSync } from 'node:fs';
import { chromium, type Browser } from 'playwright-core';

/** The browser that is installed: FEWMASK_CHROMIUM, or where Debian and others put it; null where there is none. */
export function chromiumPath(): string | null {
  const candidates = [
    process.env.FEWMASK_CHROMIUM,
    '/usr/lib/chromium/chromium',
    '/usr/bin/chromium',
    '/usr/bin/google-chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ];
  return candidates.find((p): p is string => p !== undefined && existsSync(p)) ?? null;
}

/** Flags that give WebGPU by SwiftShader, in workers and on the screen, where the machine has no GPU. */
export const WEBGPU = [
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--use-vulkan=swiftshader',
  '--use-angle=swiftshader',
  '--use-webgpu-adapter=swiftshader',
  '--ignore-gpu-blocklist',
] as const;

/** Starts it; pages open no connection of their own. */
export function launchChromium(executablePath: string, args: readonly string[] = []): Promise<Browser> {
  const quiet = [
    '--no-sandbox',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
    '--no-default-browser-check',
    '--disable-default-apps',
    '--disable-dev-shm-usage',
  ];
  return chromium.launch({ executablePath, args: [...quiet, ...args] });
}
