// `fewmask cam`: heat maps of where a network sees a class.

import { basename, extname, join } from 'node:path';
import { Option, type Command } from 'commander';
import { UsageError } from '../../runtime/errors.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { view } from '../augment/gpu/view.ts';
import { identityViews } from '../augment/weak.ts';
import { gradCam, listLayers, type CamMethod } from '../cam/index.ts';
import { pack } from '../data/batch.ts';
import { resizeProbabilities } from '../data/enlarge.ts';
import { decodeImage, readBytes } from '../data/image.node.ts';
import { refuseOverwriting } from '../data/overwrite.node.ts';
import { overlayHeat, rgbPng } from '../report/pictures.ts';
import { action } from './action.ts';
import {
  addModelOptions,
  addSizeOption,
  buildNetwork,
  openDevice,
  readModel,
  sizeFor,
  type GlobalFlags,
  type ModelFlags,
  type SizeFlags,
} from './common.ts';
import { eachFile, written } from './eachFile.ts';
import { parseBytes, type PictureFlags } from './options.ts';
import type { Output } from './output.ts';
import { addReadingOptions, newImages } from './pictures.ts';
import { filesOf, namesOf } from './predict.ts';
import { makeFolder, writeWhole } from './store.ts';

interface Flags extends GlobalFlags, ModelFlags, SizeFlags, PictureFlags {
  out: string;
  class?: string;
  layer?: string;
  method: CamMethod;
  pixels: 'predicted' | 'all';
  normalise: 'min-max' | 'max';
  layers?: boolean;
  memory?: number;
}

export function camCommand(program: Command): void {
  addReadingOptions(
    addSizeOption(
      addModelOptions(
        program
          .command('cam')
          .summary('write Grad-CAM heat maps')
          .description(
            'Writes heat maps over images: the evidence for a class, pixel by pixel, at a layer of the network.',
          )
          .argument('[images...]', 'images, or folders of images'),
      ),
    ),
  )
    .option('--out <dir>', 'folder for the results', 'cams')
    .option(
      '--class <which>',
      'class, by name or id; "each" writes one map per class; default: the predicted class of each pixel',
    )
    .option('--layer <name>', "a layer (default: the encoder's deepest stage); --layers lists them")
    .option('--layers', 'list the layers and stop')
    .addOption(
      new Option('--method <name>', 'method')
        .choices(['gradcam', 'gradcam++', 'hirescam', 'layercam'])
        .default('gradcam'),
    )
    .addOption(
      new Option('--pixels <which>', 'whose scores are summed: the pixels predicted as the class, or all')
        .choices(['predicted', 'all'])
        .default('predicted'),
    )
    .addOption(new Option('--normalise <how>', 'scaling of a map').choices(['min-max', 'max']).default('min-max'))
    .option('--memory <size>', 'limit of GPU memory (4G)', parseBytes)
    .addHelpText(
      'after',
      `
Examples:
  fewmask cam photo.jpg --model runs/fixmatch-0
  fewmask cam photos/ --model runs/fixmatch-0 --class car --out cams/
  fewmask cam --model runs/fixmatch-0 --layers`,
    )
    .action(action(runCam));
}

/** What `--class` means: class ids by the suffix of their files. */
function targetsOf(
  wish: string | undefined,
  names: readonly string[],
): [suffix: string, target: number | 'predicted'][] {
  if (wish === undefined) return [['', 'predicted']];
  // The id keeps names apart that look alike without their special characters.
  const suffix = (id: number): string => `-${id}-${names[id].replace(/[^\w-]+/g, '_')}`;
  if (wish === 'each') return names.map((_, id) => [suffix(id), id]);
  const id = names.includes(wish) ? names.indexOf(wish) : /^\d+$/.test(wish) ? Number(wish) : -1;
  if (id < 0 || id >= names.length)
    throw new UsageError(
      `the network has no class "${wish}"`,
      `choose one of ${names.join(', ')}, or a number below ${names.length}`,
    );
  return [[suffix(id), id]];
}

async function runCam(f: Flags, out: Output, paths: string[]): Promise<number> {
  const files = paths.length > 0 || f.layers ? filesOf(paths, (text) => out.say(text)) : [];
  if (files.length === 0 && !f.layers) throw new UsageError('no images', 'give images, or folders of images');
  const { model } = await readModel(f);
  const targets = targetsOf(f.class, model.classNames);
  const names = namesOf(files);
  const fileFor = (name: string, suffix: string): string => join(f.out, `${name}-cam${suffix}.png`);
  refuseOverwriting(
    files,
    names.flatMap((name) => targets.map(([suffix]) => fileFor(name, suffix))),
  );
  const device = await openDevice(f, out);
  try {
    const network = buildNetwork(device, model);
    if (f.layers) {
      const layers = listLayers(network);
      out.result(
        f.json
          ? JSON.stringify(layers)
          : layers
              .map(
                (l) =>
                  `${l.name.padEnd(28)} ${String(l.channels).padStart(5)} channels, stride ${l.stride}${l.deepest ? ' (default)' : ''}`,
              )
              .join('\n'),
      );
      return 0;
    }
    const size = sizeFor(f, model);
    const images = await newImages(files, f, model, out);
    await makeFolder(f.out);
    const maps: { file: string; target: number | 'predicted'; map: string }[] = [];
    const failures = await eachFile(files, out, 'let the network see it smaller: --size', async (path, i) => {
      const bytes = await readBytes(path);
      const own = await decodeImage(bytes, path, images.reading(path));
      const { width, height, rgb } = own;
      const seen = size ? await decodeImage(bytes, path, { ...images.reading(path), size }) : own;
      images.clipped(path, own.clipped);
      const { texels, sizes } = pack([{ id: path, ...seen, labels: null }]);
      const from = [seen.height, seen.width] as const;
      for (const [suffix, target] of targets) {
        const map = device.scope(() => {
          const x = view(
            device.tensor(texels, [1, ...from]),
            device.tensor(sizes, [1, 2]),
            device.tensor(identityViews(1), [1, 8]),
            from,
          ).image;
          return gradCam(network, standardize(x), {
            target,
            layer: f.layer,
            method: f.method,
            pixels: f.pixels,
            normalise: f.normalise,
          });
        });
        const file = fileFor(names[i], suffix);
        await writeWhole(
          file,
          rgbPng(
            overlayHeat(
              rgb,
              resizeProbabilities((await map.read()) as Float32Array, from, [height, width]).confidence,
              width,
              height,
            ),
            width,
            height,
          ),
        );
        map.dispose();
        maps.push({ file: path, target, map: file });
      }
      out.progress(`${i + 1}/${files.length}  ${basename(path, extname(path))}`, { last: i === files.length - 1 });
    });
    images.end();
    out.result(f.json ? JSON.stringify([...maps, ...failures]) : written(maps.length, 'heat map', f.out, failures));
    return failures.length > 0 ? 1 : 0;
  } finally {
    device.close();
  }
}
