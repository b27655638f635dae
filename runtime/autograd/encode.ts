// The commands of a plan as the GPU takes them: params in one buffer, bind groups, and their replay.

import { bindingEntry } from '../device/binding.ts';
import type { Launch } from '../device/device.ts';
import { copyTexels } from '../device/texels.ts';
import type { Choice } from '../kernel/choice.ts';
import { fillParams, type Kernel } from '../kernel/kernel.ts';
import type { Command } from './recorder.ts';

/** What a replay encodes. */
export type Encoded =
  | { kind: 'dispatch'; kernel: Kernel; group: GPUBindGroup; x: number; y: number; z: number; choice?: Choice }
  | { kind: 'clear'; buffer: GPUBuffer; bytes: number }
  | { kind: 'copy'; from: GPUBuffer; to: GPUBuffer; bytes: number }
  | { kind: 'texels'; from: GPUBuffer; to: GPUTexture; bytes: number };

const paramsSize = ({ kernel: { params } }: Launch): number => (params ? Math.ceil(params.size / 256) * 256 : 0);

/** All params of all dispatches in one buffer, written once; null where there are none. */
export function writeUniforms(gpu: GPUDevice, commands: readonly Command[]): GPUBuffer | null {
  const total = commands.reduce((n, c) => n + (c.kind === 'launch' ? paramsSize(c.launch) : 0), 0);
  if (total === 0) return null;
  const bytes = new ArrayBuffer(total);
  const view = new DataView(bytes);
  let at = 0;
  for (const c of commands) {
    if (c.kind !== 'launch' || !c.launch.kernel.params) continue;
    fillParams(c.launch.shader, c.launch.kernel.params, view, at, c.launch.params);
    at += paramsSize(c.launch);
  }
  const buffer = gpu.createBuffer({ size: total, usage: 64 | 8, label: 'plan params' });
  gpu.queue.writeBuffer(buffer, 0, bytes);
  return buffer;
}

/**
 * Commands with their bind groups; the memory is laid out.
 * @param made.uniforms from {@link writeUniforms}
 * @param made.texels the textures that kernels read through, by their number in the launch and size
 */
export function encoded(
  gpu: GPUDevice,
  commands: readonly Command[],
  { uniforms, texels }: { uniforms: GPUBuffer | null; texels: ReadonlyMap<string, GPUTexture> },
): Encoded[] {
  let at = 0;
  return commands.flatMap((c): Encoded | Encoded[] => {
    if (c.kind === 'clear')
      return { kind: 'clear', buffer: c.storage.buffer!, bytes: Math.ceil(c.storage.bytes / 4) * 4 };
    if (c.kind === 'copy')
      return { kind: 'copy', from: c.from.buffer!, to: c.to.buffer!, bytes: Math.ceil(c.bytes / 4) * 4 };
    const l = c.launch;
    let i = 0;
    const copies: Encoded[] = [];
    const entries = l.kernel.bindings.map((b): GPUBindGroupEntry => {
      if (b.kind === 'texture') {
        const { buffer, bytes } = l.bindings[i++];
        const to = texels.get(copies.length + l.kernel.texels!)!;
        copies.push({ kind: 'texels', from: buffer!, to, bytes });
        return { binding: b.binding, resource: to.createView() };
      }
      if (b.kind === 'uniform')
        return { binding: b.binding, resource: { buffer: uniforms!, offset: at, size: l.kernel.params!.size } };
      return bindingEntry(b.binding, l.bindings[i++]);
    });
    at += paramsSize(l);
    const group = gpu.createBindGroup({ layout: l.kernel.layout, entries });
    const [x, y, z] = l.groups;
    return [...copies, { kind: 'dispatch', kernel: l.kernel, group, x, y, z, choice: l.choice }];
  });
}

/** Encodes all commands, in order. */
export function replay(encoder: GPUCommandEncoder, commands: readonly Encoded[]): void {
  let pass: GPUComputePassEncoder | null = null;
  for (const c of commands) {
    if (c.kind === 'dispatch') {
      pass ??= encoder.beginComputePass();
      pass.setPipeline(c.kernel.pipeline);
      pass.setBindGroup(0, c.group);
      pass.dispatchWorkgroups(c.x, c.y, c.z);
      continue;
    }
    pass?.end();
    pass = null;
    if (c.kind === 'clear') encoder.clearBuffer(c.buffer, 0, c.bytes);
    else if (c.kind === 'texels') copyTexels(encoder, c.from, c.to, c.bytes);
    else encoder.copyBufferToBuffer(c.from, 0, c.to, 0, c.bytes);
  }
  pass?.end();
}
