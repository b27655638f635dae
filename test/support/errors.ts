// What tests expect of errors.

import { errorText } from '../../runtime/errors.ts';

/** For `assert.throws`: an error whose message and hint match a pattern. */
export const says =
  (pattern: RegExp) =>
  (error: unknown): boolean =>
    pattern.test(errorText(error));
