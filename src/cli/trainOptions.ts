// The options of commands that train, and the settings that they mean.

import { existsSync, readFileSync } from 'node:fs';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { UsageError } from '../../runtime/errors.ts';
import { decodeText } from '../data/text.ts';
import { networkNames, networkOf, networks, USUAL_NETWORK } from '../nn/networks.ts';
import { checkOptions, schemeNames, schemeOf, schemes } from '../schemes/index.ts';
import { DEFAULTS, resolveConfig, type PartialConfig, type RunConfig } from '../train/config.ts';
import { flagsOf, type FlagOf } from '../train/settings.ts';
import { number, parseBytes, parseSize, whole, type DataFlags } from './options.ts';

function batch(text: string): { labelled: number; unlabelled: number } {
  const m = /^(\d+)(?:\+(\d+))?$/.exec(text.trim());
  if (!m) throw new InvalidArgumentError('give the images of a batch, as in 8, or 8+16 for labelled + unlabelled');
  return { labelled: Number(m[1]), unlabelled: Number(m[2] ?? m[1]) };
}

function range(text: string): [number, number] {
  const parts = text.split(/[,:-]/).map(Number);
  if (parts.length !== 2 || parts.some((v) => !Number.isFinite(v) || v <= 0) || parts[0] > parts[1])
    throw new InvalidArgumentError('give the smallest and the largest factor, as in 0.5,2');
  return [parts[0], parts[1]];
}

/** "median", or a number for each class. */
function weights(text: string): 'median' | number[] {
  if (text === 'median') return text;
  const list = text.split(',').map(Number);
  if (list.some((v) => !(v > 0 && Number.isFinite(v))))
    throw new InvalidArgumentError('give "median", or a positive number for each class, as in 0.5,1,4');
  return list;
}

/** How the text of a flag is read, where its setting says so. */
const READERS: Readonly<Record<NonNullable<FlagOf['reads']>, (text: string) => unknown>> = {
  size: parseSize,
  bytes: parseBytes,
  batch,
  range,
  weights,
};

/** "outputStride" -> "output-stride". */
const dashed = (name: string): string => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

/** The option of the command line for a setting. */
function flagOption({ name = '', value, reads, negated, kind, usual, about }: FlagOf): Option {
  const { input } = kind;
  // A default that says nothing, and one that the command line cannot give, are left out.
  const shown =
    usual === null || typeof usual === 'object' || typeof usual === 'boolean' ? '' : ` (default: ${String(usual)})`;
  const made = new Option(`--${negated ? 'no-' : ''}${dashed(name)}${value ? ` <${value}>` : ''}`, about + shown);
  if (reads) return made.argParser(READERS[reads]);
  if (input?.type === 'choice') {
    if (input.values.every((v) => typeof v === 'string')) return made.choices(input.values as string[]);
    return made.argParser(whole);
  }
  return input?.type === 'number' ? made.argParser(input.whole ? whole : number) : made;
}

/** The flags of the networks' options: one for each name, whatever networks have it. */
function networkFlags(): FlagOf[] {
  const found = new Map<string, FlagOf>();
  for (const { title, options, flags, required } of networks())
    for (const name of flags) {
      const { kind, usual, about } = options[name];
      const { input, words } = kind;
      const named = input?.type === 'choice' && typeof input.values[0] === 'string';
      // The values of a choice of names are listed by the help itself.
      const values = words && !named ? `: ${words}` : '';
      const after = required.includes(name) ? ', required' : ` (${String(usual)})`;
      const text = `${title}: ${about}${values}${after}`;
      const known = found.get(name);
      const flag = known ?? { name, path: ['network', name], kind, usual: null, value: named ? 'kind' : 'n' };
      found.set(name, { ...flag, about: known ? `${known.about}; ${text}` : text });
    }
  return [...found.values()];
}

const allFlags = (): FlagOf[] => [...networkFlags(), ...flagsOf()];

/** Options that say what a training step computes. */
export function addNetworkOptions(command: Command): Command {
  command
    .option('--config <file>', 'settings as JSON; flags override them')
    .addOption(new Option('--network <name>', `architecture (default: ${USUAL_NETWORK.name})`).choices(networkNames()));
  for (const flag of [...networkFlags(), ...flagsOf().filter((f) => f.recorded)]) command.addOption(flagOption(flag));
  return command;
}

/** Options of every command that trains. */
export function addTrainOptions(command: Command): Command {
  addNetworkOptions(command);
  for (const flag of flagsOf().filter((f) => !f.recorded)) command.addOption(flagOption(flag));
  return command
    .addOption(
      new Option(
        '--preset <name>',
        "options of the schemes: small (measured from scratch on few images; default without --pretrained), or the papers'",
      ).choices(['small', 'paper']),
    )
    .option('--cache <size>', 'limit of memory for decoded images (512M)', parseBytes)
    .option(
      '--set <key=value>',
      'an option of the scheme, as in tau=0.9 or fixmatch.tau=0.9; can be repeated',
      (item: string, before: string[] = []) => [...before, item],
    )
    .option(
      '--judge',
      'measure pseudo-labels by the masks of unlabelled images, if there are any (never used for training)',
    )
    .option('--save-every <minutes>', 'minutes between checkpoints', number, 5);
}

