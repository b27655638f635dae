// Finds the GPU's Vulkan driver where the loader does not find it by itself: in containers the driver's files lie in
// unusual folders, its description may be missing, or a library of X11 that it names is.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Folders of driver descriptions (ICD files), in the order in which they are tried. The loader itself looks into the
 * first three.
 */
const DESCRIPTIONS = [
  '/etc/vulkan/icd.d',
  '/usr/share/vulkan/icd.d',
  '/usr/local/share/vulkan/icd.d',
  '/usr/local/nvidia/share/vulkan/icd.d',
  '/usr/local/nvidia/vulkan/icd.d',
  '/usr/local/nvidia/icd.d',
  '/usr/local/nvidia',
  '/opt/nvidia/share/vulkan/icd.d',
  '/opt/nvidia/vulkan/icd.d',
  '/usr/lib/nvidia/vulkan/icd.d',
  '/usr/lib/x86_64-linux-gnu/GL/vulkan/icd.d',
  '/run/opengl-driver/share/vulkan/icd.d',
  '/run/host/usr/share/vulkan/icd.d',
];
/** Folders of the driver's libraries. */
const LIBRARIES = [
  '/usr/local/nvidia/lib64',
  '/usr/local/nvidia/lib',
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib64',
  '/usr/lib/x86_64-linux-gnu/nvidia/current',
  '/usr/lib/nvidia',
  '/usr/lib64/nvidia',
  '/opt/nvidia/lib64',
  '/opt/nvidia/lib',
  '/run/opengl-driver/lib',
  '/usr/lib/wsl/lib',
];
/** NVIDIA's Vulkan driver under its two names: the second does not need X11. */
const NVIDIA = ['libGLX_nvidia.so.0', 'libEGL_nvidia.so.0'];

/** What is added to the environment for a try, and why. */
export interface Try {
  why: string;
  env: { VK_DRIVER_FILES?: string; VK_ICD_FILENAMES?: string; LD_LIBRARY_PATH?: string };
}

/** What a try found. */
export interface Adapter {
  description: string;
  kind: string;
}

export interface Places {
  /** Folder of the libraries that come along. */
  carried: string;
  /** Where a description of the driver may be written. */
  cache: string;
  /** LD_LIBRARY_PATH as it is. */
  libraries: string;
}

const list = (folder: string): string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** All that is worth a try, the plain way first. @param root of the file system, for tests */
export function tries({ carried, cache, libraries }: Places, root = ''): Try[] {
  const joined = (...folders: string[]): string => [...folders, ...libraries.split(':')].filter(Boolean).join(':');
  // Loaders before 1.3.207 know the second name alone.
  const files = (path: string): Try['env'] => ({ VK_DRIVER_FILES: path, VK_ICD_FILENAMES: path });
  const folders = LIBRARIES.map((f) => root + f).filter((f) => list(f).some((name) => NVIDIA.includes(name)));
  const all: Try[] = [{ why: 'as the machine is', env: {} }];
  const found = DESCRIPTIONS.flatMap((folder) =>
    list(root + folder)
      .filter((name) => /(nvidia|radeon|intel|amd|nouveau).*\.json$/i.test(name))
      .map((name) => join(root + folder, name)),
  );
  for (const path of found) all.push({ why: `the driver that ${path} describes`, env: files(path) });
  for (const folder of folders) {
    for (const name of NVIDIA.filter((n) => existsSync(join(folder, n)))) {
      const path = join(cache, `${name}-${folders.indexOf(folder)}.json`);
      mkdirSync(cache, { recursive: true });
      writeFileSync(
        path,
        JSON.stringify({
          file_format_version: '1.0.0',
          ICD: { library_path: join(folder, name), api_version: '1.3.0' },
        }),
      );
      all.push({ why: `the driver ${join(folder, name)}, described here`, env: files(path) });
    }
  }
  // The driver's own libraries may be off the linker's path, and those of X11 missing.
  if (folders.length || found.length) {
    for (const t of [...all])
      all.push({
        why: `${t.why}, with its folder and the libraries that come along`,
        env: { ...t.env, LD_LIBRARY_PATH: joined(...folders, carried) },
      });
  }
  return all;
}

/**
 * Tries one after the other until one finds a GPU.
 * @param probe the adapter that an environment leads to
 * @returns the first with a GPU; else the first with a software adapter; else the plain way
 */
export function findDriver(
  all: readonly Try[],
  probe: (t: Try) => Adapter | string,
  say: (line: string) => void,
): { chosen: Try; adapter: Adapter | null } {
  let software: { chosen: Try; adapter: Adapter } | null = null;
  for (const chosen of all) {
    const adapter = probe(chosen);
    say(`${chosen.why}: ${typeof adapter === 'string' ? adapter : `${adapter.description} (${adapter.kind})`}`);
    if (typeof adapter === 'string') continue;
    if (adapter.kind === 'hardware') return { chosen, adapter };
    software ??= { chosen, adapter };
  }
  return software ?? { chosen: all[0], adapter: null };
}
