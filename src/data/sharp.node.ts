// The decoder of photographs. It carries native code, and who uses the engine alone does not install it: it is loaded
// when a picture is to be opened.

import type Sharp from 'sharp';
import { FewmaskError } from '../../runtime/errors.ts';

/** @throws FewmaskError saying what to install */
export async function loadSharp(): Promise<typeof Sharp> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    throw new FewmaskError(
      'package',
      missing
        ? 'pictures need the package sharp, which is not installed'
        : `sharp cannot be loaded: ${(error as Error).message.split('\n')[0]}`,
      'npm install sharp',
    );
  }
}
