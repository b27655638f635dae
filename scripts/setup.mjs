// `npm run setup`: packages, generated code, and an adapter where the machine has none. Plain JavaScript: it runs before
// node_modules exists. Flags: --with-browser also installs Chromium for the browser tests (as root on Debian; so does
// the environment variable CI); --with-nodes puts the other Nodes in which the package is tested into the cache folder;
// --verbose shows all output.

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..');
const verbose = process.argv.includes('--verbose');
const say = (text) => console.log(`setup: ${text}`);

class Failure extends Error {}

/** Runs a program; throws Failure with the last lines that it wrote when it fails. */
function run(command, args, options = {}) {
  const child = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: verbose ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
    ...options,
  });
  if (child.status === 0) return child.stdout ?? '';
  const said = `${child.stdout ?? ''}\n${child.stderr ?? ''}`.trim().split('\n').slice(-12).join('\n');
  throw new Failure(
    `"${basename(command)} ${args.join(' ')}" failed${child.error ? ` (${child.error.message})` : ''}${said ? `:\n${said}` : ''}`,
  );
}

/** npm, by the path that it gave when it started this script, else by name. */
function npm(args) {
  const own = process.env.npm_execpath;
  if (own && /npm-cli\.c?js$/.test(own)) return run(process.execPath, [own, ...args]);
  return run('npm', args, { shell: process.platform === 'win32' });
}

// --- packages -------------------------------------------------------------------------------------------------------

/**
 * Does node_modules hold what package-lock.json asks for? Both are lock files, as parsed JSON: the project's, and the
 * one that npm leaves in node_modules.
 * Optional packages may be missing (they are for other platforms), others may not, and none may differ.
 */
export function sameLock(wanted, installed) {
  const there = installed?.packages ?? {};
  const asked = wanted.packages ?? {};
  for (const [path, entry] of Object.entries(asked)) {
    if (path === '') continue;
    const found = there[path];
    if (
      !found
        ? !entry.optional
        : found.version !== entry.version || (found.integrity && entry.integrity && found.integrity !== entry.integrity)
    )
      return false;
  }
  return Object.keys(there).every((path) => path in asked);
}

function packages() {
  const hidden = join(root, 'node_modules/.package-lock.json');
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const installed = existsSync(hidden) ? JSON.parse(readFileSync(hidden, 'utf8')) : null;
  if (sameLock(wanted, installed) && Object.keys(installed.packages).every((path) => existsSync(join(root, path))))
    return say('packages: up to date');
  say('packages: installing');
  try {
    // No package here needs its install script.
    npm([
      'ci',
      '--ignore-scripts',
      '--include=dev',
      '--include=optional',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
    ]);
  } catch (error) {
    throw new Failure(
      `${error.message}\nnpm needs the network, or a registry in its configuration; then run this again`,
    );
  }
}

// --- apt ------------------------------------------------------------------------------------------------------------

/**
 * The apt sources in a text, of the one-line style (`.list`) or the stanza style (`.sources`): fields by name in lower
 * case, lists as arrays. Entries that are switched off, and those for source packages only, are left out. In the
 * one-line style `options` is the text in brackets.
 */
export function parseAptSources(text, style) {
  if (style === 'list') {
    return text.split('\n').flatMap((line) => {
      const m = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)/.exec(line);
      return m
        ? [
            {
              style,
              options: m[1]?.trim() ?? '',
              uris: [m[2]],
              suites: [m[3]],
              components: m[4].trim().split(/\s+/).filter(Boolean),
            },
          ]
        : [];
    });
  }
  return text.split(/\n(?:[ \t]*\n)+/).flatMap((stanza) => {
    const fields = {};
    let last = '';
    for (const line of stanza.split('\n')) {
      const m = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
      if (line.startsWith('#')) continue;
      if (m) fields[(last = m[1].toLowerCase())] = m[2].trim();
      else if (/^\s/.test(line) && last) fields[last] += `\n ${line.trim()}`;
    }
    const words = (name) => (fields[name] ?? '').split(/\s+/).filter(Boolean);
    if (!words('types').includes('deb') || /^(no|false)$/i.test(fields.enabled ?? '')) return [];
    return [
      { style: 'sources', fields, uris: words('uris'), suites: words('suites'), components: words('components') },
    ];
  });
}

