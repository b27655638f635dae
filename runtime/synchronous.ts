// Callbacks that must have done their work when they return: what they would do after an `await` happens outside of the
// scope, the plan, the operation.

import { FewmaskError } from './errors.ts';

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

/** Was the function declared `async`? */
export const isAsync = (body: unknown): boolean => Object.prototype.toString.call(body) === '[object AsyncFunction]';

/**
 * The error for an asynchronous callback.
 * @param code see {@link FewmaskError.code}
 * @param what the callback, as messages name it
 */
export function asynchronous(code: string, what: string): FewmaskError {
  return new FewmaskError(code, `${what} must not be asynchronous`, 'await before it or after it, not inside');
}

/**
 * The result of a callback.
 * @throws FewmaskError when it is a promise. How that promise ends is of no interest then: its rejection is handled.
 */
export function synchronous<T>(code: string, what: string, result: T): T {
  if (!isPromise(result)) return result;
  result.then(undefined, () => undefined);
  throw asynchronous(code, what);
}

/**
 * Runs a callback that must not be asynchronous. One that is declared `async` is not called: its caller awaits the
 * result, so that the error is a rejection.
 * @throws FewmaskError when it returns a promise, and what it throws
 */
export function runSynchronous<R>(code: string, what: string, body: () => R): R {
  if (isAsync(body)) return Promise.reject(asynchronous(code, what)) as R;
  return synchronous(code, what, body());
}
