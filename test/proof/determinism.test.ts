// The same bits: the same program twice on a device, on a device opened anew, in two processes, in another order of launches, and in memory that held
// something else before.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Device } from '../../runtime/device/device.ts';
import { openNode } from '../../runtime/node.ts';
import * as ops from '../../runtime/ops/index.ts';
import { Rng } from '../../runtime/random.ts';
import { FAMILIES, OTHERS } from './families.ts';
import { mixed, trained } from './program.ts';

const program = fileURLToPath(new URL('program.ts', import.meta.url)), run = promisify(execFile);

/** The program in a process of its own. */
async function elsewhere(): Promise<Record<string, string>> {
  const { stdout } = await run(process.execPath, ['--import', 'tsx', program], { timeout: 300000 });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, string>;
}

/** Digests that are not as wanted, by name. */
const differing = (got: Record<string, string>, want: Record<string, string>): string[] => [...new Set([...Object.keys(got), ...Object.keys(want)])].filter((k) => got[k] !== want[k]);

/** Fills every buffer that the pool hands out with a pattern, in the order of the commands: what a kernel reads without having written it shows. */
function poison(device: Device, word: number): void {
  const { pool } = device, acquire = pool.acquire.bind(pool), page = new Uint32Array(1 << 14).fill(word);
  pool.acquire = (bytes) => {
    const buffer = acquire(bytes);
    device.flush();
    for (let at = 0; at < buffer.size; at += page.byteLength) device.gpu.queue.writeBuffer(buffer, at, page, 0, Math.min(page.byteLength, buffer.size - at) / 4);
    return buffer;
  };
}

let wanted: Promise<Record<string, string>> | undefined;
const want = (): Promise<Record<string, string>> => (wanted ??= elsewhere());

test('every operation is in the program, or is known to be left out', () => {
  const text = Object.values(FAMILIES).map(String).join('\n'), called = new Set([...text.matchAll(/ops\.(\w+)\(/g)].map((m) => m[1]));
  const functions = Object.entries(ops).filter(([, v]) => typeof v === 'function').map(([name]) => name);
  assert.equal(functions.filter((name) => !called.has(name) && !(name in FAMILIES) && !(name in OTHERS)), []);
});

test('twice on a device, and on a device that is opened anew', async () => {
  const first = await openNode(), once = { ...(await trained(first)), ...(await mixed(first)) }, twice = await trained(first);
  assert.equal(differing({ ...once, ...twice }, once), []);
  first.close();
  const again = await openNode();
  assert.equal(differing({ ...(await trained(again)), ...(await mixed(again)) }, once), []);
  again.close();
  assert.equal(differing(once, await want()), [], 'another process');
});

test('two processes', async () => {
  assert.equal(differing(await elsewhere(), await want()), []);
});

test('in another order, on a device with little room, among buffers that are handed round', async () => {
  const device = await openNode({ budget: 16 << 20 }), order = new Rng(Date.now() % 2 ** 32, 1).shuffle(Object.keys(FAMILIES)), other = await mixed(device, order);
  const expected = await want();
  assert.equal(Object.keys(other).filter((k) => other[k] !== expected[k]), [], `in the order ${order.join(', ')}`);
  device.close();
});

for (const [what, word] of [['NaN', 0x7fc0dead], ['1e38', 0x7e967699], ['-1e38', 0xfe967699]] as const) {
  test(`in memory full of ${what}`, async () => {
    const device = await openNode();
    poison(device, word);
    const expected = await want(), got = { ...(what === 'NaN' ? await trained(device) : {}), ...(await mixed(device)) };
    assert.equal(Object.keys(got).filter((k) => got[k] !== expected[k]), []);
    device.close();
  });
}

test.run();
