// Types of the platform as the published types name them: those of the program that uses the package, wherever they
// come from (TypeScript 7 has WebGPU in lib.dom, before it the package @webgpu/types has), else the few members that
// are needed. So nothing has to be configured, and nothing is declared twice. The build (src/library.node.ts) imports
// them into each file of types that names one.

/** The instances of a global class where the program knows it. */
type Global<Name extends string, Otherwise> =
  typeof globalThis extends Record<Name, { prototype: infer T }> ? T : Otherwise;

interface Labelled {
  label: string;
}

interface Resource extends Labelled {
  destroy(): void;
}

interface BufferLike extends Resource {
  readonly size: number;
  readonly usage: number;
  readonly mapState: string;
  mapAsync(mode: number, offset?: number, size?: number): Promise<undefined>;
  getMappedRange(offset?: number, size?: number): ArrayBuffer;
  unmap(): void;
}

interface TextureLike extends Resource {
  readonly width: number;
  readonly height: number;
  createView(descriptor?: object): object;
}

interface EncoderLike extends Labelled {
  beginComputePass(descriptor?: object): object;
  copyBufferToBuffer(from: GPUBuffer, fromOffset: number, to: GPUBuffer, toOffset: number, size: number): void;
  clearBuffer(buffer: GPUBuffer, offset?: number, size?: number): void;
  finish(descriptor?: object): object;
}

interface QueueLike extends Labelled {
  submit(commands: Iterable<object>): void;
  writeBuffer(buffer: GPUBuffer, offset: number, data: ArrayBufferView | ArrayBuffer): void;
  onSubmittedWorkDone(): Promise<undefined>;
}

interface InfoLike {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
}

type Limits = { readonly [name: string]: number };

interface DescriptorLike {
  label?: string;
  requiredFeatures?: Iterable<string>;
  requiredLimits?: Record<string, number | undefined>;
}

interface DeviceLike extends Resource {
  readonly features: ReadonlySet<string>;
  readonly limits: Limits;
  readonly adapterInfo: GPUAdapterInfo;
  readonly queue: QueueLike;
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  createBuffer(descriptor: { size: number; usage: number; label?: string; mappedAtCreation?: boolean }): GPUBuffer;
  createCommandEncoder(descriptor?: object): GPUCommandEncoder;
}

interface AdapterLike {
  readonly features: ReadonlySet<string>;
  readonly limits: Limits;
  readonly info: GPUAdapterInfo;
  requestDevice(descriptor?: DescriptorLike): Promise<GPUDevice>;
}

interface EntryLike {
  requestAdapter(options?: object): Promise<GPUAdapter | null>;
}

interface SignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
}

export type GPU = Global<'GPU', EntryLike>;
export type GPUAdapter = Global<'GPUAdapter', AdapterLike>;
export type GPUAdapterInfo = Global<'GPUAdapterInfo', InfoLike>;
export type GPUDevice = Global<'GPUDevice', DeviceLike>;
export type GPUError = Global<'GPUError', { readonly message: string }>;
export type GPUShaderModule = Global<'GPUShaderModule', Labelled>;
export type GPUBuffer = Global<'GPUBuffer', BufferLike>;
export type GPUTexture = Global<'GPUTexture', TextureLike>;
export type GPUCommandEncoder = Global<'GPUCommandEncoder', EncoderLike>;
export type GPUComputePipeline = Global<'GPUComputePipeline', Labelled>;
export type GPUBindGroupLayout = Global<'GPUBindGroupLayout', Labelled>;
export type GPUDeviceDescriptor = NonNullable<Parameters<GPUAdapter['requestDevice']>[0]>;
export type GPUFeatureName = GPUDeviceDescriptor extends { requiredFeatures?: Iterable<infer F> } ? F : string;
export type GPUPowerPreference = 'low-power' | 'high-performance';
export type GPUBindGroupEntry = { binding: number; resource: unknown };
export type AbortSignal = Global<'AbortSignal', SignalLike>;
