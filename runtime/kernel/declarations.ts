// The declarations of a kernel, read from its WGSL: bindings, params, constants, entry points. This small reader keeps
// a parser out of the published engine (the build step holds it against one for the engine's own kernels). It reads
// declarations, and leaves the rest to the GPU's compiler.

import { ShaderError } from '../errors.ts';
import type { BindingInfo, EntryInfo, FieldInfo, ShaderInfo } from './info.ts';

/** The code with comments replaced by spaces: positions and lines stay. */
function withoutComments(code: string): string {
  let out = '';
  let depth = 0;
  for (let i = 0; i < code.length; i++) {
    const two = code.slice(i, i + 2);
    if (depth === 0 && two === '//') {
      for (; i < code.length && code[i] !== '\n'; i++) out += ' ';
      if (i < code.length) out += '\n';
    } else if (two === '/*' || (depth > 0 && two === '*/')) {
      depth += two === '/*' ? 1 : -1;
      out += '  ';
      i++;
    } else out += depth === 0 || code[i] === '\n' ? code[i] : ' ';
  }
  return out;
}

/** A declaration at module scope: its text, where it starts, and its body in braces. */
interface Item {
  text: string;
  start: number;
  body: string;
}

function items(code: string): Item[] {
  const found: Item[] = [];
  let start = 0;
  let depth = 0;
  let open = -1;
  for (let i = 0; i < code.length; i++) {
    if (code[i] === '{' && depth++ === 0) open = i;
    const closes = code[i] === '}' && --depth === 0;
    if (!closes && !(code[i] === ';' && depth === 0)) continue;
    const text = code.slice(start, i + 1);
    const blank = text.length - text.trimStart().length;
    if (text.trim() !== ';')
      found.push({ text: text.trimStart(), start: start + blank, body: open < 0 ? '' : code.slice(open + 1, i) });
    start = i + 1;
    open = -1;
  }
  return found;
}

/**
 * The names in a function's body that it has not declared itself: members, and what a parameter or a local variable
 * hides, do not count.
 */
function mentioned({ text, body }: Item): Set<string> {
  const names = new Set<string>();
  const head = text.slice(text.indexOf('('), text.indexOf('{'));
  const scopes = [new Set([...head.matchAll(/([A-Za-z_]\w*)\s*:/g)].map((m) => m[1]))];
  let declared: string | null = null;
  for (const [token, declares] of body.matchAll(
    /\b(?:let|var(?:\s*<[^>]*>)?|const)\s+([A-Za-z_]\w*)|\.\s*[A-Za-z_]\w*|\b[A-Za-z_]\w*|[{};]/g,
  )) {
    if (token === '{') scopes.push(new Set());
    else if (token === '}') scopes.pop();
    else if (token === ';' && declared) {
      scopes.at(-1)!.add(declared);
      declared = null;
    } else if (declares) declared = declares;
    else if (/^[A-Za-z_]/.test(token) && !scopes.some((s) => s.has(token))) names.add(token);
  }
  return names;
}

const SCALARS = { f32: 'f32', i32: 'i32', u32: 'u32', f: 'f32', i: 'i32', u: 'u32' } as const;

/** A type that a param may have: a number or a vector of numbers. */
function numberType(type: string): { type: FieldInfo['type']; count: number; align: number } | null {
  const m = /^(?:(f32|i32|u32)|vec([234])(?:([fiu])|\s*<\s*(f32|i32|u32)\s*>))$/.exec(type.trim());
  if (!m) return null;
  const count = Number(m[2] ?? 1);
  return { type: SCALARS[(m[1] ?? m[3] ?? m[4]) as keyof typeof SCALARS], count, align: count === 3 ? 16 : 4 * count };
}

/** The dtype of the elements of `array<T>`, if it is one that tensors have. */
function elementType(type: string): BindingInfo['dtype'] {
  const m = /^array\s*<\s*(?:atomic\s*<\s*)?(?:vec[234](?:\s*<\s*)?)?(f32|f16|i32|u32|f|h|i|u)\b/.exec(type.trim());
  return m ? (m[1] === 'h' || m[1] === 'f16' ? 'f16' : SCALARS[m[1] as keyof typeof SCALARS]) : undefined;
}

