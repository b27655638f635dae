// From a shader's name to a pipeline: specialising by constant, one pipeline for each (shader, entry, constants),
// uniforms filled by field name.

import { ENGINE } from './generated.ts';
import type { BindingInfo, ShaderInfo } from './info.ts';
import type { TexelFormat } from '../device/texels.ts';
import { OwnKernel } from './own.ts';
import { FewmaskError, ShapeError } from '../errors.ts';

/** Values for the module-scope `const`, `override` and `alias` declarations of a shader, by name. */
export type Constants = Record<string, number | boolean | string>;
/** The value of a param: a number, or the components of a vector. */
export type ParamValue = number | readonly number[];

/** A compute pipeline and what is needed to bind to it. */
export interface Kernel {
  readonly key: string;
  readonly bindings: readonly BindingInfo[];
  readonly workgroup: readonly [number, number, number];
  /** Made when it is first used. */
  readonly pipeline: GPUComputePipeline;
  /** Makes it beforehand, beside others. @throws ShaderError for a kernel of the user's own that the GPU refuses */
  compile(): Promise<void>;
  /** The same for another device; none of a shader of the user's own. */
  readonly twin?: (on: KernelCache) => Kernel;
  readonly layout: GPUBindGroupLayout;
  readonly params: ShaderInfo['params'];
  /** Of a kernel of the user's own: what is known of it. */
  readonly own?: OwnKernel;
  /** The format of its textures. */
  readonly texels?: TexelFormat;
}

function kernelError(message: string): never {
  throw new FewmaskError('kernel', message);
}

const INTEGER = /^(\d+)u?$/;

/** WGSL text of a value for a declaration whose current value is `current` (keeps the literal's suffix). */
function literal(value: number | boolean | string, current: string): string {
  if (typeof value !== 'number') return String(value);
  if (/^\d+u$/.test(current)) return `${value}u`;
  if (INTEGER.test(current) || Number.isInteger(value) === false) return String(value);
  return /[.e]/.test(current) ? `${value}.0` : String(value);
}

/**
 * The shader's code with the values of the named constants and aliases replaced, f16 enabled where one of them is that.
 * Unknown names are an error.
 */
export function specialise(shader: ShaderInfo, name: string, constants: Constants): string {
  const edits = Object.entries(constants).map(([key, value]) => {
    const declared = shader.constants[key];
    if (!declared)
      kernelError(
        `shader ${name} declares no constant ${key}; it has ${Object.keys(shader.constants).join(', ') || 'none'}`,
      );
    return { ...declared, text: literal(value, declared.value) };
  });
  edits.sort((a, b) => b.start - a.start);
  let code = shader.code;
  for (const e of edits) code = code.slice(0, e.start) + e.text + code.slice(e.end);
  return edits.some((e) => /\bf16\b/.test(e.text)) ? `enable f16;\n${code}` : code;
}

function workgroupSize(shader: ShaderInfo, sizes: readonly string[], constants: Constants): [number, number, number] {
  const value = (s: string): number => {
    const literalSize = INTEGER.exec(s);
    if (literalSize) return Number(literalSize[1]);
    const replaced = constants[s];
    if (typeof replaced === 'number') return replaced;
    return value(shader.constants[s]?.value ?? kernelError(`workgroup size ${s} is not a constant`));
  };
  return [value(sizes[0]), sizes[1] ? value(sizes[1]) : 1, sizes[2] ? value(sizes[2]) : 1];
}

/**
 * Fills `view` (from byte `base` on) with the shader's Params, by field name. Every field must be given, and nothing
 * else.
 * @throws ShapeError for a size or a setting that is not a whole number of 32 bits: stored, it would silently be
 *   another
 */
export function fillParams(
  shader: string,
  info: NonNullable<ShaderInfo['params']>,
  view: DataView,
  base: number,
  values: Record<string, ParamValue>,
): void {
  for (const f of info.fields) {
    const v = values[f.name];
    if (v === undefined) kernelError(`shader ${shader}: param ${f.name} is missing`);
    for (let i = 0; i < f.count; i++) {
      const x = typeof v === 'number' ? v : v[i];
      const at = base + f.offset + 4 * i;
      if (f.type === 'f32') {
        view.setFloat32(at, x, true);
        continue;
      }
      if ((f.type === 'i32' ? x | 0 : x >>> 0) !== x)
        throw new ShapeError(shader, `${f.name} is ${v}`, `a kernel takes ${f.type}: whole numbers of 32 bits`);
      if (f.type === 'i32') view.setInt32(at, x, true);
      else view.setUint32(at, x, true);
    }
  }
  if (Object.keys(values).length !== info.fields.length) {
    const known = new Set(info.fields.map((f) => f.name));
    kernelError(
      `shader ${shader}: unknown params ${Object.keys(values)
        .filter((k) => !known.has(k))
        .join(', ')}`,
    );
  }
}

