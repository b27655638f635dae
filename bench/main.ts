// npm run bench: the engine against its peers (run.ts), with --suite gpu against PyTorch on a GPU (gpuBench.ts), with
// --scaling over sizes (scaling.ts), with --against COMMIT against an earlier commit (against.ts).

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const args = process.argv.slice(2);
if (args.includes('--scaling')) await import('./scaling.ts');
else if (args.includes('--against')) await import('./against.ts');
else if (args.includes('--suite')) {
  if (args[args.indexOf('--suite') + 1] !== 'gpu') {
    console.error('--suite takes gpu');
    process.exit(2);
  }
  await import('./gpuBench.ts');
} else {
  // The peers' modules load in Node only when they are bundled.
  await import('./build.ts');
  process.exitCode =
    spawnSync(process.execPath, [fileURLToPath(new URL('dist/run.mjs', import.meta.url)), ...args], {
      stdio: 'inherit',
    }).status ?? 1;
}
