// The embedded software adapter: a copy of dawn.node with SwiftShader beside it under the name of the Vulkan loader,
// where Dawn looks first.
// It needs neither root nor environment variables. `npm run setup` puts SwiftShader into the cache folder of the user.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { DeviceError } from '../../errors.ts';
import { cacheFolder } from './cache.ts';
import type { Dawn } from './open.ts';

/**
 * The npm package that carries SwiftShader, with the digest of its archive. 67 MiB for a library of 6: it is fetched
 * only where nothing else gives an adapter.
 */
const PACKAGE = {
  name: '@sparticuz/chromium',
  version: '153.0.0',
  sha512: 'jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA==',
};

/** Where `npm run setup` puts SwiftShader's library. */
export function embeddedLibrary(): string {
  return join(cacheFolder(), `swiftshader-${PACKAGE.version}`, 'libvk_swiftshader.so');
}

/** Can this machine have the embedded adapter? The library is for Linux on x86-64 with glibc. */
export function embeddedFits(): boolean {
  const header = (process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined)?.header;
  return process.platform === 'linux' && process.arch === 'x64' && header?.glibcVersionRuntime !== undefined;
}

/** Is the embedded software adapter in the cache folder? @example if (!hasEmbedded()) installEmbedded(); */
export function hasEmbedded(): boolean {
  return process.platform === 'linux' && existsSync(embeddedLibrary());
}

/**
 * Fetches SwiftShader, a software adapter, from the package registry that npm is configured for, and puts it into the
 * cache folder, where `openNode` finds it when there is no other adapter. 67 MiB; waits until it is there. Does nothing
 * where it is there already.
 * @throws DeviceError when the machine cannot have it, or the archive cannot be fetched or is not the expected one
 * @example installEmbedded(); // then openNode() finds it
 */
export function installEmbedded(): void {
  if (hasEmbedded()) return;
  if (!embeddedFits())
    throw new DeviceError(
      'the embedded software adapter exists for Linux on x86-64 with glibc only',
      'install the Vulkan driver of your GPU',
    );
  const temporary = mkdtempSync(join(tmpdir(), 'fewmask-'));
  try {
    fetchPackage(temporary);
    const archive = readFileSync(
      join(
        temporary,
        readdirSync(temporary).find((f) => f.endsWith('.tgz'))!,
      ),
    );
    const digest = createHash('sha512').update(archive).digest('base64');
    if (digest !== PACKAGE.sha512)
      throw new DeviceError(
        `the archive of ${PACKAGE.name} ${PACKAGE.version} is not the expected one (sha512 ${digest})`,
        'is something between this machine and the registry changing files?',
      );
    const inner = brotliDecompressSync(tarFile(gunzipSync(archive), 'package/bin/swiftshader.tar.br'));
    const library = embeddedLibrary();
    mkdirSync(dirname(library), { recursive: true });
    writeFileSync(`${library}.${process.pid}`, tarFile(inner, 'libvk_swiftshader.so'));
    renameSync(`${library}.${process.pid}`, library);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Takes the embedded adapter away, because it does not work here. */
export function removeEmbedded(): void {
  rmSync(dirname(embeddedLibrary()), { recursive: true, force: true });
}

function fetchPackage(folder: string): void {
  // npm's own path is known when npm started this process; elsewhere it is looked up.
  const [command, first] = process.env.npm_execpath ? [process.execPath, [process.env.npm_execpath]] : ['npm', []];
  try {
    execFileSync(command, [...first, 'pack', `${PACKAGE.name}@${PACKAGE.version}`, '--ignore-scripts', '--silent'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 900_000,
    });
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? '')
      .trim()
      .split('\n')
      .at(-1);
    throw new DeviceError(
      `npm cannot fetch ${PACKAGE.name}@${PACKAGE.version}: ${said || (error as Error).message}`,
      'check the network and the registry in your npm configuration, then run this again',
    );
  }
}

/** One file of a tar archive. Throws DeviceError when it is not there. */
export function tarFile(archive: Uint8Array, name: string): Uint8Array {
  for (let at = 0; at + 512 <= archive.length;) {
    const text = (from: number, length: number): string =>
      String.fromCharCode(...archive.subarray(at + from, at + from + length)).replace(/\0.*$/s, '');
    const size = parseInt(text(124, 12), 8) || 0;
    if (text(0, 100) === name) return archive.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new DeviceError(`the archive has no file ${name}`);
}

let loaded: Dawn | undefined;

/**
 * Loads Dawn bound to SwiftShader; null where that is not installed. The Dawn of the package `webgpu`, loaded or not,
 * is left as it is.
 */
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
  const version = (JSON.parse(readFileSync(join(dirname(entry), 'package.json'), 'utf8')) as { version: string })
    .version;
  const folder = join(dirname(embeddedLibrary()), `webgpu-${version}`);
  if (existsSync(folder)) return folder;
  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  // A copy, since the dynamic linker takes a hard link for the library that is already loaded, which is bound to the
  // system's loader.
  copyFileSync(
    join(dirname(entry), 'dist', `${process.platform}-${process.arch}`, 'dawn.node'),
    join(fresh, 'dawn.node'),
  );
  copyFileSync(embeddedLibrary(), join(fresh, 'libvulkan.so.1'));
  try {
    renameSync(fresh, folder);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(folder)) throw error; // else another process was faster
  }
  return folder;
}
