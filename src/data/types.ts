// The shapes in which images and labels travel from files to the GPU.

import type { PictureRule } from './pictureRule.ts';

/**
 * One decoded image. `rgb`: height*width*3 bytes, row-major. `labels`: height*width class ids (255 ignored) or null
 * when unlabelled (never opened).
 */
export interface Sample {
  id: string;
  width: number;
  height: number;
  rgb: Uint8Array;
  labels: Uint8Array | null;
}
export type DatasetSplit = 'labelled' | 'unlabelled' | 'val' | 'test' | 'train';
export interface Dataset {
  name: string;
  numClasses: number;
  classNames: string[];
  palette: Uint8Array /* 256*3 */;
  /** How image files are read; absent where there are none. */
  pictures?: PictureRule;
  ids(split: DatasetSplit): string[];
  load(id: string, opts: { labels: boolean }): Promise<Sample>;
  /**
   * The largest height and the largest width among these images (default: labelled and unlabelled), from the files'
   * headers alone: what a stream is padded to.
   */
  maxSize(ids?: readonly string[]): Promise<[height: number, width: number]>;
  close(): Promise<void>;
}
/**
 * What the GPU receives: one u32 texel per pixel, r | g<<8 | b<<16 | label<<24 (255 = ignored / unlabelled), images
 * padded right/bottom to the same size.
 */
export interface SourceBatch {
  n: number;
  height: number;
  width: number;
  texels: Uint32Array;
  sizes: Int32Array /* n*2: h,w of each image */;
  ids: string[];
}
