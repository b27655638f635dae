// Build step: reflects every file of shaders/ with wgsl_reflect and writes runtime/kernel/generated.ts (git-ignored).
// The engine itself never parses WGSL: struct offsets, bindings and workgroup sizes all come from this one module. The code in it is minified, since it
// is most of what a web page loads; `--readable` leaves it as it is in shaders/.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
// @ts-expect-error the bare import of wgsl_reflect is empty in Node, and the module file has no types of its own
import { WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import { constantsOf, unpackShader, type BindingInfo, type EntryInfo, type FieldInfo, type PackedShader, type ShaderInfo } from './info.ts';
import { minifyShaders } from './minify.ts';

const here = dirname(fileURLToPath(import.meta.url));

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
  return { code, constants: constantsOf(code), entries, params };
}

/** Names in a shader that the host goes by. */
function namesOf({ constants, entries, params }: ShaderInfo): Set<string> {
  return new Set([...Object.keys(constants), ...Object.entries(entries).flatMap(([name, e]) => [name, ...e.bindings.map((b) => b.name)]), ...(params?.fields.map((f) => f.name) ?? [])]);
}

/** Every file of a folder, reflected, by its name without the ending. Throws when one does not parse or breaks a convention. */
export function reflectFolder(folder: string): Record<string, ShaderInfo> {
  const files = readdirSync(folder).filter((f) => f.endsWith('.wgsl')).sort();
  return Object.fromEntries(files.map((f) => [f.slice(0, -5), reflectShader(f, readFileSync(join(folder, f), 'utf8'))]));
}

/** What `generated.ts` holds of reflected shaders. Throws when one is written in a way that would be read back as another. */
export function packShaders(shaders: Readonly<Record<string, ShaderInfo>>, readable = false): Record<string, PackedShader> {
  const all = Object.values(shaders);
  const code = readable ? all.map((s) => s.code) : minifyShaders(all.map((s) => ({ code: s.code, keep: namesOf(s) })));
  return Object.fromEntries(Object.keys(shaders).map((name, i) => {
    const packed: PackedShader = [code[i], Object.values(all[i].entries).map((e) => e.bindings.map((b) => b.binding.toString(36)).join('')).join()];
    const layout = ({ constants, entries, params }: ShaderInfo): string => JSON.stringify([Object.entries(constants).map(([k, c]) => [k, c.kind, c.value.replace(/\s/g, '').replace(/^(vec\d)<([fiu])32>/, '$1$2')]), entries, params]);
    if (layout(unpackShader(packed)) !== layout(all[i])) throw new Error(`${name}.wgsl: its declarations are read as ${layout(unpackShader(packed))}, reflected as ${layout(all[i])}`);
    return [name, packed];
  }));
}

function main(): void {
  const root = join(here, '../..');
  const packed = Object.entries(packShaders(reflectFolder(join(root, 'shaders')), process.argv.includes('--readable')));
  const code = readdirSync(join(root, 'runtime'), { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts') && !f.endsWith('generated.ts')).map((f) => readFileSync(join(root, 'runtime', f), 'utf8')).join('\n');
  const table = (name: string, shaders: typeof packed): string => `const ${name} = {\n${shaders.map(([key, shader]) => `  ${key}: ${JSON.stringify(shader)},`).join('\n')}\n} as const;\n`;
  const text = [
    '// Generated from shaders/ by runtime/kernel/build.ts. Not under version control.',
    "import { unpackShaders } from './info.ts';\n",
    table('engine', packed.filter(([name]) => code.includes(`'${name}'`))),
    table('segmentation', packed.filter(([name]) => !code.includes(`'${name}'`))),
    '/** Kernels that the engine launches. */\nexport const ENGINE = /* @__PURE__ */ unpackShaders(engine);\n',
    '/** Kernels that only the segmentation library launches: a bundle of the engine is without them. */\nexport const SEGMENTATION = /* @__PURE__ */ unpackShaders(segmentation);\n',
    '/** All of them, for tests. */\nexport const SHADERS = /* @__PURE__ */ unpackShaders(engine, segmentation);\n',
  ];
  writeFileSync(join(here, 'generated.ts'), text.join('\n'));
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) main();
