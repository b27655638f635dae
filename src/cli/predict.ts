// `fewmask predict`: masks of new images.

import { statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import type { Command } from 'commander';
import { DataError } from '../../runtime/errors.ts';
import { resizeProbabilities } from '../data/enlarge.ts';
import { decodeImage, readBytes } from '../data/image.node.ts';
import { folder, IMAGE, passedOver } from '../data/layout.node.ts';
import { composed, findPath } from '../data/names.node.ts';
import { refuseOverwriting } from '../data/overwrite.node.ts';
import type { Sample } from '../data/types.ts';
import { confidenceColours, maskPng, overlayLabels, rgbPng } from '../report/pictures.ts';
import { action } from './action.ts';
import {
  addModelOptions,
  addSizeOption,
  buildNetwork,
  interruptible,
  openDevice,
  readModel,
  sizeFor,
  type GlobalFlags,
  type ModelFlags,
  type SizeFlags,
} from './common.ts';
import { parseBytes, type PictureFlags } from './options.ts';
import { eachFile, written } from './eachFile.ts';
import { addInferenceOptions, Inference, scalesOf, WINDOW, type InferenceFlags } from './inference.ts';
import type { Output } from './output.ts';
import { addReadingOptions, newImages } from './pictures.ts';
import { makeFolder, writeWhole } from './store.ts';

interface Flags extends GlobalFlags, ModelFlags, SizeFlags, PictureFlags, InferenceFlags {
  out: string;
  overlay?: boolean;
  confidence?: boolean;
  memory?: number;
}

/** Images of more pixels go through a sliding window, unless --window says otherwise. */
const MOST_PIXELS = 512 * 512;

export function predictCommand(program: Command): void {
  const reading = addReadingOptions(
    addSizeOption(
      addModelOptions(
        program
          .command('predict')
          .summary('write masks of images')
          .description(
            'Predicts masks of images or of folders of images: palette PNGs whose pixel values are class ids. ' +
              'Masks have the size of their image; the network sees images at the size of its training, large ones ' +
              'through a sliding window.',
          )
          .argument('<images...>', 'images, or folders of images'),
      ),
    ),
  );
  reading
    .option('--out <dir>', 'folder for the results', 'predictions')
    .option('--overlay', 'also write NAME-overlay.png: the image with the colours of the classes on top')
    .option('--confidence', 'also write NAME-confidence.png: the probability of the predicted class, dark to light');
  addInferenceOptions(reading, `${WINDOW} for images of more than 512x512 pixels`)
    .option('--memory <size>', 'limit of GPU memory (4G)', parseBytes)
    .addHelpText(
      'after',
      `
Examples:
  fewmask predict photo.jpg --model runs/fixmatch-0 --overlay
  fewmask predict photos/ --model runs/cps-0 --out masks/ --confidence
  fewmask predict satellite.png --model runs/cps-0 --window 512`,
    )
    .action(action(runPredict));
}

/**
 * The images that paths name: files, and the images of folders.
 * @param note gets a line on what else the folders contain
 */
export function filesOf(paths: readonly string[], note: (text: string) => void = () => undefined): string[] {
  return paths.flatMap((named) => {
    const path = findPath(named);
    if (path === null) throw new DataError(`there is no ${named}`, 'give images, or folders of images');
    if (!statSync(path).isDirectory()) return [path];
    const names = folder(path, 'the folder');
    const beside = passedOver(path, names);
    const isFolder = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
    const files = names
      .filter((f) => IMAGE.test(f))
      .map((f) => join(path, f))
      .filter((f) => !isFolder(f));
    if (files.length === 0) throw new DataError(`${path} contains no JPEG, PNG or WebP images`, beside ?? undefined);
    if (beside) note(beside);
    return files;
  });
}

/** A name for each file's results: its own without extension; where two files share it, that of the folder in front. */
export function namesOf(files: readonly string[]): string[] {
  const bare = files.map((f) => basename(f, extname(f)));
  // File systems may take names in different Unicode forms for the same.
  const times = new Map<string, number>();
  for (const n of bare.map(composed)) times.set(n, (times.get(n) ?? 0) + 1);
  const names = bare.map((n, i) => (times.get(composed(n)) === 1 ? n : `${basename(dirname(files[i]))}-${n}`));
  const seen = new Set<string>();
  const twice = names.find((n) => seen.size === seen.add(composed(n)).size);
  if (twice !== undefined)
    throw new DataError(
      `two of the images would be called ${twice}`,
      'predict them one after the other into different folders (--out)',
    );
  return names;
}

async function runPredict(f: Flags, out: Output, paths: string[]): Promise<number> {
  scalesOf(f);
  const files = filesOf(paths, (text) => out.say(text));
  const names = namesOf(files);
  const suffixes = ['', ...(f.overlay ? ['-overlay'] : []), ...(f.confidence ? ['-confidence'] : [])];
  const fileFor = (name: string, suffix: string): string => join(f.out, `${name}${suffix}.png`);
  refuseOverwriting(
    files,
    names.flatMap((name) => suffixes.map((suffix) => fileFor(name, suffix))),
  );
  const { model, file } = await readModel(f);
  const interrupt = interruptible(out);
  const device = await openDevice(f, out);
  try {
    const network = buildNetwork(device, model);
    const size = sizeFor(f, model);
    out.say(
      `${file}: ${model.network.kind}, ${model.classNames.length} classes${size ? `, images seen at ${size.join('x')}` : ''}`,
    );
    const images = await newImages(files, f, model, out);
    await makeFolder(f.out);
    const inference = new Inference(device, network, f, MOST_PIXELS);
    const shares: { file: string; mask: string; classes: Record<string, number> }[] = [];
    let unmentioned = inference.augmented;
    const failures = await eachFile(
      files,
      out,
      'let the network see less of it at once: --window, --size',
      async (path, i) => {
        if (interrupt.signal.aborted) return;
        const bytes = await readBytes(path);
        const seen = await decodeImage(bytes, path, { ...images.reading(path), size });
        const [height, width] = seen.own;
        images.clipped(path, seen.clipped);
        const sample: Sample = { id: names[i], ...seen, labels: null };
        const probabilities = seen.height !== height || seen.width !== width;
        if (unmentioned && !inference.whole(sample)) {
          out.warn(
            `${path} is larger than the window and is predicted in tiles; --scales and --flip are ignored for ` +
              'all images of such a size (--window 0 predicts them whole, --size makes them smaller)',
          );
          unmentioned = false;
        }
        const made = await inference.predict(sample, { probabilities });
        const { labels, confidence } = made.p
          ? resizeProbabilities(made.p, [seen.height, seen.width], [height, width])
          : made;
        const target = (suffix: string): string => fileFor(names[i], suffix);
        await writeWhole(target(''), maskPng(labels, width, height, model.palette));
        const rgb = f.overlay && (probabilities ? await decodeImage(bytes, path, images.reading(path)) : seen).rgb;
        if (rgb)
          await writeWhole(
            target('-overlay'),
            rgbPng(overlayLabels(rgb, labels, width, height, model.palette), width, height),
          );
        if (f.confidence) await writeWhole(target('-confidence'), rgbPng(confidenceColours(confidence), width, height));
        const counts = new Float64Array(model.classNames.length);
        for (const v of labels) counts[v]++;
        shares.push({
          file: path,
          mask: target(''),
          classes: Object.fromEntries(model.classNames.map((name, c) => [name, counts[c] / labels.length])),
        });
        out.progress(`${i + 1}/${files.length}  ${path}`, { last: i === files.length - 1 });
      },
    );
    images.end();
    if (interrupt.signal.aborted) return 130;
    if (f.json) out.result(JSON.stringify([...shares, ...failures]));
    else out.result(written(shares.length, 'mask', f.out, failures));
    return failures.length > 0 ? 1 : 0;
  } finally {
    interrupt.release();
    device.close();
  }
}
