// `npm run setup`: packages, generated code, and a Vulkan driver where the machine has none. Plain JavaScript: it runs before node_modules exists.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const say = (text) => console.log(`setup: ${text}`);
const run = (command, args, options = {}) => execFileSync(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'], ...options });

function fail(text) {
  console.error(`setup: ${text}`);
  process.exit(1);
}

function packages() {
  const installed = join(root, 'node_modules/.package-lock.json');
  const fresh = existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs;
  if (fresh) return say('packages are up to date');
  say('installing packages');
  // No package here needs its install script.
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** Does a Vulkan adapter answer? Asked in a child process, since a driver can take the process down. */
function adapter() {
  const probe = `
    import { create } from 'webgpu';
    globalThis.instance = create([]);
    const adapter = await globalThis.instance.requestAdapter();
    if (!adapter) process.exit(3);
    const { description, device } = adapter.info;
    console.log(description || device);`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', probe], { cwd: root, encoding: 'utf8', env: { XDG_RUNTIME_DIR: tmpdir(), ...process.env }, timeout: 120000 });
  return child.status === 0 ? child.stdout.trim().split('\\n').at(-1) : null;
}

/** The machine's own apt entry for its release, with the backports suite instead. */
function backportsEntry(codename) {
  const folder = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list', ...(existsSync(folder) ? readdirSync(folder).map((f) => join(folder, f)) : [])].filter((f) => existsSync(f) && /\.(list|sources)$/.test(f));
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    const line = text.split('\n').find((l) => new RegExp(`^deb\\s.*\\s${codename}\\s`).test(l));
    if (line) return { name: 'backports.list', text: line.replace(new RegExp(`\\s${codename}\\s`), ` ${codename}-backports `) + '\n' };
    const stanza = text.split(/\n\s*\n/).find((s) => new RegExp(`^Suites:.*\\b${codename}\\b(?!-)`, 'm').test(s));
    if (stanza) return { name: 'backports.sources', text: stanza.replace(/^Suites:.*$/m, `Suites: ${codename}-backports`) + '\n' };
  }
  return null;
}

/** Mesa's lavapipe from Debian or Ubuntu; from backports where the release's own is too old for Dawn (Debian 12). */
function installLavapipe() {
  const release = Object.fromEntries(readFileSync('/etc/os-release', 'utf8').split('\n').map((l) => l.split('=').map((s) => s.replaceAll('"', ''))));
  const apt = (args) => run('apt-get', ['-qq', ...args], { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  const names = ['mesa-vulkan-drivers', 'libvulkan1'];
  apt(['update']);
  if (release.VERSION_CODENAME !== 'bookworm') return apt(['install', '-y', '--no-install-recommends', ...names]);
  const entry = backportsEntry('bookworm');
  if (!entry) return say("this release's Mesa is too old, and its apt sources name no mirror from which to take backports");
  const file = join(mkdtempSync(join(tmpdir(), 'fewmask-apt-')), entry.name);
  writeFileSync(file, entry.text);
  const parts = ['-o', `Dir::Etc::sourceparts=${dirname(file)}`];
  apt([...parts, 'update']);
  apt([...parts, 'install', '-y', '--no-install-recommends', '-t', 'bookworm-backports', ...names]);
}

function driver() {
  const found = adapter();
  if (found) return say(`adapter: ${found}`);
  const debian = existsSync('/usr/bin/apt-get') && existsSync('/etc/os-release');
  if (process.platform !== 'linux' || !debian || process.getuid() !== 0) {
    fail('no Vulkan adapter. Install a GPU driver, or Mesa 25 or later (Debian: as root, run this again)');
  }
  say("no Vulkan adapter: installing Mesa's lavapipe");
  installLavapipe();
  const now = adapter();
  if (!now) fail('lavapipe was installed, but no adapter answers');
  say(`adapter: ${now}`);
}

if (Number(process.versions.node.split('.')[0]) < 20) fail(`Node 20 or later is needed, this is ${process.versions.node}`);
packages();
run('npm', ['run', '--silent', 'build']);
say('built');
driver();