/** The pipelines of one device. */
export class KernelCache {
  readonly #kernels = new Map<string, Kernel>();
  readonly #modules = new Map<string, GPUShaderModule>();
  /** Shaders of the user's own, by their keys. */
  readonly #own = new Map<string, { name: string; info: ShaderInfo }>();
  readonly #gpu: GPUDevice;

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  /** How many pipelines have been made: a new image size must not raise it. */
  get size(): number {
    return this.#kernels.size;
  }

  /** Adds a shader that is not among the engine's. @param name for errors; shaders of one name have several keys */
  add(key: string, name: string, info: ShaderInfo): void {
    this.#own.set(key, { name, info });
  }

  /** @param shaders where the shader is, when it is none of the engine's */
  get(
    shader: string,
    entry: string,
    constants: Constants = {},
    shaders: Readonly<Record<string, ShaderInfo>> = ENGINE,
  ): Kernel {
    const special = Object.keys(constants)
      .sort()
      .map((k) => `${k}=${constants[k]}`)
      .join(',');
    const key = `${shader}.${entry}(${special})`;
    const found = this.#kernels.get(key);
    if (found) return found;
    const mine = this.#own.get(shader);
    const info = mine?.info ?? shaders[shader] ?? kernelError(`there is no shader ${shader}`);
    const entryInfo = info.entries[entry] ?? kernelError(`shader ${shader} has no entry point ${entry}`);
    const gpu = this.#gpu;
    const own = mine && new OwnKernel(gpu, mine.name, info.code);
    const make = <T>(part: () => T): T => (own ? own.make(part) : part());
    const moduleKey = `${shader}(${special})`;
    let module = this.#modules.get(moduleKey);
    if (!module) {
      const code = specialise(info, shader, constants);
      module = make(() => gpu.createShaderModule({ label: moduleKey, code }));
      this.#modules.set(moduleKey, module);
    }
    own?.compiles(module, specialise(info, shader, constants));
    const texels = /<(\w+)/.exec(String(constants.Texels ?? info.constants.Texels?.value))?.[1] as
      TexelFormat | undefined;
    const layout = make(() =>
      gpu.createBindGroupLayout({
        label: key,
        entries: entryInfo.bindings.map((b) => ({
          binding: b.binding,
          visibility: 4, // GPUShaderStage.COMPUTE
          ...(b.kind === 'texture'
            ? { storageTexture: { access: 'read-only', format: texels! } }
            : {
                buffer: {
                  type: b.kind === 'uniform' ? 'uniform' : b.kind === 'read' ? 'read-only-storage' : 'storage',
                },
              }),
        })),
      }),
    );
    const pipelineLayout = make(() => gpu.createPipelineLayout({ bindGroupLayouts: [layout] }));
    const descriptor = { label: key, layout: pipelineLayout, compute: { module, entryPoint: entry } };
    let pipeline: GPUComputePipeline | undefined;
    const usesParams = entryInfo.bindings.some((b) => b.kind === 'uniform');
    const kernel: Kernel = {
      key,
      bindings: entryInfo.bindings,
      workgroup: workgroupSize(info, entryInfo.workgroup, constants),
      layout,
      params: usesParams ? info.params : null,
      texels,
      own,
      get pipeline() {
        return (pipeline ??= make(() => gpu.createComputePipeline(descriptor)));
      },
      async compile() {
        // What fails here fails again where it is used, with the device's own report.
        pipeline ??= await gpu.createComputePipelineAsync(descriptor).catch(() => undefined);
        if (!own) return;
        pipeline ??= make(() => gpu.createComputePipeline(descriptor));
        await own.check();
      },
      twin: this.#own.has(shader) ? undefined : (on) => on.get(shader, entry, constants, shaders),
    };
    this.#kernels.set(key, kernel);
    return kernel;
  }
}
