// Build step: links every file of shaders/*/ with what it imports of shaders/shared/, reflects it with wgsl_reflect and
// writes runtime/kernel/generated.ts (git-ignored).
// The code in it is minified and packed, since it is most of what a web page loads; `--readable` leaves it as it is in
// shaders/. The engine reads struct offsets, bindings and workgroup sizes from the declarations (packed.ts), which this
// step holds against what wgsl_reflect says.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
// @ts-expect-error the bare import of wgsl_reflect is empty in Node, and the module file has no types of its own
import { WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import type { BindingInfo, EntryInfo, FieldInfo, ShaderInfo } from './info.ts';
import { splitCodes, type Codes } from './codes.ts';
import { link } from './link.ts';
import { minifyShaders } from './minify.ts';
import { pack, unpackShader } from './packed.ts';

const here = dirname(fileURLToPath(import.meta.url));

/** Module-scope `const`, `override` and `alias` declarations that start a line: the names that may be specialised. */
const DECLARATION = /^(const|override|alias)\s+([A-Za-z_]\w*)\s*(?::[^=;]+)?=\s*([^;]+);/gm;

function constantsOf(code: string): ShaderInfo['constants'] {
  const constants: ShaderInfo['constants'] = {};
  for (const m of code.matchAll(DECLARATION)) {
    const end = m.index + m[0].length - 1;
    constants[m[2]] = { kind: m[1] as 'const', value: m[3].trim(), start: end - m[3].length, end };
  }
  return constants;
}

const SCALARS: Record<string, FieldInfo['type']> = { f32: 'f32', i32: 'i32', u32: 'u32' };

function field(
  member: {
    name: string;
    offset: number;
    type: { name: string; count?: number; format?: { name: string; format?: { name: string } } };
  },
  file: string,
): FieldInfo {
  const vector = /^vec([234])([fiu])$/.exec(member.type.name);
  const kind = { f: 'f32', i: 'i32', u: 'u32' } as const;
  if (vector)
    return {
      name: member.name,
      offset: member.offset,
      type: kind[vector[2] as 'f' | 'i' | 'u'],
      count: Number(vector[1]),
    };
  const generic = /^vec([234])$/.exec(member.type.name);
  const type = generic ? SCALARS[member.type.format?.name ?? ''] : SCALARS[member.type.name];
  if (!type)
    throw new Error(
      `${file}: Params.${member.name} has type ${member.type.name}; use f32, i32, u32 or a vector of them`,
    );
  return { name: member.name, offset: member.offset, type, count: generic ? Number(generic[1]) : 1 };
}

/**
 * What wgsl_reflect reads of code with subgroup matrices, which it does not know: neither their types nor the layouts
 * that they are loaded by matter to it.
 */
const plain = (code: string): string =>
  code.replace(/subgroup_matrix_\w+<[^>]*>/g, 'mat4x4<f32>').replace(/(subgroupMatrix\w+)<[^>]*>/g, '$1');

/** Reflects one shader. Throws when it does not parse or breaks a convention. */
export function reflectShader(file: string, code: string): ShaderInfo {
  let module;
  try {
    module = new WgslReflect(plain(code));
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`);
  }
  const entries: Record<string, EntryInfo> = {};
  let params: ShaderInfo['params'] = null;
  for (const e of module.entry.compute) {
    const size = e.attributes.find((a: { name: string }) => a.name === 'workgroup_size').value;
    const bindings: BindingInfo[] = e.resources
      .map(
        (r: {
          name: string;
          binding: number;
          group: number;
          access: string;
          resourceType: number;
          size: number;
          type: { members?: [] };
        }) => {
          if (r.group !== 0) throw new Error(`${file}: ${r.name} is in group ${r.group}; there is one group`);
          const uniform = r.resourceType === 0;
          if (uniform) {
            if (r.name !== 'params') throw new Error(`${file}: the uniform must be called params, not ${r.name}`);
            params = { size: Math.ceil(r.size / 16) * 16, fields: (r.type.members ?? []).map((m) => field(m, file)) };
          }
          return {
            name: r.name,
            binding: r.binding,
            kind: uniform
              ? 'uniform'
              : r.resourceType === 5
                ? 'texture'
                : r.access === 'read_write'
                  ? 'read_write'
                  : 'read',
          };
        },
      )
      .sort((a: BindingInfo, b: BindingInfo) => a.binding - b.binding);
    entries[e.name] = { bindings, workgroup: Array.isArray(size) ? size : [size] };
  }
  return { code, constants: constantsOf(code), entries, params };
}

/** Names in a shader that the host goes by. */
function namesOf({ constants, entries, params }: ShaderInfo): Set<string> {
  return new Set([
    ...Object.keys(constants),
    ...Object.entries(entries).flatMap(([name, e]) => [name, ...e.bindings.map((b) => b.name)]),
    ...(params?.fields.map((f) => f.name) ?? []),
  ]);
}

/** Texts of the WGSL files of a folder, by name without the ending. */
function texts(folder: string): Record<string, string> {
  const files = readdirSync(folder)
    .filter((f) => f.endsWith('.wgsl'))
    .sort();
  return Object.fromEntries(files.map((f) => [f.slice(0, -5), readFileSync(join(folder, f), 'utf8')]));
}

/** The folders of shaders/, each a table of its own, so that a bundle leaves out what it does not launch. */
const TABLES = {
  engine: { name: 'ENGINE', about: 'Kernels that the engine launches.' },
  segmentation: {
    name: 'SEGMENTATION',
    about: 'Kernels that only the segmentation library launches: a bundle of the engine is without them.',
  },
  native: {
    name: 'NATIVE',
    about: 'Kernels that no browser can run: for lavapipe, and with subgroup matrices.',
  },
} as const;
type Table = keyof typeof TABLES;
const FOLDERS = Object.keys(TABLES) as Table[];

/** A shader with its imports and the numbers of its codes in place. */
type Linked = ReturnType<typeof splitCodes>;

/**
 * The shaders of one folder of `root`, linked with the snippets of its `shared` folder, by name. Throws for an import
 * that does not exist.
 */
function linkFolder(root: string, folder: Table): Record<string, Linked> {
  const snippets = texts(join(root, 'shared'));
  return Object.fromEntries(
    Object.entries(texts(join(root, folder))).map(([name, text]) => {
      const file = `${folder}/${name}.wgsl`;
      return [name, splitCodes(file, link(file, text, snippets))];
    }),
  );
}

/** Every shader below `root`, linked, by name. Throws for two of one name. */
export function linkFolders(root: string): Record<string, string> {
  const all: Record<string, string> = {};
  for (const folder of FOLDERS) {
    for (const [name, { code }] of Object.entries(linkFolder(root, folder))) {
      if (name in all) throw new Error(`${folder}/${name}.wgsl: another folder has a shader of this name`);
      all[name] = code;
    }
  }
  return all;
}

const reflected = (shaders: Readonly<Record<string, string>>): Record<string, ShaderInfo> =>
  Object.fromEntries(Object.entries(shaders).map(([name, code]) => [name, reflectShader(`${name}.wgsl`, code)]));

/**
 * Every shader below `root`, linked and reflected, by name. Throws when one does not parse or breaks a convention.
 */
export const reflectFolders = (root: string): Record<string, ShaderInfo> => reflected(linkFolders(root));

/**
 * What `generated.ts` holds of reflected shaders. Throws when one is written in a way that would be read back as
 * another.
 */
export function packShaders(shaders: Readonly<Record<string, ShaderInfo>>, readable = false): Record<string, string> {
  const all = Object.values(shaders);
  const code = readable ? all.map((s) => s.code) : minifyShaders(all.map((s) => ({ code: s.code, keep: namesOf(s) })));
  return Object.fromEntries(
    Object.keys(shaders).map((name, i) => {
      const packed = pack(code[i]);
      const read = unpackShader(name, packed);
      const layout = ({ constants, entries, params }: ShaderInfo): string =>
        JSON.stringify([
          Object.entries(constants).map(([k, c]) => [
            k,
            c.kind,
            c.value.replace(/\s/g, '').replace(/^(vec\d)<([fiu])32>/, '$1$2'),
          ]),
          entries,
          params,
        ]);
      if (read.code !== code[i] || layout(read) !== layout(all[i]))
        throw new Error(`${name}.wgsl: its declarations are read as ${layout(read)}, reflected as ${layout(all[i])}`);
      return [name, packed];
    }),
  );
}

const table = (name: string, shaders: Readonly<Record<string, string>>): string =>
  `const ${name} = {\n${Object.entries(shaders)
    .map(([key, shader]) => `  ${key}: ${JSON.stringify(shader)},`)
    .join('\n')}\n} as const;\n`;

/** `unary`, `OP`: UNARY_OP. */
const codesName = (shader: string, constant: string): string =>
  `${shader.replace(/[A-Z]/g, '_$&').toUpperCase()}_${constant}`;

const codeTables = (shader: string, codes: Codes): string[] =>
  Object.entries(codes).map(
    ([constant, own]) =>
      `/** Values of ${constant} in ${shader}.wgsl. */\n` +
      `export const ${codesName(shader, constant)} = ${JSON.stringify(own)} as const;\n`,
  );

function main(): void {
  const root = join(here, '../../shaders');
  const file = join(here, 'generated.ts');
  const readable = process.argv.includes('--readable');
  // Made again only from something else than last time.
  const tools = ['build.ts', 'codes.ts', 'link.ts', 'minify.ts', 'packed.ts', 'declarations.ts'].map((f) =>
    readFileSync(join(here, f), 'utf8'),
  );
  const linked = FOLDERS.map((folder) => [folder, linkFolder(root, folder)] as const);
  const key = createHash('sha256')
    .update(JSON.stringify([readable, linked, tools]))
    .digest('hex')
    .slice(0, 16);
  if (existsSync(file) && readFileSync(file, 'utf8').split('\n', 1)[0].endsWith(key)) return;
  // Packed together, since shaders share the short names that they get.
  const packed = packShaders(reflectFolders(root), readable);
  const part = (names: readonly string[]): Record<string, string> =>
    Object.fromEntries(names.map((name) => [name, packed[name]]));
  const text = [
    `// Generated from shaders/ by runtime/kernel/build.ts. Not under version control. Made from ${key}`,
    "import { unpackShaders } from './packed.ts';\n",
    ...linked.map(([folder, shaders]) => table(folder, part(Object.keys(shaders)))),
    ...FOLDERS.map((folder) => {
      const { name, about } = TABLES[folder];
      return `/** ${about} */\nexport const ${name} = /* @__PURE__ */ unpackShaders(${folder});\n`;
    }),
    ...linked.flatMap(([, shaders]) =>
      Object.entries(shaders).flatMap(([shader, { codes }]) => codeTables(shader, codes)),
    ),
    '/** All of them, for tests. */',
    `export const SHADERS = /* @__PURE__ */ unpackShaders(${FOLDERS.join(', ')});\n`,
  ];
  writeFileSync(file, text.join('\n'));
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) main();
