// A run's folder: configuration, checkpoint, weights, record. Every file appears whole or not at all.

import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, DataError } from '../../runtime/errors.ts';
import { refuseNonFinite } from '../../runtime/io/finite.ts';
import { decodeSafetensors, encodeSafetensors } from '../../runtime/io/safetensors.ts';
import type { PictureRule } from '../data/pictureRule.ts';
import type { NetworkConfig } from '../nn/define.ts';
import type { EnsembleConfig } from '../nn/ensemble.ts';
import type { TorchTensor } from '../nn/module.ts';
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from '../train/checkpoint.ts';

const POINTER = 'checkpoint.json';

interface Pointer {
  file: string;
  bytes: number;
  sha256: string;
  stage: number;
  step: number;
  saved: string;
}

/** What went wrong while a file was written, in words. */
function writeError(file: string, error: unknown): CheckpointError {
  const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  const why =
    code === 'ENOSPC'
      ? 'the disk is full'
      : code === 'EACCES' || code === 'EROFS'
        ? 'the folder cannot be written'
        : code === 'EEXIST' || code === 'ENOTDIR'
          ? 'a file stands where a folder should be'
          : code;
  return new CheckpointError(`${file} was not saved: ${why}`, 'what was saved before is kept');
}

/**
 * Writes a file under another name, makes sure that it is on the disk, and gives it its name.
 * @throws CheckpointError
 */
export async function writeWhole(file: string, data: Uint8Array | string): Promise<void> {
  const temporary = `${file}.part`;
  try {
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(data);
      await handle.sync().catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EINVAL') throw error; // devices that cannot be synchronised
      });
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw writeError(file, error);
  }
}

/** Makes the folder of a run. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw writeError(folder, error);
  }
}

/**
 * Saves a checkpoint: the tensors under a name of their own, then the JSON that points to them; the one before is
 * removed last.
 */
export async function saveCheckpoint(folder: string, c: Checkpoint): Promise<void> {
  const bytes = encodeCheckpoint(c);
  const file = `checkpoint-${c.position.stage}-${c.position.step}.safetensors`;
  await writeWhole(join(folder, file), bytes);
  const pointer: Pointer = {
    file,
    bytes: bytes.length,
    sha256: digest(bytes),
    ...c.position,
    saved: new Date().toISOString(),
  };
  await writeWhole(join(folder, POINTER), `${JSON.stringify(pointer, null, 2)}\n`);
  for (const other of await readdir(folder)) {
    if (other !== file && /^checkpoint-.*\.safetensors(\.part)?$/.test(other))
      await rm(join(folder, other), { force: true });
  }
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/**
 * The checkpoint of a run's folder, or null where it has none.
 * @throws CheckpointError when it is damaged or foreign
 */
export async function loadCheckpoint(folder: string): Promise<Checkpoint | null> {
  const pointerFile = join(folder, POINTER);
  const text = await readFile(pointerFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new CheckpointError(
      `${pointerFile} cannot be read: ${error.code ?? error.message}`,
      'make it readable, or delete it to start again',
    );
  });
  if (text === null) return null;
  let pointer: Pointer;
  try {
    pointer = JSON.parse(text);
  } catch {
    throw new CheckpointError(`${pointerFile} is not JSON`, 'it is damaged; delete it to start again');
  }
  if (typeof pointer?.file !== 'string' || !/^[\w.-]+$/.test(pointer.file))
    throw new CheckpointError(
      `${pointerFile} names no checkpoint`,
      'it is damaged or foreign; delete it to start again',
    );
  const file = join(folder, pointer.file);
  const bytes = await readFile(file).catch(() => null);
  if (!bytes)
    throw new CheckpointError(`${file}, which ${POINTER} names, is missing`, 'delete checkpoint.json to start again');
  if (bytes.length !== pointer.bytes || digest(bytes) !== pointer.sha256)
    throw new CheckpointError(
      `${file} is damaged: it has ${bytes.length} of ${pointer.bytes} bytes, or other content than when it was saved`,
      'restore it from a copy, or delete checkpoint.json to start again',
    );
  return decodeCheckpoint(bytes, file);
}

/** A trained network as it is kept for predictions. */
export interface Model {
  network: NetworkConfig;
  /** Where it is several of these networks. */
  ensemble?: EnsembleConfig;
  classNames: string[];
  palette: number[][];
  /** Height and width to which images were resized for training; absent where they were taken at their own size. */
  size?: readonly [number, number];
  /** How the masks of the training were read (`DatasetSpec.maskValues`); absent where their values were class ids. */
  maskValues?: string;
  /** How images are read; absent in files of earlier versions. */
  pictures?: PictureRule;
  /** Where it comes from: scheme, seed, step, validation score. */
  origin: Record<string, unknown>;
  state: Map<string, TorchTensor>;
}

const MODEL = 'fewmask-model-1';

/**
 * Saves a network: PyTorch's names and layouts, its architecture in the metadata.
 * @throws CheckpointError when it cannot be written, or a weight is NaN or infinite
 */
export async function saveModel(file: string, { state, ...rest }: Model): Promise<void> {
  refuseNonFinite(state, file, 'such weights are not saved');
  await writeWhole(file, encodeSafetensors(state, { format: MODEL, model: JSON.stringify(rest) }));
}

/** Loads what {@link saveModel} saved. @throws CheckpointError, for weights that are NaN or infinite too */
export async function loadModel(file: string): Promise<Model> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new CheckpointError(
      `${file} cannot be read: ${error.code ?? error.message}`,
      'give the folder of a run, or one of its .safetensors files of weights',
    );
  });
  const { tensors, metadata } = decodeSafetensors(bytes, file);
  if (metadata.format !== MODEL)
    throw new CheckpointError(
      `${file} is not a trained network of fewmask`,
      metadata.format
        ? `its format is ${metadata.format}; give last.safetensors or best.safetensors`
        : 'it holds weights without their architecture',
    );
  refuseNonFinite(tensors, file);
  try {
    return { ...JSON.parse(metadata.model), state: tensors as Map<string, TorchTensor> };
  } catch {
    throw new CheckpointError(`${file} has a description that cannot be read`, 'the file is damaged');
  }
}

/**
 * Weights of any safetensors file, by name.
 * @throws DataError when it cannot be read
 * @throws CheckpointError when it is damaged, or weights are NaN or infinite
 */
export async function loadWeights(file: string): Promise<Map<string, TorchTensor>> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new DataError(`${file} cannot be read: ${error.code ?? error.message}`);
  });
  const { tensors } = decodeSafetensors(bytes, file);
  refuseNonFinite(tensors, file);
  return new Map([...tensors].filter(([, t]) => t.data instanceof Float32Array)) as Map<string, TorchTensor>;
}
