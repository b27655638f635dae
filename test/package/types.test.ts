// The published types, checked strictly with everything they import: by TypeScript 5.9, whose lib.dom has no WebGPU,
// and by TypeScript 7, whose lib.dom has.
// Nothing is configured for it, and nothing more than the package is installed.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { consumer, packed, root, run } from '../support/packed.ts';

const USE = `
import { Device, deviceDescriptor, grad, relu, softmax, type Tensor } from 'fewmask/engine';
import { openNode } from 'fewmask/node';
import { openBrowser } from 'fewmask/browser';
import { losses, runSession, scores, UNet } from 'fewmask';
import { loadOnnx } from 'fewmask/onnx';
import { decodeSafetensors } from 'fewmask/safetensors';
export async function use(browser: boolean) {
  const device = await (browser ? openBrowser() : openNode());
  const y: Tensor = relu(device.tensor([1, -1], [2]));
  const g: Tensor[] = grad(y, [y], { dy: softmax(y, -1) });
  const net = new UNet(device, { classes: 2, seed: 1 } as never);
  const miou: number = scores([1, 0, 0, 1], 2).miou;
  const half: boolean = device.gpu.features.has('shader-f16');
  const most: number = device.gpu.limits.maxBufferSize;
  device.submit((encoder) => { encoder.clearBuffer(y.buffer, 0, 8); });
  const other = new Device(device.gpu);
  // @ts-expect-error a number is not a tensor
  relu(3);
  return { g, net, miou, half, most, other, l: losses.ceValid(y, y), runSession, loadOnnx, decodeSafetensors };
}
`;

/** Where the program has WebGPU's types the package's are the same. */
const SAME = `
import { Device, deviceDescriptor } from 'fewmask/engine';
export async function same(adapter: GPUAdapter): Promise<GPUDevice> {
  const device = new Device(await adapter.requestDevice(deviceDescriptor(adapter)));
  const buffer: GPUBuffer = device.tensor([1], [1]).buffer;
  device.wrap(buffer, [1]);
  return device.gpu;
}
`;

const RESOLUTIONS = [
  ['nodenext', 'nodenext'],
  ['node16', 'node16'],
  ['esnext', 'bundler'],
] as const;

/** Compilers that are here: this project's, and those in FEWMASK_TYPESCRIPTS (folders of packages, by colons). */
const named = (process.env.FEWMASK_TYPESCRIPTS ?? '').split(':').filter(Boolean);
const folders = [join(root, 'node_modules/typescript'), join(root, 'node_modules/typescript7'), ...named];
const compilers = folders.map((f) => join(f, 'bin/tsc')).filter(existsSync);

async function complaints(tsc: string, folder: string, options: object, files: readonly string[]): Promise<string> {
  const fixed = { target: 'es2022', strict: true, skipLibCheck: false, noEmit: true };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...fixed, ...options }, files }));
  const { stdout } = await run(process.execPath, [tsc, '-p', folder]).catch((e: { stdout: string }) => e);
  return stdout;
}

const versions = new Set<string>();
for (const tsc of compilers) {
  const { stdout } = await run(process.execPath, [tsc, '--version']);
  const version = /(\d+)\.\d+/.exec(stdout)!;
  versions.add(version[1]);

  test(`TypeScript ${version[0]}: the package as it is, with and without lib.dom`, async () => {
    const folder = consumer(await packed(), `types-${version[1]}`, [], { 'use.ts': USE, 'same.ts': SAME });
    for (const [module, moduleResolution] of RESOLUTIONS) {
      for (const lib of [['es2022'], ['es2022', 'dom']]) {
        const found = await complaints(tsc, folder, { module, moduleResolution, lib, types: [] }, ['use.ts']);
        assert.is(found, '', `${moduleResolution}, ${lib}`);
      }
    }
  });

  test(`TypeScript ${version[0]}: the types of WebGPU that the program has`, async () => {
    // From 7 on they are in lib.dom, where @webgpu/types would declare them again.
    const own = version[1] === '5' ? ['@webgpu/types'] : [];
    const folder = consumer(await packed(), `webgpu-${version[1]}`, own, { 'use.ts': USE, 'same.ts': SAME });
    for (const [module, moduleResolution] of RESOLUTIONS) {
      const options = { module, moduleResolution, lib: ['es2022', 'dom'], types: own };
      assert.is(await complaints(tsc, folder, options, ['use.ts', 'same.ts']), '', moduleResolution);
    }
  });
}
const missing = ['5', '7'].filter((v) => !versions.has(v));
if (missing.length > 0)
  console.log(`skipped: the types by TypeScript ${missing}: not here (name it in FEWMASK_TYPESCRIPTS)`);

test.run();
