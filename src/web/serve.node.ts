// `npm run web`: builds the page and serves it on this machine alone. `--port N` chooses the port (default 8080; the
// next free one where it is taken).

import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { buildWeb } from './build.node.ts';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.map': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
};
/** Ports that are tried one after another; then any free one. */
const TRIES = 20;

/**
 * A folder over http on 127.0.0.1. Only plain names in it are served: there are no subfolders.
 * @returns the server and its address
 */
export async function serve(folder: string, port: number): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: string | Buffer, kind = 'text/plain; charset=utf-8'): void => {
      response
        .writeHead(status, { 'content-type': kind, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
        .end(request.method === 'HEAD' ? undefined : body);
    };
    const path = request.url ?? '/';
    const base = 'http://localhost';
    if (!URL.canParse(path, base)) return answer(400, 'this is not an address\n');
    const name = new URL(path, base).pathname.slice(1) || 'index.html';
    const type = TYPES[extname(name)];
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, 'only GET\n');
    if (!type || !/^[\w.-]+$/.test(name)) return answer(404, 'there is no such page\n');
    readFile(join(folder, name)).then(
      (body) => answer(200, body, type),
      () => answer(404, 'there is no such page\n'),
    );
  });
  for (let k = 0; ; k++) {
    // 0 lets the system choose.
    const wanted = port === 0 || k === TRIES || port + k > 65535 ? 0 : port + k;
    const error = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
      server.once('error', resolve);
      server.listen(wanted, '127.0.0.1', () => {
        server.off('error', resolve);
        resolve(null);
      });
    });
    if (!error) break;
    if (wanted === 0 || (error.code !== 'EADDRINUSE' && error.code !== 'EACCES')) throw error;
  }
  return { server, url: `http://127.0.0.1:${(server.address() as { port: number }).port}/` };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '8080' } } });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new Error(`--port ${values.port}: give a number from 0 to 65535`);
  const { url } = await serve(await buildWeb(), port);
  console.log(`The page is at ${url} (Ctrl-C ends it)`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
