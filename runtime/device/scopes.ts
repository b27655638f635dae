// Scopes: which tensors are freed with the block of code that made them.

import { args } from '../args.ts';
import { asynchronous, isAsync, synchronous } from '../synchronous.ts';
import { collectTensors, type Tensor } from '../tensor.ts';

/** The open scopes of a device, innermost last; see `Device.scope`. */
export class Scopes {
  readonly #open: Set<Tensor>[] = [];

  /** A tensor was made: the innermost scope frees it. */
  track(t: Tensor): void {
    this.#open.at(-1)?.add(t);
  }

  /** A tensor no longer belongs to a scope. */
  untrack(t: Tensor): void {
    for (const s of this.#open) s.delete(t);
  }

  /**
   * Runs `body` and gives, beside its result, every tensor made in it that was neither disposed nor kept: the caller
   * owns them.
   */
  collect<R>(body: () => R): { result: R; made: Set<Tensor> } {
    const made = new Set<Tensor>();
    this.#open.push(made);
    try {
      return { result: body(), made };
    } catch (error) {
      for (const t of made) t.dispose();
      throw error;
    } finally {
      this.#open.splice(this.#open.indexOf(made), 1);
    }
  }

  /** Runs `body`; when it throws and no scope is open, frees what it made. */
  guarded<R>(body: () => R): R {
    return this.#open.length > 0 ? body() : this.collect(body).result;
  }

  /**
   * Runs `body` and frees what was made in it, but what it returns, which goes to the scope around.
   * @throws FewmaskError when the body is asynchronous
   */
  run<R>(body: () => R): R {
    args('device.scope body:f', arguments);
    const what = 'the body of a scope';
    if (isAsync(body)) return Promise.reject(asynchronous('scope', what)) as R;
    const mine = new Set<Tensor>();
    this.#open.push(mine);
    let result: R | undefined;
    try {
      return (result = synchronous('scope', what, body()));
    } finally {
      this.#open.splice(this.#open.indexOf(mine), 1);
      const kept = new Set<Tensor>();
      collectTensors(result, kept);
      for (const t of mine) {
        if (kept.has(t)) this.track(t);
        else t.dispose();
      }
    }
  }
}
