// Every error that fewmask throws on purpose. Each names what went wrong, where, the offending value, and what to do
// about it.

/**
 * Base of all errors thrown on purpose. `code` is stable and machine-readable; `message` says what went wrong, `hint`
 * what to do about it. Backquotes in both mark settings by their names, with or without a value: "raise `memory`".
 */
export class FewmaskError extends Error {
  /** Tells the kind apart, for programs. */
  readonly code: string;
  /** What to do about it. A property of its own: Node prints those for an error that nobody catches. */
  readonly hint: string | undefined;
  constructor(code: string, message: string, hint?: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.hint = hint;
  }

  /** Name, message and hint. */
  override toString(): string {
    return `${this.name}: ${errorText(this)}`;
  }
}

const joined = (message: string, hint: string | undefined): string => (hint ? `${message} — ${hint}` : message);

/**
 * What an error says to a user, on one line: its message and its hint.
 * @example errorText(new UsageError('the batch is empty', 'give at least one image')) // 'the batch is empty — give …'
 */
export function errorText(error: unknown): string {
  if (error instanceof FewmaskError) return joined(error.message, error.hint);
  return error instanceof Error ? error.message : String(error);
}

/** Shapes, dtypes or attributes that an operation cannot take. Thrown before the GPU is touched. */
export class ShapeError extends FewmaskError {
  constructor(op: string, message: string, hint?: string) {
    super('shape', `${op}: ${message}`, hint);
  }
}

/** A gradient that cannot be taken. */
export class GradientError extends FewmaskError {
  constructor(op: string, message: string, hint?: string) {
    super('gradient', `${op}: ${message}`, hint);
  }
}

/**
 * A fault in a kernel of the user's own: in its declarations, found when it is defined, or one that the GPU's compiler
 * found. `line` counts from 1.
 */
export class ShaderError extends FewmaskError {
  /** Line in the WGSL, from 1. */
  readonly line: number | undefined;
  constructor(shader: string, line: number | undefined, message: string, hint?: string) {
    super('shader', `${shader}${line === undefined ? '' : `:${line}`}: ${message}`, hint);
    this.line = line;
  }
}

/** Wrong use of a command or an API (exit code 2 on the command line). */
export class UsageError extends FewmaskError {
  constructor(message: string, hint?: string) {
    super('usage', message, hint);
  }
}

/** A file, folder or list of the user's data that cannot be used. */
export class DataError extends FewmaskError {
  constructor(message: string, hint?: string) {
    super('data', message, hint);
  }
}

/** A checkpoint that is corrupt, truncated, foreign, or does not fit the network. */
export class CheckpointError extends FewmaskError {
  constructor(message: string, hint?: string) {
    super('checkpoint', message, hint);
  }
}

/** An ONNX model that is damaged, truncated, or contradicts itself. */
export class OnnxError extends FewmaskError {
  constructor(message: string, hint?: string) {
    super('onnx', message, hint);
  }
}

/** Something that an ONNX model asks for and the engine does not have. */
export class UnsupportedError extends FewmaskError {
  constructor(op: string, message: string, hint?: string) {
    super('unsupported', `${op}: ${message}`, hint);
  }
}

/**
 * No usable adapter or device, a device that lacks a limit or feature or has been closed, a command that the GPU
 * refused, a tensor of another device.
 */
export class DeviceError extends FewmaskError {
  constructor(message: string, hint?: string) {
    super('device', message, hint);
  }
}

/** The device was lost while in use. */
export class DeviceLostError extends FewmaskError {
  constructor(message: string, hint?: string) {
    super('device-lost', message, hint);
  }
}

/** The memory budget would be exceeded. */
export class OutOfMemoryError extends FewmaskError {
  constructor(message: string, hint?: string) {
    super('out-of-memory', message, hint);
  }
}

/** A loss or a parameter became NaN or infinite. */
export class NonFiniteError extends FewmaskError {
  constructor(message: string, hint?: string) {
    super('non-finite', message, hint);
  }
}

/** A tensor was used after it was disposed. */
export class DisposedError extends FewmaskError {
  constructor(message: string, hint?: string) {
    super('disposed', message, hint);
  }
}
