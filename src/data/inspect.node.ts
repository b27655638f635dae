// Looks at a data set before training: what is there, and what is wrong with it. Reports; does not stop at what is bad.

import { DataError, errorText, type FewmaskError } from '../../runtime/errors.ts';
import type { MaskCounts } from './decodeJobs.node.ts';
import { DecodePool, type PoolOptions } from './decodePool.node.ts';
import { checkReading, readImages, type Picture } from './inspectImages.node.ts';
import type { ClassCounts, Inspection, Problem, Range } from './inspection.ts';
import { findFiles, type Fail, type Layout } from './layout.node.ts';
import { MaskReader, ruleFor } from './maskReader.node.ts';
import type { MaskRule } from './maskRule.ts';
import { valueFacts } from './maskStats.ts';
import { IGNORED, labelCounts } from './maskValues.ts';
import { checkClassCount, checkSpec, isBuiltin, openDataset, type DatasetSpec } from './open.node.ts';
import { sizeClash } from './pictureRule.ts';
import { surveySet } from './pictures.node.ts';
import { resolveSplits, type Splits } from './splits.node.ts';
import type { Dataset, DatasetSplit } from './types.ts';

const SPLITS = ['labelled', 'unlabelled', 'val', 'test'] as const;
const WITH_MASKS = ['labelled', 'val', 'test'] as const;
type WithMasks = (typeof WITH_MASKS)[number];

/** Below these shares and sizes there is a warning. */
const RARE = 0.001;
const TINY = 32;
const HUGE = 4096;

/** Collects problems; those of one kind become one, with all its items. */
export class Problems {
  readonly list: Problem[] = [];

  add(level: Problem['level'], code: string, message: string, items: readonly string[] = []): void {
    this.list.push({ level, code, message, items: [...items] });
  }

  addError(code: string, { message, hint }: FewmaskError, items: readonly string[] = []): void {
    this.list.push({ level: 'error', code, message, ...(hint !== undefined && { hint }), items: [...items] });
  }

  /** One problem for all items, or none where there are none. */
  group(level: Problem['level'], code: string, items: readonly string[], message: (n: number) => string): void {
    if (items.length)
      this.add(level, code, items.length === 1 ? `${message(1)}: ${items[0]}` : message(items.length), items);
  }
}

const images = (n: number): string => `${n} image${n === 1 ? '' : 's'}`;
const masks = (n: number): string => `${n} mask${n === 1 ? '' : 's'}`;

function rangeOf(values: readonly number[]): Range {
  const sorted = [...values].sort((a, b) => a - b);
  return { min: sorted[0], median: sorted[sorted.length >> 1], max: sorted[sorted.length - 1] };
}

function emptyCounts(classes: number): ClassCounts {
  return { pixels: new Array<number>(classes).fill(0), images: new Array<number>(classes).fill(0), ignored: 0 };
}

function addCounts(to: ClassCounts, counts: Uint32Array): void {
  to.pixels.forEach((_, c) => {
    to.pixels[c] += counts[c];
    if (counts[c] > 0) to.images[c]++;
  });
  to.ignored += counts[255];
}

/**
 * Inspects a data set: decodes every image of its splits, and the masks of labelled, val and test images. Of unlabelled
 * images it only says whether a mask is there. (Labels by number or part are drawn as for training, which may read the
 * masks of all candidates; a note says so.)
 * @throws UsageError for settings that make no sense; bad data is reported instead
 * @example const report = await inspect({ path: 'camvid', labels: '1/8' });
 * console.log(formatInspection(report));
 * process.exitCode = exitCode(report);
 */
export async function inspect(spec: DatasetSpec, options: PoolOptions = {}): Promise<Inspection> {
  checkSpec(spec);
  if (isBuiltin(spec)) return inspectBuiltin(spec, options);
  const pool = new DecodePool(options);
  const problems = new Problems();
  try {
    return await inspectFiles(spec, pool, problems);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    problems.addError('data', error);
    return describe(
      spec.path ?? spec.images!,
      0,
      [],
      { ids: { labelled: [], unlabelled: [], val: [], test: [], train: [] }, notes: [] },
      problems,
    );
  } finally {
    await pool.close();
  }
}

