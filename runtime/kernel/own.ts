// Kernels of the user's own: what the GPU refuses of them is caught in error scopes. It becomes a ShaderError of the
// kernel and of what was made with it,
// and the device lives on.

import { ShaderError } from '../errors.ts';
import type { Storage } from '../tensor.ts';
import type { Kernel } from './kernel.ts';

/**
 * Runs `body`, and gives beside its result the first error of what the GPU was told in it. A lost device is reported
 * elsewhere.
 */
export function judged<T>(gpu: GPUDevice, body: () => T): { result: T; error: Promise<GPUError | null> } {
  gpu.pushErrorScope('validation');
  gpu.pushErrorScope('internal');
  let result: T;
  let error: Promise<GPUError | null>;
  try {
    result = body();
  } finally {
    const popped = [gpu.popErrorScope(), gpu.popErrorScope()];
    error = Promise.all(popped).then(
      ([internal, validation]) => validation ?? internal,
      () => null,
    );
  }
  return { result, error };
}

/**
 * Elements that a kernel of the user's own may have failed to make: those that it wrote, and those that were made from
 * them.
 */
export class Doubt {
  /** Why they are not what they should be, once it is known. */
  error: ShaderError | null = null;
  /** Is it known? */
  done = false;
  /** Done when it is. */
  readonly settled: Promise<void>;

  constructor(find: () => Promise<ShaderError | null>) {
    this.settled = find().then((error) => {
      this.error = error;
      this.done = true;
    });
  }

  /** What is in doubt for any of the reasons. */
  static join(reasons: Iterable<Doubt | null>): Doubt | null {
    const open = [...new Set(reasons)].filter((d): d is Doubt => d !== null && !(d.done && !d.error));
    if (open.length < 2) return open[0] ?? null;
    return (
      open.find((d) => d.error) ??
      new Doubt(async () => {
        await Promise.all(open.map((d) => d.settled));
        return open.find((d) => d.error)?.error ?? null;
      })
    );
  }
}

/** What is known of a kernel of the user's own. */
export class OwnKernel {
  /** What the GPU's compiler or the adapter refused, from the moment when it is known. */
  broken: ShaderError | null = null;
  readonly #gpu: GPUDevice;
  readonly #name: string;
  /** The code as it was written, for the line of an error. */
  readonly #code: string;
  #module: GPUShaderModule | null = null;
  /** Lines that stand before the code in the module. */
  #before = 0;
  #settled: Promise<void> = Promise.resolve();
  readonly #proven = new Set<string>();

  constructor(gpu: GPUDevice, name: string, code: string) {
    this.#gpu = gpu;
    this.#name = name;
    this.#code = code;
  }

  /** Makes a part of the kernel. What the GPU refuses of it breaks the kernel. */
  make<T>(part: () => T): T {
    const { result, error } = judged(this.#gpu, part);
    this.#settled = Promise.all([this.#settled, error]).then(async ([, refused]) => {
      if (refused && !this.broken) this.broken = await this.#explain(refused);
    });
    return result;
  }

  /** Says which module, of which code, the kernel is made from: the reasons why it was refused are asked of it. */
  compiles(module: GPUShaderModule, code: string): void {
    this.#module = module;
    this.#before = code.split('\n').length - this.#code.split('\n').length;
  }

  /**
   * What the kernel is known to be once all that has been made of it is judged.
   * @throws ShaderError when it is broken
   */
  async check(): Promise<void> {
    await this.#settled;
    if (this.broken) throw this.broken;
  }

  async #explain(refused: GPUError): Promise<ShaderError> {
    const messages = (await this.#module?.getCompilationInfo())?.messages ?? [];
    const first = messages.find((m) => m.type === 'error');
    if (!first) return new ShaderError(this.#name, undefined, refused.message);
    const number = first.lineNum - this.#before;
    const line = number > 0 ? this.#code.split('\n')[number - 1]?.trim() : '';
    const message = line ? `${first.message}, in: ${line}` : first.message;
    return new ShaderError(this.#name, number > 0 ? number : undefined, message);
  }

  /** Has it run on memory of these sizes? What else a launch may get wrong is checked on the host. */
  isProven(bindings: readonly Storage[]): boolean {
    return this.#proven.has(sizes(bindings));
  }

  /** The doubt about a launch. @param error what the GPU said of it */
  launched(bindings: readonly Storage[], error: Promise<GPUError | null>): Doubt {
    return new Doubt(async () => {
      const failure = await OwnKernel.verdict([this], error);
      if (!failure) this.#proven.add(sizes(bindings));
      return failure;
    });
  }

  /** The error of commands with these kernels: that of a broken one, or what the GPU refused of the commands. */
  static async verdict(kernels: readonly OwnKernel[], error: Promise<GPUError | null>): Promise<ShaderError | null> {
    const refused = await error;
    await Promise.all(kernels.map((k) => k.#settled));
    const broken = kernels.find((k) => k.broken)?.broken;
    if (broken || !refused) return broken ?? null;
    return new ShaderError([...new Set(kernels.map((k) => k.#name))].join(', '), undefined, refused.message);
  }
}

const sizes = (bindings: readonly Storage[]): string => bindings.map((s) => s.bytes).join();

/**
 * Hands doubts on, from what a launch reads to what it writes. An engine's kernel that changes memory in place leaves
 * it in doubt; one of the user's own is taken
 * to overwrite it, so that a launch of a mended kernel clears it.
 */
export function passDoubts(kernel: Kernel, bindings: readonly Storage[], launch: Doubt | null): void {
  if (!launch && bindings.every((s) => s.doubt === null)) return;
  const kinds = kernel.bindings.filter((b) => b.kind !== 'uniform').map((b) => b.kind);
  const counts = bindings.filter((_, i) => kinds[i] !== 'read_write' || !kernel.own);
  const doubt = Doubt.join([launch, ...counts.map((s) => s.doubt)]);
  bindings.forEach((s, i) => {
    if (kinds[i] === 'read_write') s.doubt = doubt;
  });
}
