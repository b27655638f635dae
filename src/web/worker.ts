// The worker of the page: opens the device and trains on it, so that the page never waits.

import type { Device } from '../../runtime/device/device.ts';
import { openBrowser } from '../../runtime/browser.ts';
import { networks } from '../nn/networks.ts';
import { schemes } from '../schemes/index.ts';
import { DEFAULTS } from '../train/config.ts';
import type { ToWorker } from './protocol.ts';
import { browse, failureOf, Runner, type Post } from './runner.ts';
import { networkInfo, schemeInfo } from './settings.ts';

/** The part of a worker's global scope that is used here. */
interface WorkerScope {
  postMessage: Post;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
}

const scope = self as unknown as WorkerScope;
const post: Post = (message, transfer = []) => scope.postMessage(message, transfer);
let device: Device | null = null;
let runner: Runner | null = null;

/** Opens the device, in place of one that was lost. */
async function open(): Promise<void> {
  try {
    device?.close();
    device = null;
    device = await openBrowser();
    runner = new Runner(device, post);
    const { info } = device;
    post({
      kind: 'opened',
      adapter: info.description,
      how: info.how,
      software: info.kind !== 'hardware',
      f16: device.f16,
    });
  } catch (error) {
    post({ kind: 'failed', run: null, failure: failureOf(error) });
  }
}

scope.onmessage = ({ data: message }) => {
  if (message.kind === 'open') void open();
  else if (message.kind === 'browse') void browse(message.settings, post);
  else if (message.kind === 'start') void runner?.start(message.run, message.settings, message.image);
  else if (message.kind === 'look') runner?.look(message.id);
  else runner?.[message.kind]();
};

post({
  kind: 'choices',
  schemes: schemes().map(schemeInfo),
  networks: networks().map(networkInfo),
  first: { scheme: DEFAULTS.scheme, network: DEFAULTS.network.kind },
});
