// How the engine keeps its shaders in few bytes: what they often say is written as `$` and a letter, and their layouts are read from their declarations.

import { readDeclarations } from './declarations.ts';
import type { ShaderInfo } from './info.ts';

/** What minified shaders often say, longer before shorter. A shader may do without: nothing depends on this list but the size of a bundle. */
const PHRASES = [
  '@compute@workgroup_size(WG)fn forward(@builtin(global_invocation_id)f:vec3u,@builtin(num_workgroups)o:vec3u){\nlet ',
  '@builtin(local_invocation_index)B:u32,@builtin(workgroup_id)group:vec3u',
  'builtin(local_invocation_id)B:vec3u,@builtin(workgroup_id)group:vec3u',
  'builtin(global_invocation_id)f:vec3u,@builtin(num_workgroups)o:vec3u',
  ':array<f32>;\n@group(0)@binding(',
  '@compute@workgroup_size(WG)fn',
  ')var<storage,read_write>',
  ')var<uniform>params:',
  '>;\n@group(0)@binding(',
  '\n@group(0)@binding',
  'workgroupBarrier()',
  'f.x+f.y*o.x*WG;\nif',
  'const WG:u32=64u;\n',
  ')var<storage,read>',
  'params.',
  '\nreturn',
];
const letter = (i: number): string => `$${String.fromCharCode(97 + i)}`;

export const pack = (code: string): string => PHRASES.reduce((packed, phrase, i) => packed.replaceAll(phrase, letter(i)), code);
const unpack = (packed: string): string => packed.replace(/\$([a-z])/g, (_, l: string) => PHRASES[l.charCodeAt(0) - 97]);

/** A packed shader with its layout. @throws ShaderError for a declaration that cannot be read */
export function unpackShader(name: string, packed: string): ShaderInfo {
  const info = readDeclarations(name, unpack(packed));
  // Kernels of the engine read words of one dtype as those of another: only a user's own are held to the dtypes that they declare.
  for (const { bindings } of Object.values(info.entries)) for (const b of bindings) delete b.dtype;
  return info;
}

/** Shaders by name, each unpacked when it is first asked for. */
export function unpackShaders(...tables: readonly Readonly<Record<string, string>>[]): Record<string, ShaderInfo> {
  const shaders = {} as Record<string, ShaderInfo>;
  for (const [name, packed] of tables.flatMap((t) => Object.entries(t))) {
    let info: ShaderInfo | undefined;
    Object.defineProperty(shaders, name, { enumerable: true, get: () => (info ??= unpackShader(name, packed)) });
  }
  return shaders;
}
