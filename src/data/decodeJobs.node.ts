// What decoding threads do: read an image with or without its mask, count the ids of a mask, draw a scene of the
// built-in set.

import { createHash } from 'node:crypto';
import { DataError } from '../../runtime/errors.ts';
import { decodeImage, imageDepth, readBytes, type Depth, type Reading } from './image.node.ts';
import { decodeMask, type Mask } from './mask.ts';
import { labelsOf } from './maskValues.ts';
import { sizeClash, type Header } from './pictureRule.ts';
import { resizeLabels } from './resizeLabels.ts';
import { drawScene } from './synthetic.ts';
import { packTexels } from './texels.ts';

/** Reads an image; its mask only where `mask` names one. */
export interface FileJob extends Reading {
  kind: 'file';
  image: string;
  mask: string | null;
  numClasses: number;
  /** [256] classes of the values of masks (see `ValueMap`); null or nothing: values are class ids. */
  values?: Int16Array | null;
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
  /** Bits that 16-bit images use. */
  bits: number;
}

/** Looks at the values of a 16-bit image. */
export interface DepthJob {
  kind: 'depth';
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
  /** Share of the values of a 16-bit image that are beyond the bits it was read with. */
  clipped?: number;
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

export interface ImageFacts extends Header {
  /** SHA-256 of the file. */
  hash: string;
  /** Share of the values of a 16-bit image that are beyond the bits. */
  clipped: number;
}

export type Job = FileJob | MaskJob | CheckJob | DepthJob | SceneJob;
export type JobResult<J extends Job> = J extends MaskJob
  ? MaskCounts
  : J extends CheckJob
    ? ImageFacts
    : J extends DepthJob
      ? Depth
      : Texels;

async function readMask(file: string): Promise<Mask> {
  return decodeMask(await readBytes(file), file);
}

/** A mask whose values are labels. */
async function readLabels(file: string, { numClasses, values }: Pick<FileJob, 'numClasses' | 'values'>): Promise<Mask> {
  const mask = await readMask(file);
  return { ...mask, labels: labelsOf(mask.labels, values ?? null, numClasses, file) };
}

async function fileJob({ image, mask: maskFile, numClasses, values, ...reading }: FileJob): Promise<Texels> {
  const mask = maskFile === null ? null : await readLabels(maskFile, { numClasses, values });
  const { rgb, width, height, own, header, clipped } = await decodeImage(await readBytes(image), image, reading);
  if (!mask) return { width, height, texels: packTexels(rgb, null), clipped };
  if (mask.height !== own[0] || mask.width !== own[1]) {
    const [what, hint] = sizeClash([mask.height, mask.width], header, reading.upright ?? false, image);
    throw new DataError(`the mask ${maskFile} is ${what}`, hint);
  }
  return { width, height, texels: packTexels(rgb, resizeLabels(mask.labels, own, [height, width])), clipped };
}

async function maskJob({ mask: file }: MaskJob): Promise<MaskCounts> {
  const { width, height, labels, form, palette } = await readMask(file);
  const counts = new Uint32Array(256);
  for (const v of labels) counts[v]++;
  return { width, height, form, counts, palette };
}

async function checkJob({ image, bits }: CheckJob): Promise<ImageFacts> {
  const bytes = await readBytes(image);
  const { header, clipped } = await decodeImage(bytes, image, { bits });
  return { ...header, clipped, hash: createHash('sha256').update(bytes).digest('hex') };
}

function sceneJob({ seed, stream, index, width, height, labels }: SceneJob): Texels {
  const scene = drawScene(seed, stream, index, width, height);
  return { width, height, texels: packTexels(scene.rgb, labels ? scene.labels : null) };
}

/** Does a job on this thread. @throws DataError naming the file */
export async function runJob<J extends Job>(job: J): Promise<JobResult<J>> {
  const result =
    job.kind === 'file'
      ? fileJob(job)
      : job.kind === 'mask'
        ? maskJob(job)
        : job.kind === 'check'
          ? checkJob(job)
          : job.kind === 'depth'
            ? imageDepth(job.image)
            : sceneJob(job);
  return (await result) as JobResult<J>;
}
