// The plain shapes that a device speaks in: what an adapter says, a launch of a kernel, who takes the launches.

import type { Choice } from '../kernel/choice.ts';
import type { ShaderInfo } from '../kernel/info.ts';
import type { SubgroupMatrix } from './matrices.ts';
import type { Constants, Kernel, ParamValue } from '../kernel/kernel.ts';
import type { Traits } from './traits.ts';
import type { Storage, Tensor } from '../tensor.ts';

/** What an adapter says of itself. */
export interface AdapterInfo {
  /** The adapter's name, for people. */
  description: string;
  /** As WebGPU gives them; often empty. */
  vendor: string;
  /** As {@link vendor}. */
  architecture: string;
  /** As {@link vendor}. */
  device: string;
  /** `hardware`, `lavapipe`, `swiftshader` or `other`. */
  kind: string;
  /** Why this adapter was taken. */
  how: string;
}

/** Options of a {@link Device}. */
export interface DeviceOptions {
  /** Most bytes of GPU memory that may be in use (default 4 GiB). */
  budget?: number;
  /** The GPUDevice is the engine's own, which `close()` destroys (default: it is the caller's, and stays). */
  owned?: boolean;
  /**
   * @internal Runs kernels once before they are needed, where the driver compiles them only then; `made`: their
   *   pipelines are.
   */
  firstRuns?: (kernels: readonly Kernel[], made: Promise<unknown>) => Promise<void>;
  /**
   * @internal Kernels that no browser can run: for lavapipe, and with subgroup matrices. The entry for Node brings
   *   them.
   */
  native?: Readonly<Record<string, ShaderInfo>>;
  /** @internal Of the kernels among them that multiply by subgroup matrices. */
  matrix?: SubgroupMatrix;
  /** @internal Which variants of kernels to take (default: those that the adapter's traits ask for). */
  traits?: Traits;
}

/** Arithmetic by the elements of one f32 tensor, which plans join with what comes before and behind it: see chains.ts. */
export interface ChainStep {
  readonly op: 'add' | 'mul' | 'sub' | 'div';
  /** The operand that is the number among the params and no tensor, if one is. */
  readonly number?: 'a' | 'b';
}

/** One launch of a kernel. Bindings and params go by the names in the WGSL. */
export interface Dispatch {
  /** Name of one of the engine's shaders, or the key of your own: see `shader`. */
  shader: string;
  /** The entry point. */
  entry: string;
  /** @internal Where the shader is, when it is none of the engine's. */
  shaders?: Readonly<Record<string, ShaderInfo>>;
  /** Values for declarations of the shader. */
  constants?: Constants;
  /** Tensors by the names of the bindings. */
  bindings: Record<string, Tensor>;
  /** Numbers by the names of the params. */
  params?: Record<string, ParamValue>;
  /** Invocations of a one-dimensional kernel, which numbers them `id.x + id.y * workgroups.x * WG`. */
  threads?: number;
  /** Or workgroups in each dimension. */
  groups?: readonly [number, number, number];
  /** @internal What was chosen for it. */
  choice?: Choice;
  /** @internal What it is as part of a chain: bindings a, b and y, params n and number. */
  chain?: ChainStep;
}

/** A dispatch with its kernel and grid. */
export interface Launch {
  kernel: Kernel;
  bindings: readonly Storage[];
  params: Record<string, ParamValue>;
  shader: string;
  groups: readonly [number, number, number];
  choice?: Choice;
  chain?: ChainStep;
}

/** What takes the dispatches while a plan is being recorded. */
export interface Recorder {
  /** Is this memory the plan's own, which has no buffer yet? */
  owns(storage: Storage): boolean;
  /** Do the commands so far use this memory from outside the plan? */
  uses(storage: Storage): boolean;
  /**
   * Notes memory that was filled by the host while the body ran: every replay finds the same in it, unless it is said
   * that it does not.
   */
  constant(storage: Storage, is?: boolean): void;
  /** Does every replay find the same in it: was it noted so, or made from nothing else? */
  isConstant(storage: Storage): boolean;
  allocate(bytes: number, label: string): Storage;
  launch(launch: Launch): void;
  clear(storage: Storage): void;
  copy(from: Storage, to: Storage, bytes: number): void;
}
