// What goes wrong on a GPUDevice. On the engine's own every error is the engine's; on a caller's, only those of commands that the engine sent are.

import { DeviceError, DeviceLostError, type FewmaskError } from '../errors.ts';

export class Watch {
  readonly #gpu: GPUDevice;
  readonly #owned: boolean;
  #failure: FewmaskError | null = null;
  #ended = false;
  /** Done when all that was sent up to now has been judged. */
  settled: Promise<void> = Promise.resolve();

  /** @param owned the GPUDevice is the engine's own */
  constructor(gpu: GPUDevice, owned: boolean) {
    this.#gpu = gpu;
    this.#owned = owned;
    if (owned) gpu.addEventListener('uncapturederror', (event) => this.#refused(event.error));
    void gpu.lost.then((lost) => {
      if (!this.#ended) this.#failure = new DeviceLostError(`the GPU device was lost: ${lost.message || lost.reason}`, 'resume from the last checkpoint');
    });
  }

  #refused(error: GPUError): void {
    this.#failure ??= new DeviceError(`the GPU refused a command: ${error.message}`, 'this is a fault in a kernel or a limit of the adapter');
  }

  /** @throws DeviceError, DeviceLostError when something went wrong: from then on at each call */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Sends something. On a caller's device its errors are caught here: objects that could not be made show in the commands that use them. */
  guard(send: () => void): void {
    if (this.#owned) return send();
    this.#gpu.pushErrorScope('validation');
    try {
      send();
    } finally {
      const judged = this.#gpu.popErrorScope().then((error) => error && this.#refused(error), () => null); // rejected when the device is lost
      this.settled = Promise.all([this.settled, judged]).then(() => undefined);
    }
  }

  /** The device is closed: that it is gone is no failure. */
  end(): void {
    this.#ended = true;
  }
}
