// How long the tensors of a device live: until they are disposed, or until the scope ends in which they were made.

import type { Tensor } from '../tensor.ts';
import { Scopes } from './scopes.ts';

/** What a device knows of scopes. */
export class Scoped {
  readonly #scopes = new Scopes();

  /** @internal */
  track(t: Tensor): void {
    this.#scopes.track(t);
  }

  /** @internal */
  untrack(t: Tensor): void {
    this.#scopes.untrack(t);
  }

  /**
   * Takes a tensor out of all scopes: it lives until it is disposed.
   * @returns the tensor
   * @example const total = device.keep(zeros(device, [1]));
   */
  keep<T extends Tensor>(t: T): T {
    this.#scopes.untrack(t);
    return t;
  }

  /** @internal */
  collect<R>(body: () => R): { result: R; made: Set<Tensor> } {
    return this.#scopes.collect(body);
  }

  /** @internal */
  guarded<R>(body: () => R): R {
    return this.#scopes.guarded(body);
  }

  /**
   * Runs `body` and frees every tensor made in it, but those it returns (also inside arrays and plain objects). Frees
   * all of them when it throws.
   * @throws FewmaskError when the body is asynchronous, and what it throws
   * @example device.scope(() => sgd.step(grad(loss(x), net.params)));
   */
  scope<R>(body: () => R): R {
    return this.#scopes.run(body);
  }
}
