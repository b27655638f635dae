// How new images are read: as those of the training were, unless the command line says otherwise.

import type { Command } from 'commander';
import { DecodePool } from '../data/decodePool.node.ts';
import type { Reading } from '../data/image.node.ts';
import { clippedLine, MOST_BITS, UNRECORDED } from '../data/pictureRule.ts';
import { surveyPictures } from '../data/pictures.node.ts';
import { addPictureOptions, type PictureFlags } from './options.ts';
import type { Output } from './output.ts';
import type { Model } from './store.ts';

/** The options of commands that read new images. */
export function addReadingOptions(command: Command): Command {
  return addPictureOptions(command, { orientation: 'default: as in the training', bits: 'as in the training' });
}

/** Reads new images by one rule. */
export interface NewImages {
  /** How to decode an image. */
  reading(file: string): Reading;
  /** Notes that values of an image were clipped. @param share of its values */
  clipped(file: string, share: number): void;
  /** Says in one line how many images were clipped. */
  end(): void;
}

/**
 * Looks at the headers of new images, says what is decided, and returns how to read them. What cannot be read is
 * reported when it is its turn.
 */
export async function newImages(
  files: readonly string[],
  flags: PictureFlags,
  model: Model,
  out: Output,
): Promise<NewImages> {
  const pool = new DecodePool({ threads: 0 });
  const { orientation, bits } = flags;
  const found = await surveyPictures({ files, orientation, bits, pictures: model.pictures ?? UNRECORDED, pool });
  await pool.close();
  for (const note of found.notes) out.say(`images: ${note}`);
  if ([...found.headers.values()].some((h) => h.orientation > 1)) {
    const where = found.rule.orientation === 'apply' ? 'images as viewers show them' : 'stored pixels';
    out.say(`images: results lie on the ${where}`);
  }
  const used = found.rule.bits ?? MOST_BITS;
  let n = 0;
  let worst: [file: string, share: number] = ['', 0];
  return {
    reading: (file) => ({ bits: used, upright: found.isUpright(file) }),
    clipped(file, share) {
      if (share === 0) return;
      n++;
      if (share > worst[1]) worst = [file, share];
    },
    end() {
      if (n === 0) return;
      out.warn(`${clippedLine(...worst, used)}${n > 1 ? `; so have ${n - 1} other images, to a lesser extent` : ''}`);
    },
  };
}
