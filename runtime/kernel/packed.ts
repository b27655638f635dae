// How the engine keeps its shaders in few bytes: without the ends of lines, and with layouts that are read from their
// declarations.

import { readDeclarations } from './declarations.ts';
import type { ShaderInfo } from './info.ts';

/** `$.`: the bindings of a file are counted from 0 on. */
const BINDING = (i: number): string => `@group(0)@binding(${i})`;

/**
 * Shorter: minified code ends a line after each `;`, `{` and `}`, so the line ends are left out; `$_` marks where there
 * is none.
 */
export function pack(code: string): string {
  let bindings = 0;
  return code
    .replace(/[;{}]\n?/g, (end) => (end[1] ? end[0] : `${end}$_`))
    .replace(/@group\(0\)@binding\(\d+\)/g, (b) => (b === BINDING(bindings) ? (bindings++, '$.') : b));
}

function unpack(packed: string): string {
  let bindings = 0;
  return packed
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
