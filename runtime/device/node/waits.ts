// While a promise of Dawn is open, its package asks for news as often as Node's event loop turns: on a machine with two
// cores the main thread takes one of them from a software adapter. Here it rests between two turns.

/**
 * Share of the time waited so far that a rest may take, and the most of it in milliseconds: results arrive that much
 * later.
 */
const SHARE = 1 / 16;
const LONGEST = 1;

const cell = new Int32Array(new SharedArrayBuffer(4));
let open = 0;
let resting = false;
let since = 0;

function rest(): void {
  if (open === 0) {
    resting = false;
    return;
  }
  Atomics.wait(cell, 0, 0, Math.min(LONGEST, (performance.now() - since) * SHARE));
  setImmediate(rest).unref();
}

/** Lets the main thread rest until the promise has settled. */
function waited<T>(promise: Promise<T>): Promise<T> {
  open++;
  since = performance.now();
  if (!resting) setImmediate(rest).unref();
  resting = true;
  return promise.finally(() => open--);
}

/** Makes waits for a device's work cost no processor. */
export function waitQuietly(device: GPUDevice): void {
  const { queue } = device;
  const done = queue.onSubmittedWorkDone.bind(queue);
  const create = device.createBuffer.bind(device);
  queue.onSubmittedWorkDone = () => waited(done());
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    if (descriptor.usage & 1 /* GPUBufferUsage.MAP_READ */) {
      const map = buffer.mapAsync.bind(buffer);
      buffer.mapAsync = (...range) => waited(map(...range));
    }
    return buffer;
  };
}
