// What goes wrong on a GPUDevice. On the engine's own every error is the engine's; on a caller's, only those of
// commands that the engine sent are.

import { DeviceError, DeviceLostError, OutOfMemoryError, type FewmaskError } from '../errors.ts';

export class Watch {
  readonly #gpu: GPUDevice;
  readonly #owned: boolean;
  readonly #alive: () => { message: string; hint: string };
  #failure: FewmaskError | null = null;
  #ended = false;
  /** Done when all that was sent up to now has been judged. */
  settled: Promise<void> = Promise.resolve();

  /**
   * @param owned the GPUDevice is the engine's own
   * @param alive what is alive, for the error when the GPU has no memory left
   */
  constructor(gpu: GPUDevice, owned: boolean, alive: () => { message: string; hint: string }) {
    this.#gpu = gpu;
    this.#owned = owned;
    this.#alive = alive;
    if (owned) gpu.addEventListener('uncapturederror', (event) => this.#refused(event.error));
    void gpu.lost.then((lost) => {
      if (!this.#ended)
        this.#failure = new DeviceLostError(
          `the GPU device was lost: ${lost.message || lost.reason}`,
          'resume from the last checkpoint',
        );
    });
  }

  #refused(error: GPUError): void {
    // The class is not everywhere a global.
    if (error.constructor.name === 'GPUOutOfMemoryError') {
      const { message, hint } = this.#alive();
      this.#failure ??= new OutOfMemoryError(`the GPU has no memory left: ${error.message}${message}`, hint);
    }
    this.#failure ??= new DeviceError(
      `the GPU refused a command: ${error.message}`,
      'this is a fault in a kernel or a limit of the adapter',
    );
  }

  /** @throws DeviceError, DeviceLostError when something went wrong: from then on at each call */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Makes memory. On a caller's device the engine sees to it that there was enough. */
  readonly guardMemory = <T>(make: () => T): T => this.guard(make, 'out-of-memory');

  /**
   * Sends something. On a caller's device its errors are caught here: objects that could not be made show in the
   * commands that use them.
   */
  guard<T>(send: () => T, filter: GPUErrorFilter = 'validation'): T {
    if (this.#owned) return send();
    this.#gpu.pushErrorScope(filter);
    try {
      return send();
    } finally {
      const judged = this.#gpu.popErrorScope().then(
        (error) => error && this.#refused(error),
        () => null,
      ); // rejected when the device is lost
      this.settled = Promise.all([this.settled, judged]).then(() => undefined);
    }
  }

  /** The device is closed: that it is gone is not a failure. */
  end(): void {
    this.#ended = true;
  }
}
