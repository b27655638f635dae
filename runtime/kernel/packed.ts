// How the engine keeps its shaders in few bytes: what they often say is written as `$` and a letter, and their layouts
// are read from their declarations.

import { readDeclarations } from './declarations.ts';
import type { ShaderInfo } from './info.ts';

/**
 * What minified shaders often say, longer before shorter. A shader may do without: nothing depends on this list but the
 * size of a bundle.
 */
const PHRASES = [
  'builtin(local_invocation_id)B:vec3u,@builtin(workgroup_id)group:vec3u',
  'builtin(global_invocation_id)f:vec3u,@builtin(num_workgroups)o:vec3u',
  ':array<f32>;$.var<storage,read',
  '@compute@workgroup_size(WG)fn',
  '$.var<uniform>params:',
  '>;$.var<storage,read',
  'workgroupBarrier()',
  'var<storage,read>',
  'f.x+f.y*o.x*WG;if',
  'f.x+f.y*o.x*WG',
  ':bool=false;',
  'for(var ',
  'params.',
  'return ',
  ':array<',
  'select(',
  ';}case ',
  'Element',
  'struct ',
  '_write>',
  ')->f32{',
  'const ',
  'Stored',
  'return',
  'stride',
  'kernel',
  'atomic',
  'group',
  'scale',
  'chunk',
  'let ',
  ':u32',
  'var ',
  'vec2',
  'vec4',
  'size',
  'f32(',
  '=0u;',
  '++){',
  'if(',
  '0.0',
  'u:{',
];
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const letter = (i: number): string => `$${LETTERS[i]}`;

/** `$.`: the bindings of a file are counted from 0 on. */
const BINDING = (i: number): string => `@group(0)@binding(${i})`;

/**
 * Shorter: minified code ends a line after each `;`, `{` and `}`, so that goes without saying; `$_` says that it does
 * not end.
 */
export function pack(code: string): string {
  let bindings = 0;
  const short = code
    .replace(/[;{}]\n?/g, (end) => (end[1] ? end[0] : `${end}$_`))
    .replace(/@group\(0\)@binding\(\d+\)/g, (b) => (b === BINDING(bindings) ? (bindings++, '$.') : b));
  return PHRASES.reduce((packed, phrase, i) => packed.replaceAll(phrase, letter(i)), short);
}

function unpack(packed: string): string {
  let bindings = 0;
  return packed
    .replace(/\$([a-z])/gi, (_, l: string) => PHRASES[LETTERS.indexOf(l)])
    .replace(/\$\./g, () => BINDING(bindings++))
    .replace(/([;{}])(\$_)?/g, (_, end: string, on?: string) => (on ? end : `${end}\n`));
}

/** A packed shader with its layout. @throws ShaderError for a declaration that cannot be read */
export function unpackShader(name: string, packed: string): ShaderInfo {
  const info = readDeclarations(name, unpack(packed));
  // Kernels of the engine read words of one dtype as those of another: only a user's own are held to the dtypes that
  // they declare.
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
