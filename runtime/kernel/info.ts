// What the build step knows about each shader, and how it is kept in few bytes.

export interface BindingInfo {
  name: string;
  binding: number;
  kind: 'read' | 'read_write' | 'uniform';
  /** Of the elements, where that is checked: in kernels of the user's own. */
  dtype?: 'f32' | 'f16' | 'i32' | 'u32';
}

export interface FieldInfo {
  name: string;
  offset: number;
  type: 'f32' | 'i32' | 'u32';
  count: number;
}

export interface EntryInfo {
  bindings: BindingInfo[];
  /** Up to three sizes; a name refers to a module-scope constant. */
  workgroup: string[];
}

export interface ShaderInfo {
  code: string;
  /** Module-scope declarations by name, and where in the code their value stands. */
  constants: Record<string, { kind: 'const' | 'override' | 'alias'; value: string; start: number; end: number }>;
  entries: Record<string, EntryInfo>;
  params: { size: number; fields: FieldInfo[] } | null;
}

/** A shader as it is stored: its code, and for each entry point which bindings it uses (see {@link unpackShader}). */
export type PackedShader = readonly [code: string, uses: string];

/** Module-scope `const`, `override` and `alias` declarations that start a line: the names that may be specialised. */
const DECLARATION = /^(const|override|alias)\s+([A-Za-z_]\w*)\s*(?::[^=;]+)?=\s*([^;]+);/gm;

/** The declarations of a shader that may be specialised, by name. */
export function constantsOf(code: string): ShaderInfo['constants'] {
  const constants: ShaderInfo['constants'] = {};
  for (const m of code.matchAll(DECLARATION)) {
    const end = m.index + m[0].length - 1;
    constants[m[2]] = { kind: m[1] as 'const', value: m[3].trim(), start: end - m[3].length, end };
  }
  return constants;
}

const BINDING = /@binding\((\d+)\)\s*var<(uniform|storage,\s*(?:read_write|read))>\s*(\w+)\s*:\s*(\w+)/g;
const ENTRY = /@workgroup_size\(([^)]*)\)\s*fn\s+(\w+)/g;
const FIELD = /(\w+)\s*:\s*(?:vec([234]))?<?([fiu])(?:32)?\b/g;
const TYPES = { f: 'f32', i: 'i32', u: 'u32' } as const;

/** Params by WGSL's rules for uniforms: a vector of two begins at a multiple of 8 bytes, of three or four at one of 16, the whole fills up 16. */
function paramsOf(struct: string): NonNullable<ShaderInfo['params']> {
  let at = 0;
  const fields = [...struct.matchAll(FIELD)].map(([, name, vector, type]): FieldInfo => {
    const count = Number(vector ?? 1), align = count === 1 ? 4 : count === 2 ? 8 : 16;
    const offset = Math.ceil(at / align) * align;
    at = offset + 4 * count;
    return { name, offset, type: TYPES[type as 'f'], count };
  });
  return { size: Math.ceil(at / 16) * 16, fields };
}

/**
 * What the build step reflected, from the declarations as the engine's own shaders write them; a test holds the two equal.
 * @param shader.uses for each entry point in the order of the code, the numbers of its bindings as letters of base 36: `0136,014`
 */
export function unpackShader([code, uses]: PackedShader): ShaderInfo {
  const plain = code.replace(/\/\/.*/g, '');
  const bindings = [...plain.matchAll(BINDING)].map(([, binding, kind, name, type]) => ({ name, binding: Number(binding), kind: kind.replace(/storage,\s*/, '') as BindingInfo['kind'], type }));
  const uniform = bindings.find((b) => b.kind === 'uniform');
  const lists = uses.split(',');
  const entries = [...plain.matchAll(ENTRY)].map(([, sizes, name], i): [string, EntryInfo] => {
    const used = [...lists[i]].map((letter) => bindings.find((b) => b.binding === parseInt(letter, 36))!);
    return [name, { bindings: used.map(({ name, binding, kind }) => ({ name, binding, kind })), workgroup: sizes.split(',').map((s) => s.trim()) }];
  });
  const struct = uniform && new RegExp(`struct\\s+${uniform.type}\\s*{([^}]*)}`).exec(plain)![1];
  return { code, constants: constantsOf(code), entries: Object.fromEntries(entries), params: struct === undefined ? null : paramsOf(struct) };
}

/** Shaders by name, each unpacked when it is first asked for. */
export function unpackShaders(...tables: readonly Readonly<Record<string, PackedShader>>[]): Record<string, ShaderInfo> {
  const shaders = {} as Record<string, ShaderInfo>;
  for (const [name, packed] of tables.flatMap((t) => Object.entries(t))) {
    let info: ShaderInfo | undefined;
    Object.defineProperty(shaders, name, { enumerable: true, get: () => (info ??= unpackShader(packed)) });
  }
  return shaders;
}