/** The report without what only files have. */
function describe(
  name: string,
  numClasses: number,
  classNames: readonly string[],
  { ids, notes }: Splits,
  problems: Problems,
  hasMask: (id: string) => boolean = () => false,
): Inspection {
  const count = (split: DatasetSplit) => ({ images: ids[split].length, masks: ids[split].filter(hasMask).length });
  return {
    name,
    numClasses,
    classNames: Array.from({ length: numClasses }, (_, i) => classNames[i] ?? `class ${i}`),
    splits: {
      train: count('train'),
      labelled: count('labelled'),
      unlabelled: count('unlabelled'),
      val: count('val'),
      test: count('test'),
    },
    pictures: null,
    unused: 0,
    sizes: null,
    maskForms: {},
    imagesWithoutMask: 0,
    masksWithoutImage: 0,
    notes: [...notes],
    problems: problems.list,
    maskValues: [],
    classes: { labelled: emptyCounts(numClasses), val: emptyCounts(numClasses), test: emptyCounts(numClasses) },
  };
}

async function inspectBuiltin(spec: DatasetSpec, options: PoolOptions): Promise<Inspection> {
  const set: Dataset = await openDataset(spec, options);
  try {
    const ids = {
      labelled: set.ids('labelled'),
      unlabelled: set.ids('unlabelled'),
      val: set.ids('val'),
      test: set.ids('test'),
      train: set.ids('train'),
    };
    const problems = new Problems();
    const out = describe(set.name, set.numClasses, set.classNames, { ids, notes: [] }, problems, () => true);
    const [height, width] = await set.maxSize();
    out.sizes = { height: rangeOf([height]), width: rangeOf([width]), distinct: 1 };
    for (const split of WITH_MASKS) {
      await Promise.all(
        ids[split].map(async (id) => {
          const counts = new Uint32Array(256);
          for (const v of (await set.load(id, { labels: true })).labels!) counts[v]++;
          addCounts(out.classes[split], counts);
        }),
      );
    }
    checkClasses(out, problems);
    return out;
  } finally {
    await set.close();
  }
}