const BINDING = /\bvar\s*(?:<\s*(uniform|storage)\s*(?:,\s*(read_write|read))?\s*>)?\s*([A-Za-z_]\w*)\s*:\s*([^;]+);/;
const VALUE = /^((?:@\w+(?:\([^)]*\))?\s*)*)(const|override|alias)\s+([A-Za-z_]\w*)\s*(?::[^=;]+)?=\s*([^;]+);/;
const FUNCTION = /\bfn\s+([A-Za-z_]\w*)\s*\(/;

/**
 * Reads the declarations of a shader.
 * @param name for errors
 * @throws ShaderError with the line of a declaration that cannot be used
 */
export function readDeclarations(name: string, source: string): ShaderInfo {
  const code = withoutComments(source);
  const fail = (at: number, message: string, hint?: string): never => {
    throw new ShaderError(name, code.slice(0, at).split('\n').length, message, hint);
  };
  const parts = items(code);
  const structs = new Map(
    parts.flatMap((p) => (/^struct\s/.test(p.text) ? [[/^struct\s+(\w+)/.exec(p.text)?.[1], p] as const] : [])),
  );
  const constants: ShaderInfo['constants'] = {};
  const bindings: (BindingInfo & { at: number })[] = [];
  const functions = new Map<string, ReadonlySet<string>>();
  let params: ShaderInfo['params'] = null;
  for (const p of parts) {
    const value = VALUE.exec(p.text);
    if (value) {
      const end = p.start + value[0].length - 1;
      constants[value[3]] = { kind: value[2] as 'const', value: value[4].trim(), start: end - value[4].length, end };
    }
    const fn = FUNCTION.exec(p.text);
    if (fn) functions.set(fn[1], mentioned(p));
    const bound = fn ? null : BINDING.exec(p.text);
    if (!bound || (!bound[1] && bound[4].trim() !== 'Texels')) continue;
    const [, space, access, variable, type] = bound;
    const number = (attribute: string): number => {
      const text = new RegExp(`@${attribute}\\s*\\(\\s*(\\d+)[ui]?\\s*,?\\s*\\)`).exec(p.text)?.[1];
      return text === undefined ? fail(p.start, `${variable} has no @${attribute}(number)`) : Number(text);
    };
    if (number('group') !== 0) fail(p.start, `${variable} is in group ${number('group')}`, 'there is one group, 0');
    const binding = number('binding');
    const twin = bindings.find((b) => b.binding === binding);
    if (twin) fail(p.start, `${variable} has the binding ${binding} of ${twin.name}`);
    const kind = !space ? 'texture' : space === 'uniform' ? 'uniform' : access === 'read_write' ? 'read_write' : 'read';
    const dtype = kind === 'uniform' ? undefined : elementType(type);
    bindings.push({ name: variable, binding, kind, at: p.start, ...(dtype && { dtype }) });
    if (kind !== 'uniform') continue;
    if (params) fail(p.start, `${variable} is a second uniform`, 'put all params into one struct');
    params = layout(variable, type, p.start);
  }
  if (!params && bindings.length === 0)
    fail(0, 'it has no bindings', 'declare @group(0) @binding(0) var<storage, read> x: array<f32>; …');
  const entries: Record<string, EntryInfo> = {};
  for (const p of parts) {
    if (!/@compute\b/.test(p.text.slice(0, p.text.indexOf('{')))) continue;
    const fn = FUNCTION.exec(p.text)?.[1] ?? fail(p.start, '@compute stands before no function');
    const size = /@workgroup_size\s*\(([^)]*)\)/.exec(p.text)?.[1] ?? fail(p.start, `${fn} has no @workgroup_size`);
    const workgroup = size
      .split(',')
      .map((s) => s.trim().replace(/^(\d+)[iu]$/, '$1'))
      .filter(Boolean);
    const odd = workgroup.find((s) => !/^\d+$/.test(s) && !constants[s]);
    if (odd) fail(p.start, `the workgroup size ${odd} of ${fn} is neither a number nor a const`);
    const used = reached(fn);
    entries[fn] = {
      bindings: bindings
        .filter((b) => used.has(b.name))
        .sort((a, b) => a.binding - b.binding)
        .map(({ at: _, ...b }) => b),
      workgroup,
    };
  }
  if (Object.keys(entries).length === 0)
    fail(0, 'it has no entry point', 'write @compute @workgroup_size(64) fn forward(…) { … }');
  return { code: source, constants, entries, params };

  /** The names of module scope that a function and those that it calls mention. */
  function reached(first: string): Set<string> {
    const names = new Set([first]);
    for (const name of names) for (const word of functions.get(name) ?? []) names.add(word);
    return names;
  }

  /** Offsets of the params in WGSL's layout for uniforms. */
  function layout(variable: string, type: string, at: number): NonNullable<ShaderInfo['params']> {
    const allowed = 'params are f32, i32, u32, or vectors of them';
    const alone = numberType(type);
    if (alone) return { size: 16, fields: [{ name: variable, offset: 0, type: alone.type, count: alone.count }] };
    const struct =
      structs.get(type.trim()) ?? fail(at, `${variable} is ${type.trim()}, neither a number nor a struct`, allowed);
    const fields: FieldInfo[] = [];
    let offset = 0;
    for (const member of struct.body.split(/,(?![^<]*>)/)) {
      if (!member.trim()) continue;
      const m = /^\s*([A-Za-z_]\w*)\s*:\s*(.+?)\s*$/s.exec(member);
      const t = m && numberType(m[2]);
      if (!m || !t) return fail(struct.start, `${type.trim()} has the member "${member.trim()}"`, allowed);
      offset = Math.ceil(offset / t.align) * t.align;
      fields.push({ name: m[1], offset, type: t.type, count: t.count });
      offset += 4 * t.count;
    }
    return { size: Math.ceil(offset / 16) * 16, fields };
  }
}
