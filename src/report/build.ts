// Build step: bundles the script and the style sheet of the HTML report, uPlot included, into src/report/generated.ts
// (git-ignored): two strings.
// So the report is written the same way by Node, by a bundle, and by a browser.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const license = readFileSync(createRequire(import.meta.url).resolve('uplot/LICENSE'), 'utf8').trim();

const result = await build({
  entryPoints: [join(here, 'client/main.ts'), join(here, 'client/report.css')],
  bundle: true,
  minify: true,
  write: false,
  format: 'iife',
  target: ['chrome111', 'firefox114', 'safari16.4'],
  outdir: here,
  charset: 'ascii',
  banner: { js: `/*! The charts are drawn by uPlot.\n${license}\n*/` },
});
const text = (ending: string): string => result.outputFiles.find((f) => f.path.endsWith(ending))!.text.trim();
// Inside a script or style element nothing may look like its end.
const js = text('.js').replaceAll('</', '<\\/');
const css = text('.css');
if (css.includes('</')) throw new Error('the style sheet contains "</"');
const lines = [
  '// Generated from src/report/client/ by src/report/build.ts. Not under version control.',
  `export const CLIENT_JS: string = ${JSON.stringify(js)};`,
  `export const CLIENT_CSS: string = ${JSON.stringify(css)};`,
];
writeFileSync(join(here, 'generated.ts'), `${lines.join('\n')}\n`);