async function inspectFiles(spec: DatasetSpec, pool: DecodePool, problems: Problems): Promise<Inspection> {
  const alike = new Map<string, { code: string; first: FewmaskError; items: string[] }>();
  const fail: Fail = (error, kind) => {
    if (!kind) return problems.addError('data', error);
    const group = alike.get(kind.what);
    if (group) group.items.push(kind.item);
    else alike.set(kind.what, { code: kind.code, first: error, items: [kind.item] });
  };
  const layout = findFiles(spec, fail);
  const reader = new MaskReader(pool, layout);
  const splits = await resolveSplits(layout, spec, fail, (id) => reader.shown(id, spec.maskValues));
  for (const [what, { code, first, items }] of alike) {
    if (items.length === 1) problems.addError(code, first, items);
    else problems.add('error', code, `${items.length} ${what}`, items);
  }

  const { ids } = splits;
  const used = [...new Set(SPLITS.flatMap((s) => ids[s]))];
  const pictures = await surveySet(layout, ids, spec, pool);
  splits.notes.push(...pictures.notes);
  const facts = await readImages(layout, used, pictures, pool, problems);
  const counted = await readMasks(layout, ids, reader, problems);
  const declared = spec.classes ?? spec.classNames?.length ?? layout.numClasses;
  if (declared !== undefined) checkClassCount(declared);
  const histograms = new Map([...counted].map(([id, mask]) => [id, { ...mask, file: layout.masks.get(id)! }]));
  const rule = ruleFor(histograms, ids, spec, declared);
  const refused = 'error' in rule ? rule : null;
  const table = 'error' in rule ? null : (rule.map?.table ?? null);
  const numClasses = 'error' in rule ? (declared ?? 0) : rule.numClasses;
  // Ids beyond the classes are named mask by mask, and the others counted.
  const counting = !refused || refused.code === 'ids-outside';
  const out = describe(layout.name, numClasses, spec.classNames ?? layout.classNames ?? [], splits, problems, (id) =>
    layout.masks.has(id),
  );
  out.pictures = pictures.rule;
  out.unused = layout.images.size - used.length;
  out.imagesWithoutMask = [...layout.images.keys()].filter((id) => !layout.masks.has(id)).length;
  const lone = [...layout.masks.keys()].filter((id) => !layout.images.has(id));
  out.masksWithoutImage = lone.length;
  problems.group('warning', 'mask-without-image', lone, (n) => `${masks(n)} without an image of the same name`);
  const sizes = [...facts.values()];
  if (sizes.length)
    out.sizes = {
      height: rangeOf(sizes.map((s) => s.height)),
      width: rangeOf(sizes.map((s) => s.width)),
      distinct: new Set(sizes.map((s) => `${s.width}x${s.height}`)).size,
    };

  for (const { value, pixels, masks: n } of valueFacts([...histograms.values()])) {
    out.maskValues.push({ value, pixels, masks: n, label: refused ? null : table ? table[value] : value });
  }
  const outside: string[] = [];
  const mismatched: string[] = [];
  const blank: string[] = [];
  const withMasks = WITH_MASKS.map((split) => [split, new Set(ids[split])] as const);
  for (const [id, m] of counted) {
    const file = layout.masks.get(id)!;
    out.maskForms[m.form] = (out.maskForms[m.form] ?? 0) + 1;
    const labels = labelCounts(m.counts, table);
    for (const [split, members] of withMasks) if (members.has(id) && counting) addCounts(out.classes[split], labels);
    const there = Array.from(m.counts.keys()).filter((v) => m.counts[v] > 0);
    const wrong = table || !counting ? [] : there.filter((v) => v >= numClasses && v !== IGNORED);
    if (wrong.length) outside.push(`${file} (${wrong.slice(0, 6).join(', ')}${wrong.length > 6 ? ', …' : ''})`);
    if (there.every((v) => (table ? table[v] : v) === IGNORED)) blank.push(file);
    const image = facts.get(id);
    if (image && (image.width !== m.width || image.height !== m.height)) {
      mismatched.push(`${file} is ${sizeClash([m.height, m.width], image, image.upright)[0]}`);
    }
  }
  problems.group(
    'error',
    'ids-outside',
    outside,
    (n) => `${masks(n)} with ids beyond the ${numClasses} classes (0 to ${numClasses - 1}; 255 is ignored)`,
  );
  problems.group('error', 'size-mismatch', mismatched, (n) => `${masks(n)} of another size than the image`);
  problems.group('warning', 'mask-blank', blank, (n) => `${masks(n)} without any labelled pixel (255 everywhere)`);
  if (!refused) reportRule(rule as MaskRule, spec.maskValues !== undefined, out, problems);
  else if (!counting && counted.size > 0) problems.addError(refused.code, refused.error);
  else if (refused.error.hint && counted.size > 0) out.notes.push(refused.error.hint);
  checkOverlaps(ids, problems);
  checkImages(facts, ids, problems);
  checkReading(layout, facts, pictures, problems);
  checkClasses(out, problems);
  return out;
}

/** How masks are read: a warning where their values are not class ids and the settings do not say so. */
function reportRule({ map, notes }: MaskRule, asked: boolean, out: Inspection, problems: Problems): void {
  if (!map || asked) out.notes.push(...notes);
  else for (const note of notes) problems.add('warning', 'mask-values', note);
}

/** Counts ids in the masks of labelled, val and test images; of no others. */
async function readMasks(
  layout: Layout,
  ids: Record<DatasetSplit, string[]>,
  reader: MaskReader,
  problems: Problems,
): Promise<Map<string, MaskCounts>> {
  const wanted = [...new Set(WITH_MASKS.flatMap((s) => ids[s]))].filter((id) => layout.masks.has(id));
  const counted = new Map<string, MaskCounts>();
  const bad: string[] = [];
  const found = await Promise.all(wanted.map((id) => reader.counts(id).catch((e: unknown) => e as Error)));
  found.forEach((f, i) => (f instanceof Error ? bad.push(errorText(f)) : counted.set(wanted[i], f)));
  problems.group('error', 'mask-unreadable', bad, (n) => `${masks(n)} cannot be used`);
  return counted;
}

