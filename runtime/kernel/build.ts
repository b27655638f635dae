// Build step: reflects every file of shaders/ with wgsl_reflect and writes runtime/kernel/generated.ts (git-ignored).
// The engine itself never parses WGSL: struct offsets, bindings and workgroup sizes all come from this one module.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
// @ts-expect-error the bare import of wgsl_reflect is empty in Node, and the module file has no types of its own
import { WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import type { BindingInfo, EntryInfo, FieldInfo, ShaderInfo } from './info.ts';

const here = dirname(fileURLToPath(import.meta.url));

/** Module-scope `const`, `override` and `alias` declarations that start a line: the names that may be specialised. */
const DECLARATION = /^(const|override|alias)\s+([A-Za-z_]\w*)\s*(?::[^=;]+)?=\s*([^;]+);/gm;

const SCALARS: Record<string, FieldInfo['type']> = { f32: 'f32', i32: 'i32', u32: 'u32' };

function field(member: { name: string; offset: number; type: { name: string; count?: number; format?: { name: string; format?: { name: string } } } }, file: string): FieldInfo {
  const vector = /^vec([234])([fiu])$/.exec(member.type.name);
  const kind = { f: 'f32', i: 'i32', u: 'u32' } as const;
  if (vector) return { name: member.name, offset: member.offset, type: kind[vector[2] as 'f' | 'i' | 'u'], count: Number(vector[1]) };
  const generic = /^vec([234])$/.exec(member.type.name);
  const type = generic ? SCALARS[member.type.format?.name ?? ''] : SCALARS[member.type.name];
  if (!type) throw new Error(`${file}: Params.${member.name} has type ${member.type.name}; use f32, i32, u32 or a vector of them`);
  return { name: member.name, offset: member.offset, type, count: generic ? Number(generic[1]) : 1 };
}

/** Reflects one shader. Throws when it does not parse or breaks a convention. */
export function reflectShader(file: string, code: string): ShaderInfo {
  let module;
  try {
    module = new WgslReflect(code);
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`);
  }
  const constants: ShaderInfo['constants'] = {};
  for (const m of code.matchAll(DECLARATION)) {
    const end = m.index + m[0].length - 1;
    constants[m[2]] = { kind: m[1] as 'const', value: m[3].trim(), start: end - m[3].length, end };
  }
  const entries: Record<string, EntryInfo> = {};
  let params: ShaderInfo['params'] = null;
  for (const e of module.entry.compute) {
    const size = e.attributes.find((a: { name: string }) => a.name === 'workgroup_size').value;
    const bindings: BindingInfo[] = e.resources
      .map((r: { name: string; binding: number; group: number; access: string; resourceType: number; size: number; type: { members?: [] } }) => {
        if (r.group !== 0) throw new Error(`${file}: ${r.name} is in group ${r.group}; there is one group`);
        const uniform = r.resourceType === 0;
        if (uniform) {
          if (r.name !== 'params') throw new Error(`${file}: the uniform must be called params, not ${r.name}`);
          params = { size: Math.ceil(r.size / 16) * 16, fields: (r.type.members ?? []).map((m) => field(m, file)) };
        }
        return { name: r.name, binding: r.binding, kind: uniform ? 'uniform' : r.access === 'read_write' ? 'read_write' : 'read' };
      })
      .sort((a: BindingInfo, b: BindingInfo) => a.binding - b.binding);
    entries[e.name] = { bindings, workgroup: Array.isArray(size) ? size : [size] };
  }
  return { code, constants, entries, params };
}

function main(): void {
  const folder = join(here, '../../shaders');
  const files = readdirSync(folder).filter((f) => f.endsWith('.wgsl')).sort();
  const shaders = files.map((f) => [f.slice(0, -5), reflectShader(f, readFileSync(join(folder, f), 'utf8'))] as const);
  const lines = shaders.map(([name, info]) => `  ${JSON.stringify(name)}: ${JSON.stringify(info)},`);
  const text = `// Generated from shaders/ by runtime/kernel/build.ts. Not under version control.\nimport type { ShaderInfo } from './info.ts';\n\nexport const SHADERS: Record<string, ShaderInfo> = {\n${lines.join('\n')}\n};\n`;
  writeFileSync(join(here, 'generated.ts'), text);
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) main();
