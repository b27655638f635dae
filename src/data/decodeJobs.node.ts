// What decoding threads do: read an image with or without its mask, count the ids of a mask, draw a scene of the built-in set.

import { createHash } from 'node:crypto';
import { DataError } from '../../runtime/errors.ts';
import { decodeImage, readBytes } from './image.node.ts';
import { decodeMask, type Mask } from './mask.ts';
import { labelsOf } from './maskValues.ts';
import { resizeLabels } from './resizeLabels.ts';
import { drawScene } from './synthetic.ts';
import { packTexels } from './texels.ts';

/** Reads an image; its mask only where `mask` names one. */
export interface FileJob {
  kind: 'file';
  image: string;
  mask: string | null;
  numClasses: number;
  /** [256] classes of the values of masks (see `ValueMap`); null or nothing: values are class ids. */
  values?: Int16Array | null;
  /** Height and width to resize to. */
  size: readonly [number, number] | null;
}

/** Counts the pixels of every id of a mask. */
export interface MaskJob {
  kind: 'mask';
  mask: string;
}

/** Decodes an image to see whether it can be. */
export interface CheckJob {
  kind: 'check';
  image: string;
}

export interface SceneJob {
  kind: 'scene';
  seed: number;
  stream: number;
  index: number;
  width: number;
  height: number;
  labels: boolean;
}

export interface Texels {
  width: number;
  height: number;
  texels: Uint32Array;
}

export interface MaskCounts {
  width: number;
  height: number;
  /** What the file is: "grey, 8 bits". */
  form: string;
  /** [256] pixels of each id. */
  counts: Uint32Array;
  /** RGB of the file's palette, where it has one. */
  palette: Uint8Array | null;
}

export interface ImageFacts {
  width: number;
  height: number;
  /** EXIF orientation, 1 where there is none. */
  orientation: number;
  /** SHA-256 of the file. */
  hash: string;
}

export type Job = FileJob | MaskJob | CheckJob | SceneJob;
export type JobResult<J extends Job> = J extends MaskJob ? MaskCounts : J extends CheckJob ? ImageFacts : Texels;

async function readMask(file: string): Promise<Mask> {
  return decodeMask(await readBytes(file), file);
}

/** A mask whose values are labels. */
async function readLabels(file: string, { numClasses, values }: FileJob): Promise<Mask> {
  const mask = await readMask(file);
  return { ...mask, labels: labelsOf(mask.labels, values ?? null, numClasses, file) };
}

async function fileJob(job: FileJob): Promise<Texels> {
  const { image, mask: maskFile, size } = job;
  const mask = maskFile === null ? null : await readLabels(maskFile, job);
  const { rgb, width, height, stored } = await decodeImage(await readBytes(image), image, size);
  if (!mask) return { width, height, texels: packTexels(rgb, null) };
  if (mask.height !== stored[0] || mask.width !== stored[1]) {
    throw new DataError(`the mask ${maskFile} is ${mask.width}x${mask.height}, the image ${image} ${stored[1]}x${stored[0]}`, 'masks must have the size of their images');
  }
  return { width, height, texels: packTexels(rgb, resizeLabels(mask.labels, stored, [height, width])) };
}

async function maskJob({ mask: file }: MaskJob): Promise<MaskCounts> {
  const { width, height, labels, form, palette } = await readMask(file);
  const counts = new Uint32Array(256);
  for (const v of labels) counts[v]++;
  return { width, height, form, counts, palette };
}

async function checkJob({ image }: CheckJob): Promise<ImageFacts> {
  const bytes = await readBytes(image);
  const { stored, orientation } = await decodeImage(bytes, image);
  return { height: stored[0], width: stored[1], orientation, hash: createHash('sha256').update(bytes).digest('hex') };
}

function sceneJob({ seed, stream, index, width, height, labels }: SceneJob): Texels {
  const scene = drawScene(seed, stream, index, width, height);
  return { width, height, texels: packTexels(scene.rgb, labels ? scene.labels : null) };
}

/** Does a job on this thread. @throws DataError naming the file */
export async function runJob<J extends Job>(job: J): Promise<JobResult<J>> {
  const result = job.kind === 'file' ? fileJob(job) : job.kind === 'mask' ? maskJob(job) : job.kind === 'check' ? checkJob(job) : sceneJob(job);
  return (await result) as JobResult<J>;
}