/**
 * A source for the backports of a release, from the machine's own source for the release itself: the same mirror, key and options.
 * `null` when there is none to take the mirror from; `'there'` when the machine already has the suite.
 */
export function backportsSource(entries, codename) {
  const suite = `${codename}-backports`;
  if (entries.some((e) => e.suites.includes(suite))) return 'there';
  const own = entries.find((e) => e.suites.includes(codename) && e.components.includes('main'));
  if (!own) return null;
  if (own.style === 'list')
    return {
      name: 'fewmask-backports.list',
      text: `deb ${own.options ? `[${own.options}] ` : ''}${own.uris[0]} ${suite} main\n`,
    };
  const fields = { ...own.fields, types: 'deb', suites: suite, components: 'main' };
  return {
    name: 'fewmask-backports.sources',
    text: Object.entries(fields)
      .map(([name, value]) => `${name}: ${value}\n`)
      .join(''),
  };
}

/** Fields of /etc/os-release. */
export function parseOsRelease(text) {
  return Object.fromEntries([...text.matchAll(/^([A-Z_]+)=["']?(.*?)["']?$/gm)].map((m) => [m[1], m[2]]));
}

/** The version that apt would install, from `apt-cache policy PACKAGE`; '' when there is none. */
export function aptCandidate(policy) {
  const version = /^\s*Candidate:\s*(\S+)/m.exec(policy)?.[1] ?? '';
  return version === '(none)' ? '' : version;
}

const MESA = 25; // Dawn refuses the lavapipe of older ones

const apt = (args) =>
  run('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
const install = (parts, names) => apt([...parts, 'install', '-y', '--no-install-recommends', ...names]);

/** A Debian or Ubuntu on which this process may install packages. */
function aptRelease() {
  if (
    process.platform !== 'linux' ||
    process.getuid() !== 0 ||
    !existsSync('/usr/bin/apt-get') ||
    !existsSync('/etc/os-release')
  )
    return null;
  const release = parseOsRelease(readFileSync('/etc/os-release', 'utf8'));
  return /\b(debian|ubuntu)\b/.test(`${release.ID} ${release.ID_LIKE ?? ''}`) ? release : null;
}

function installLavapipe(release) {
  const names = ['mesa-vulkan-drivers', 'libvulkan1'];
  apt(['update']);
  const version = aptCandidate(run('apt-cache', ['policy', names[0]], { stdio: ['ignore', 'pipe', 'pipe'] }));
  if (parseInt(version, 10) >= MESA || release.ID !== 'debian') return install([], names);
  const folder = '/etc/apt/sources.list.d';
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((f) => join(folder, f)) : []),
  ].filter((f) => existsSync(f) && /\.(list|sources)$/.test(f));
  const codename = release.VERSION_CODENAME;
  const source = backportsSource(
    files.flatMap((f) => parseAptSources(readFileSync(f, 'utf8'), f.endsWith('.list') ? 'list' : 'sources')),
    codename,
  );
  if (!source)
    throw new Failure(
      `Mesa ${version || '?'} of this release is too old, and the apt sources name no mirror of "${codename}" ` +
        'from which to take its backports',
    );
  const target = ['-t', `${codename}-backports`];
  if (source === 'there') return install(target, names);
  // The suite is added for these two calls only, beside copies of the machine's own sources, which stay as they are.
  const temporary = mkdtempSync(join(tmpdir(), 'fewmask-apt-'));
  try {
    if (existsSync(folder)) cpSync(folder, temporary, { recursive: true, dereference: true });
    writeFileSync(join(temporary, source.name), source.text);
    const parts = ['-o', `Dir::Etc::sourceparts=${temporary}`];
    apt([...parts, 'update']);
    install([...parts, ...target], names);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

// --- adapter --------------------------------------------------------------------------------------------------------

/** Opens a device and computes on it, in a process of its own: what it is, or why there is none. */
function probe() {
  const child = spawnSync(process.execPath, ['--import', 'tsx', join(root, 'runtime/device/node/probe.ts')], {
    cwd: root,
    encoding: 'utf8',
    timeout: 180_000,
    env: { ...process.env, FEWMASK_ADAPTER: '' },
  });
  if (verbose) process.stderr.write(child.stderr ?? '');
  try {
    return JSON.parse(child.stdout.trim().split('\n').at(-1));
  } catch {
    return { error: `the driver ended the process (${child.signal ?? `exit code ${child.status}`})` };
  }
}

/** What to tell the owner of a GPU that has no working Vulkan driver. */
function gpuHint() {
  if (existsSync('/dev/nvidiactl'))
    return 'there is an NVIDIA GPU, but no Vulkan driver for it: install it (in a container: NVIDIA_DRIVER_CAPABILITIES=all)';
  if (existsSync('/dev/dri') && readdirSync('/dev/dri').some((f) => f.startsWith('renderD')))
    return 'there is a GPU, but no Vulkan driver for it: install mesa-vulkan-drivers or that of its maker';
  return '';
}

async function adapter() {
  const found = probe();
  if (!found.error) return say(`adapter: ${found.description} (${found.kind})`);
  const reasons = [found.error];
  const release = aptRelease();
  if (release) {
    say("adapter: none; installing Mesa's software adapter, lavapipe");
    try {
      installLavapipe(release);
      const now = probe();
      if (!now.error) return finish(now);
      reasons.push(now.error);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      reasons.push(error.message);
    }
    say(`adapter: lavapipe did not come up: ${reasons.at(-1)}`);
  }
  say('adapter: fetching the embedded SwiftShader (67 MiB) into the cache folder');
  const { tsImport } = await import('tsx/esm/api');
  const { installEmbedded, removeEmbedded } = await tsImport('../runtime/device/node/embedded.ts', import.meta.url);
  try {
    installEmbedded();
    const now = probe();
    if (!now.error) return finish(now);
    reasons.push(now.error);
    removeEmbedded();
  } catch (error) {
    reasons.push(error.message);
  }
  const hint = gpuHint() || `install a Vulkan driver (Mesa ${MESA} or later; Debian or Ubuntu: run this as root)`;
  throw new Failure(`no usable adapter.\n${reasons.map((r) => `  - ${r}`).join('\n')}\n${hint}`);
}

function finish(found) {
  say(`adapter: ${found.description} (${found.kind})`);
  const hint = found.kind === 'hardware' ? '' : gpuHint();
  if (hint) say(`adapter: ${hint}`);
}

// --- browser --------------------------------------------------------------------------------------------------------

function browser() {
  const asked = process.argv.includes('--with-browser');
  if (!asked && !/^(1|true|yes)$/i.test(process.env.CI ?? '')) return;
  if (existsSync('/usr/bin/chromium')) return say('browser: /usr/bin/chromium');
  const release = aptRelease();
  if (release?.ID !== 'debian')
    return say(
      'browser: no /usr/bin/chromium, and it can be installed only as root on Debian; the browser tests will be skipped',
    );
  say('browser: installing Chromium');
  try {
    apt(['update']);
    install([], ['chromium']);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    say(`browser: the browser tests will be skipped: ${error.message}`);
  }
}

// --- other Nodes ----------------------------------------------------------------------------------------------------

/** Node 20, 22 and 24, but the one that runs this, from npm's packages of their programs. */
async function nodes() {
  if (!process.argv.includes('--with-nodes')) return;
  const { tsImport } = await import('tsx/esm/api');
  const { cacheFolder } = await tsImport('../runtime/device/node/cache.ts', import.meta.url);
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  for (const major of ['20', '22', '24'].filter((v) => !process.versions.node.startsWith(`${v}.`))) {
    const target = join(cacheFolder(), `node-${major}`);
    if (existsSync(target)) {
      say(`Node ${major}: up to date`);
      continue;
    }
    const temporary = mkdtempSync(join(tmpdir(), 'fewmask-node-'));
    try {
      npm(['pack', `${name}@${major}`, '--ignore-scripts', '--silent', '--pack-destination', temporary]);
      run('tar', ['-xzf', join(temporary, readdirSync(temporary)[0]), '-C', temporary]);
      cpSync(join(temporary, 'package'), target, { recursive: true });
      say(`Node ${major}: ${target}`);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      say(`Node ${major}: the package will not be tested in it: ${error.message}`);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  }
}

async function main() {
  try {
    const [major, minor] = process.versions.node.split('.').map(Number);
    if (major < 20 || (major === 20 && minor < 12))
      throw new Failure(`Node 20.12 or later is needed, this is ${process.versions.node}`);
    packages();
    npm(['run', '--silent', 'build']);
    say('code: built');
    await adapter();
    browser();
    await nodes();
    say('done');
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(`setup: ${error.message}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