function checkOverlaps(ids: Record<DatasetSplit, string[]>, problems: Problems): void {
  const pairs: [DatasetSplit, DatasetSplit, Problem['level']][] = [
    ['labelled', 'val', 'error'],
    ['labelled', 'test', 'error'],
    ['val', 'test', 'warning'],
    ['unlabelled', 'val', 'warning'],
    ['unlabelled', 'test', 'warning'],
    ['labelled', 'unlabelled', 'warning'],
  ];
  for (const [a, b, level] of pairs) {
    const other = new Set(ids[b]);
    problems.group(
      level,
      'overlap',
      ids[a].filter((id) => other.has(id)),
      (n) => `${images(n)} both in ${a} and in ${b}`,
    );
  }
  if (ids.val.length === 0)
    problems.add(
      'warning',
      'no-val',
      'there are no val images: nothing to choose settings by (`val` takes a list, a number or a part)',
    );
  if (ids.unlabelled.length === 0)
    problems.add('warning', 'no-unlabelled', 'there are no unlabelled images: only supervised training makes sense');
}

function checkImages(
  facts: ReadonlyMap<string, Picture>,
  ids: Record<DatasetSplit, string[]>,
  problems: Problems,
): void {
  const all = [...facts];
  const sized = ([id, f]: [string, Picture]): string => `${id} (${f.width}x${f.height})`;
  problems.group(
    'warning',
    'tiny',
    all.filter(([, f]) => Math.min(f.width, f.height) < TINY).map(sized),
    (n) => `${images(n)} with a side below ${TINY} pixels`,
  );
  problems.group(
    'warning',
    'huge',
    all.filter(([, f]) => Math.max(f.width, f.height) > HUGE).map(sized),
    (n) => `${images(n)} with a side above ${HUGE} pixels: resize them as they are read (\`size\`)`,
  );
  const byHash = new Map<string, string[]>();
  for (const [id, f] of all) byHash.set(f.hash, [...(byHash.get(f.hash) ?? []), id]);
  const splits = SPLITS.map((split) => [split, new Set(ids[split])] as const);
  const where = (id: string): string =>
    splits
      .filter(([, members]) => members.has(id))
      .map(([split]) => split)
      .join('+');
  const twins = [...byHash.values()].filter((same) => same.length > 1);
  problems.group(
    'warning',
    'duplicates',
    twins.map((same) => same.map((id) => `${id} (${where(id)})`).join(' = ')),
    (n) => `${n} group${n === 1 ? '' : 's'} of images with the same bytes`,
  );
}

function checkClasses(o: Inspection, problems: Problems): void {
  const { pixels, images: shown } = o.classes.labelled;
  const total = pixels.reduce((a, b) => a + b, 0);
  if (total === 0) return;
  const name = (c: number): string => `${c} ${o.classNames[c]}`;
  const held = (c: number): boolean => (['val', 'test'] as WithMasks[]).some((s) => o.classes[s].pixels[c] > 0);
  const classes = pixels.map((_, c) => c);
  problems.group(
    'warning',
    'class-absent',
    classes.filter((c) => pixels[c] === 0).map((c) => `${name(c)}${held(c) ? ' (but in val or test)' : ''}`),
    (n) => `${n} class${n === 1 ? ' is' : 'es are'} in no labelled image`,
  );
  problems.group(
    'warning',
    'class-rare',
    classes
      .filter((c) => pixels[c] > 0 && pixels[c] < RARE * total)
      .map((c) => `${name(c)} (${((100 * pixels[c]) / total).toFixed(3)} %, ${images(shown[c])})`),
    (n) => `${n} class${n === 1 ? ' has' : 'es have'} under ${100 * RARE} % of the labelled pixels`,
  );
}
