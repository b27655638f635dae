// The same bits: the same program twice on a device, on a device opened again, in two processes, in another order of
// launches, and in memory that held something else before.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Device } from '../../runtime/device/device.ts';
import { openNode } from '../../runtime/node.ts';
import * as ops from '../support/ops.ts';
import { Rng } from '../../runtime/random.ts';
import { FAMILIES, OTHERS } from './families.ts';
import { mixed, trained } from './program.ts';

const program = fileURLToPath(new URL('program.ts', import.meta.url));
const run = promisify(execFile);

/** The program in a process of its own. */
async function elsewhere(): Promise<Record<string, string>> {
  const { stdout } = await run(process.execPath, ['--import', 'tsx', program], { timeout: 300000 });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, string>;
}

/** Digests that are not as wanted, by name. */
const differing = (got: Record<string, string>, want: Record<string, string>): string[] =>
  [...new Set([...Object.keys(got), ...Object.keys(want)])].filter((k) => got[k] !== want[k]);

/**
 * Fills every buffer that the pool hands out with the pattern of the moment, in the order of the commands: what a
 * kernel reads without having written it shows.
 */
function poison(device: Device, pattern: () => number): void {
  const { pool } = device;
  const acquire = pool.acquire.bind(pool);
  pool.acquire = (bytes) => {
    const buffer = acquire(bytes);
    const page = new Uint32Array(Math.min(buffer.size, 1 << 16) / 4).fill(pattern());
    device.flush();
    for (let at = 0; at < buffer.size; at += page.byteLength)
      device.gpu.queue.writeBuffer(buffer, at, page, 0, Math.min(page.byteLength, buffer.size - at) / 4);
    return buffer;
  };
}

/** All digests, of this process and of one beside it. */
let want: Record<string, string> = {};

test('every operation is in the program, or is known to be left out', () => {
  const text = Object.values(FAMILIES).map(String).join('\n');
  const called = new Set([...text.matchAll(/ops\.(\w+)\(/g)].map((m) => m[1]));
  const functions = Object.entries(ops)
    .filter(([, v]) => typeof v === 'function')
    .map(([name]) => name);
  assert.equal(
    functions.filter((name) => !called.has(name) && !(name in FAMILIES) && !(name in OTHERS)),
    [],
  );
});

test('twice on a device, and in two processes', async () => {
  const other = elsewhere();
  const device = await openNode();
  want = { ...(await trained(device)), ...(await mixed(device)) };
  assert.ok(Object.keys(want).length > 150);
  assert.equal(differing({ ...want, ...(await trained(device)) }, want), []);
  assert.equal(differing(await other, want), [], 'another process');
  device.close();
});

test('on a device that is opened again, in another order, in memory full of something else', async () => {
  const device = await openNode({ budget: 16 << 20 });
  const order = new Rng(Date.now() % 2 ** 32, 1).shuffle(Object.keys(FAMILIES));
  assert.equal(
    differing({ ...(await trained(device)), ...(await mixed(device, order)) }, want),
    [],
    `in the order ${order.join(', ')}`,
  );
  let word = 0;
  poison(device, () => word);
  for (const [what, pattern] of [
    ['NaN', 0x7fc0dead],
    ['1e38', 0x7e967699],
    ['-1e38', 0xfe967699],
  ] as const) {
    word = pattern;
    const untouched = device.empty([3], 'u32');
    assert.equal([...(await untouched.read())], [word, word, word]);
    untouched.dispose();
    assert.equal(
      differing({ ...want, ...(what === 'NaN' ? await trained(device) : {}), ...(await mixed(device)) }, want),
      [],
      what,
    );
  }
  device.close();
});

test.run();
