// The embedded software adapter: a copy of dawn.node with SwiftShader beside it under the name of the Vulkan loader, where Dawn looks first.
// It needs neither root nor environment variables. `npm run setup` puts SwiftShader into the cache folder of the user.

import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { cacheFolder } from './nodeCache.ts';
import type { Dawn } from './node.ts';

/** The release of the npm package @sparticuz/chromium from which SwiftShader is taken. */
export const SWIFTSHADER_RELEASE = '153.0.0';

/** Where `npm run setup` puts SwiftShader's library. */
export function embeddedLibrary(): string {
  return join(cacheFolder(), `swiftshader-${SWIFTSHADER_RELEASE}`, 'libvk_swiftshader.so');
}

/** Is the embedded adapter installed? */
export function hasEmbedded(): boolean {
  return process.platform === 'linux' && existsSync(embeddedLibrary());
}

let loaded: Dawn | undefined;

/** Loads Dawn bound to SwiftShader; null where that is not installed. The Dawn of the package `webgpu`, loaded or not, is left as it is. */
export function loadEmbedded(): Dawn | null {
  if (loaded) return loaded;
  if (!hasEmbedded()) return null;
  const holder = { exports: {} as Dawn };
  process.dlopen(holder, join(bind(), 'dawn.node'));
  return (loaded = holder.exports);
}

/** The folder with dawn.node of the installed version and SwiftShader as libvulkan.so.1; made when missing. */
function bind(): string {
  const entry = createRequire(import.meta.url).resolve('webgpu');
  const version = (JSON.parse(readFileSync(join(dirname(entry), 'package.json'), 'utf8')) as { version: string }).version;
  const folder = join(dirname(embeddedLibrary()), `webgpu-${version}`);
  if (existsSync(folder)) return folder;
  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  // A copy, since the dynamic linker takes a hard link for the library that is already loaded, which is bound to the system's loader.
  copyFileSync(join(dirname(entry), 'dist', `${process.platform}-${process.arch}`, 'dawn.node'), join(fresh, 'dawn.node'));
  copyFileSync(embeddedLibrary(), join(fresh, 'libvulkan.so.1'));
  try {
    renameSync(fresh, folder);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(folder)) throw error; // else another process was faster
  }
  return folder;
}
