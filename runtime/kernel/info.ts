// What the engine knows about each shader.

export interface BindingInfo {
  name: string;
  binding: number;
  /** `texture`: read, and declared as `Texels`, an alias for the format; see runtime/device/texels.ts. */
  kind: 'read' | 'read_write' | 'texture' | 'uniform';
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
