import { buildWeb } from '../src/web/build.node.ts';
import { serve } from '../src/web/serve.node.ts';
import { launchChromium, WEBGPU } from './support/chromium.ts';
import { mkdtempSync } from 'node:fs';
const folder = mkdtempSync('/tmp/fewmask-pg-');
await buildWeb(folder);
const server: any = await serve(folder, 0);
const b = await launchChromium('/usr/lib/chromium/chromium', WEBGPU);
const p = await b.newPage({ viewport: { width: 1280, height: 980 } });
await p.goto(server.url);
await p.waitForFunction(() => !(document.getElementById('start') as any).disabled, undefined, { timeout: 60000 });
await p.locator('details').evaluate((d: any) => (d.open = true));
await p.screenshot({ path: '/tmp/page0.png', fullPage: true });
await p.selectOption('[name=size]', '72x96');
for (const [k, v] of [
  ['network.width', '8'],
  ['network.depth', '3'],
  ['steps', '160'],
  ['batch', '4'],
  ['unlabelled', '60'],
  ['labelled', '24'],
  ['lr', '0.05'],
])
  await p.fill(`[name="${k}"]`, v);
await p.locator('details').evaluate((d: any) => (d.open = false));
await p.click('#start');
await p.waitForFunction(
  () => Number(/(\d+)/.exec(document.querySelector('[data-fact=step]')!.textContent!)?.[1] ?? 0) >= 150,
  undefined,
  { timeout: 500000 },
);
await p.screenshot({ path: '/tmp/page1.png' });
await b.close();
process.exit(0);