/** What the flags of training give; those of settings are read by {@link trainConfig}. */
export interface TrainFlags {
  config?: string;
  network?: string;
  memory?: number;
  cache?: number;
  seed?: number;
  set?: string[];
  saveEvery: number;
  preset?: Preset;
}

/** Options that a scheme begins with: what was measured to work from scratch on few images, or the published ones. */
export type Preset = 'small' | 'paper';

/** The options of the schemes, for the help text. */
export function schemeHelp(): string {
  const lines = schemes().flatMap(({ name, help }) =>
    Object.entries(help).map(([key, about], i) => `  ${(i ? '' : name).padEnd(14)} ${key.padEnd(16)} ${about}`),
  );
  return `\nOptions of the schemes (--set, with their defaults):\n${lines.join('\n')}\n`;
}

/**
 * Scheme options from `--set key=value`: values are JSON where they can be read as such, else text. `scheme.key` speaks
 * to one scheme only.
 */
export function parseSettings(items: readonly string[], scheme: string): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const item of items) {
    const at = item.indexOf('=');
    if (at < 1) throw new UsageError(`--set ${item}`, 'give KEY=VALUE, as in tau=0.9');
    let keys = item.slice(0, at).split('.');
    if (schemeNames().includes(keys[0])) {
      if (keys[0] !== scheme) continue;
      keys = keys.slice(1);
    }
    let value: unknown = item.slice(at + 1);
    try {
      value = JSON.parse(value as string);
    } catch {
      // plain text
    }
    let into = out;
    for (const key of keys.slice(0, -1)) into = (into[key] ??= {}) as Record<string, unknown>;
    into[keys.at(-1)!] = value;
  }
  return out;
}

/** The settings of `--config`; none without it. @throws UsageError */
export function fileConfig({ config: file }: TrainFlags): PartialConfig {
  if (file === undefined) return {};
  try {
    const text = decodeText(readFileSync(file));
    if (text === null) throw new Error('it is not a text file');
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
      throw new Error('it contains no settings');
    return parsed;
  } catch (error) {
    throw new UsageError(
      `--config ${file}: ${(error as Error).message}`,
      'give a JSON file of settings, such as the config.json beside a run',
    );
  }
}

/**
 * The settings of a run of `scheme`: defaults (crops no larger than images that are resized), then the parts, then the
 * flags. Options of the scheme that neither names are those of the preset.
 */
export function trainConfig(
  f: TrainFlags & Pick<DataFlags, 'size'>,
  scheme: string,
  ...parts: readonly PartialConfig[]
): RunConfig {
  const flags: PartialConfig = { options: parseSettings(f.set ?? [], scheme) };
  const put = (path: readonly string[], value: unknown): void => {
    let into = flags as Record<string, unknown>;
    for (const key of path.slice(0, -1)) into = (into[key] ??= {}) as Record<string, unknown>;
    into[path.at(-1)!] = value;
  };
  if (f.network !== undefined) put(['network', 'kind'], f.network);
  if (f.seed !== undefined) put(['seed'], f.seed);
  const values = new Map<string, unknown>(Object.entries(f));
  for (const { name = '', path, negated } of allFlags()) {
    const value = values.get(name);
    // A flag that says no is true where it is not given.
    if (value !== undefined && !(negated && value === true)) put(path, value);
  }
  const smaller = f.size && {
    crop: DEFAULTS.crop.map((side, i) => Math.min(side, Math.max(8, f.size![i]))) as [number, number],
  };
  const config = resolveConfig(smaller ?? {}, ...parts, flags, { scheme });
  const { kind, ...options } = config.network;
  networkOf(kind).checkCrop(options, config.crop);
  if (config.pretrained && !existsSync(config.pretrained))
    throw new UsageError(`there is no ${config.pretrained}`, 'give a safetensors file of weights (--pretrained)');
  const preset = f.preset ?? usualPreset(config, parts);
  const withPreset =
    preset === 'small' ? { ...config, options: { ...schemeOf(scheme).small, ...config.options } } : config;
  checkOptions(scheme, withPreset.options);
  return withPreset;
}

/** The preset where none is named: that of the papers with pretrained weights, and where settings come from a run. */
const usualPreset = ({ pretrained }: RunConfig, parts: readonly PartialConfig[]): Preset =>
  pretrained || parts.some((part) => part.options) ? 'paper' : 'small';

/** Says what the preset does to a scheme's options; null where it does nothing, or was asked for. */
export function presetLine(f: TrainFlags, { scheme, options }: RunConfig): string | null {
  const { small } = schemeOf(scheme);
  const taken = Object.keys(small).filter((key) => options[key] === small[key]);
  if (f.preset || taken.length === 0) return null;
  const list = taken.map((key) => `${key}=${JSON.stringify(small[key])}`).join(', ');
  return `${scheme}: from scratch, so with ${list}; --preset paper takes the published options`;
}
