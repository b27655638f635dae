// Commands that take several images: one that cannot be used does not stop the others.

import { DataError, errorText, OutOfMemoryError, ShapeError } from '../../runtime/errors.ts';
import type { Output } from './output.ts';

/**
 * Calls `body` for each file. An error in one is a warning and the others follow; with a single file it is thrown.
 * @param advice for files that are too large
 * @returns what went wrong, in the order of the files
 */
export async function eachFile(
  files: readonly string[],
  out: Output,
  advice: string,
  body: (file: string, index: number) => Promise<void>,
): Promise<{ file: string; error: string }[]> {
  const failures: { file: string; error: string }[] = [];
  for (const [i, file] of files.entries()) {
    try {
      await body(file, i);
    } catch (error) {
      const large = error instanceof ShapeError || error instanceof OutOfMemoryError;
      if (!large && !(error instanceof DataError)) throw error;
      const worded = large ? new DataError(`${file}: ${error.message}`, advice) : error;
      if (files.length === 1) throw worded;
      out.warn(errorText(worded));
      failures.push({ file, error: errorText(worded) });
    }
  }
  return failures;
}

/** What has been written, in words. */
export function written(n: number, what: string, folder: string, failures: readonly unknown[]): string {
  const number = (k: number, of: string): string => `${k} ${of}${k === 1 ? '' : 's'}`;
  return `${number(n, what)} in ${folder}${failures.length > 0 ? `; ${number(failures.length, 'image')} could not be used` : ''}`;
}
