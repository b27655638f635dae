// Kernels of the user's own: WGSL that is launched beside the engine's, and made differentiable by `defineOp`.

import { args } from '../args.ts';
import { ShaderError, ShapeError } from '../errors.ts';
import type { Device, Dispatch } from '../device/device.ts';
import type { Tensor } from '../tensor.ts';
import { readDeclarations } from './declarations.ts';
import type { ShaderInfo } from './info.ts';
import type { Constants } from './kernel.ts';

let made = 0;

/**
 * A shader of the user's own, on any device. See {@link shader}.
 * @example const cube = new Shader('cube', code);
 */
export class Shader {
  /** Its name, for errors. */
  readonly name: string;
  readonly #info: ShaderInfo;
  /** Tells shaders of the same name apart. */
  readonly #key: string;

  /** See {@link shader}. */
  constructor(name: string, code: string) {
    this.name = name;
    this.#info = readDeclarations(name, code);
    this.#key = `${name}#${made++}`;
  }

  /** Names of the entry points. */
  get entries(): readonly string[] {
    return Object.keys(this.#info.entries);
  }

  /**
   * Launches an entry point, or records it into the plan in hand. Tensors and params go by their names in the WGSL. No
   * gradient is recorded: see {@link defineOp}.
   * @param launch.threads invocations of a one-dimensional kernel. Beyond the adapter's 65535 workgroups the grid is
   *   folded into two dimensions: a kernel that
   *   may meet such sizes numbers its invocations `id.x + id.y * groups.x * WORKGROUP` with `@builtin(num_workgroups) groups`.
   * @param launch.groups or workgroups in each dimension
   * @param launch.constants values for the module-scope `const`, `override` and `alias` declarations; each set compiles
   *   once
   * @returns the bindings
   * @throws ShaderError for an unknown entry point or constant, a binding or param that is missing or unknown
   * @throws ShapeError for a tensor of another dtype than its binding, or a grid beyond the adapter's limits
   * @throws DisposedError, DeviceError or DeviceLostError when the GPU failed. What the GPU refuses of the kernel or of
   * the launch is found only later: reading
   *   what the kernel should have made, or anything made from it, is then a ShaderError, as are further launches. All
   *   else continues; see {@link compile}.
   * @example const { y } = cube.run({ entry: 'forward', bindings: { x, y: emptyLike(x) }, params: { n: x.size }, threads: x.size });
   */
  run<B extends Record<string, Tensor>>(launch: Omit<Dispatch, 'shader' | 'bindings'> & { bindings: B }): B {
    const { entry, bindings, params = {}, constants = {} } = launch;
    const info =
      this.#info.entries[entry] ?? this.#fail(`it has no entry point ${entry}`, `it has ${this.entries.join(', ')}`);
    this.#names('constant', Object.keys(constants), Object.keys(this.#info.constants), false);
    this.#names(
      'binding',
      Object.keys(bindings),
      info.bindings.filter((b) => b.kind !== 'uniform').map((b) => b.name),
      true,
    );
    const fields = info.bindings.some((b) => b.kind === 'uniform') ? this.#info.params!.fields : [];
    this.#names(
      'param',
      Object.keys(params),
      fields.map((f) => f.name),
      true,
    );
    for (const f of fields) {
      const given = params[f.name];
      const count = typeof given === 'number' ? 1 : given.length;
      if (count !== f.count) this.#fail(`the param ${f.name} has ${f.count} components, not ${count}`);
    }
    for (const b of info.bindings) {
      const t: Tensor | undefined = bindings[b.name];
      if (t && b.dtype && b.dtype !== t.dtype)
        throw new ShapeError(this.name, `${b.name} is an array of ${b.dtype}, the tensor [${t.shape}] is ${t.dtype}`);
    }
    if (launch.threads === undefined && launch.groups === undefined)
      this.#fail('it is not said how many invocations are wanted', 'give threads or groups');
    const device = Object.values(bindings)[0]?.device ?? this.#fail('it binds no tensor');
    this.#register(device);
    device.run({ ...launch, shader: this.#key });
    return bindings;
  }

  /**
   * Compiles every entry point ahead of its first launch.
   * @throws ShaderError with the line in the WGSL, when the GPU's compiler or the adapter refuses it
   * @example await cube.compile(device);
   */
  async compile(device: Device, constants: Constants = {}): Promise<void> {
    device.check();
    this.#names('constant', Object.keys(constants), Object.keys(this.#info.constants), false);
    this.#register(device);
    await Promise.all(this.entries.map((entry) => device.kernels.get(this.#key, entry, constants).compile()));
  }

  #register(device: Device): void {
    device.kernels.add(this.#key, this.name, this.#info);
  }

  #fail(message: string, hint?: string): never {
    throw new ShaderError(this.name, undefined, message, hint);
  }

  /** What is given must be known, and where all are wanted, nothing may be missing. */
  #names(what: string, given: readonly string[], known: readonly string[], all: boolean): void {
    const odd = given.find((n) => !known.includes(n));
    const missing = all ? known.find((n) => !given.includes(n)) : undefined;
    if (odd !== undefined)
      this.#fail(`there is no ${what} ${odd}`, known.length > 0 ? `there is ${known.join(', ')}` : undefined);
    if (missing !== undefined) this.#fail(`the ${what} ${missing} is missing`);
  }
}

/**
 * A kernel of your own. Its bindings are in group 0: tensors as `var<storage, read>` or `var<storage, read_write>`
 * arrays, numbers as one `var<uniform>`, a number or a struct of numbers and vectors. Values of module-scope `const`,
 * `override` and `alias` declarations can be replaced for a launch.
 * @param name for errors
 * @param code WGSL
 * @throws ShaderError with the line of a declaration that cannot be used; the rest is checked by the GPU's compiler,
 *   see {@link Shader.compile}
 * Memory is bound in multiples of 16 bytes: give the number of elements as a param, `arrayLength` may be more.
 * @example const gaussian = shader('gaussian', wgsl); // docs/engine.md has a complete one
 */
export function shader(name: string, code: string): Shader {
  args('shader name:s code:s', arguments);
  return new Shader(name, code);
}
