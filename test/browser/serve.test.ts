// The server of the page answers whatever it is asked, and continues.

import { request } from 'node:http';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { serve } from '../../src/web/serve.node.ts';
import { removeFolders, tempFolder, write } from '../support/files.ts';

test.after(removeFolders);

test('an invalid address is refused; the server continues', async () => {
  const folder = tempFolder();
  write(folder, { 'index.html': '<p>page' });
  const { server, url } = await serve(folder, 0);
  try {
    // fetch would not send such addresses.
    const status = (path: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        request(url, { path }, (response) => resolve(response.resume().statusCode))
          .on('error', reject)
          .end();
      });
    for (const [path, expected] of [
      ['//', 400],
      ['http://[', 400],
      ['/', 200],
      ['/index.html', 200],
      ['/../serve.test.ts', 404],
    ] as const)
      assert.is(await status(path), expected, path);
  } finally {
    server.close();
  }
});

test.run();
