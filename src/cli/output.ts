// What commands write: messages, progress on a terminal or in plain lines, JSON. Progress and warnings go to stderr,
// results to stdout.

import { stripVTControlCharacters, styleText } from 'node:util';
import { errorText, FewmaskError, UsageError } from '../../runtime/errors.ts';
import { withSettings } from '../settingNames.ts';

export interface OutputOptions {
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
}

/** Settings whose flags have other names. */
const OTHER_FLAGS: Readonly<Record<string, string>> = { 'builtin.train': 'builtinImages', options: 'set' };

type Style = Parameters<typeof styleText>[0];

/** The number of columns to keep to. */
const columns = (): number => process.stderr.columns ?? 100;

export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  private readonly flags: ReadonlyMap<string, string>;
  private readonly live: boolean;
  private drawn = false;
  private lastPlain = -Infinity;

  /** @param flags of the command, by the names of its options: shown where a text marks a setting */
  constructor(o: OutputOptions = {}, flags: ReadonlyMap<string, string> = new Map()) {
    this.flags = flags;
    this.json = o.json ?? false;
    this.quiet = o.quiet ?? false;
    this.verbose = o.verbose ?? false;
    this.live = process.stderr.isTTY === true && process.env.TERM !== 'dumb' && !this.quiet;
  }

  /** Text in a style, where stderr is a terminal that wants colour (NO_COLOR is respected). */
  style(style: Style, text: string): string {
    const wanted = process.env.NO_COLOR
      ? false
      : process.env.FORCE_COLOR
        ? process.env.FORCE_COLOR !== '0'
        : process.stderr.isTTY === true && process.env.TERM !== 'dumb';
    return wanted ? styleText(style, text) : text;
  }

  private shown(text: string): string {
    return withSettings(text, (name) => this.flags.get(OTHER_FLAGS[name] ?? name));
  }

  private clear(): void {
    if (this.drawn) process.stderr.write('\r\x1b[2K');
    this.drawn = false;
  }

  /** A line for people; nothing with --quiet. */
  say(text = ''): void {
    if (this.quiet) return;
    this.clear();
    process.stderr.write(`${this.shown(text)}\n`);
  }

  warn(text: string): void {
    this.clear();
    process.stderr.write(`${this.style('yellow', 'warning:')} ${this.shown(text)}\n`);
  }

  /** A line that is drawn over on a terminal; elsewhere a plain line every `every` seconds, and always when `last`. */
  progress(text: string, options: { every?: number; last?: boolean } = {}): void {
    if (this.quiet) return;
    if (this.live) {
      this.clear();
      const plain = stripVTControlCharacters(text);
      process.stderr.write(plain.length < columns() ? text : `${plain.slice(0, columns() - 2)}…`);
      this.drawn = true;
      if (options.last) this.endProgress();
      return;
    }
    const now = performance.now();
    if (!options.last && now - this.lastPlain < 1000 * (options.every ?? 10)) return;
    this.lastPlain = now;
    process.stderr.write(`${stripVTControlCharacters(text)}\n`);
  }

  endProgress(): void {
    if (this.drawn) process.stderr.write('\n');
    this.drawn = false;
  }

  /** The result of the command, on stdout. */
  result(text: string): void {
    this.clear();
    const shown = this.shown(text);
    process.stdout.write(shown.endsWith('\n') ? shown : `${shown}\n`);
  }

  /** One line for an error; the stack with --verbose. @returns the exit code: 2 for wrong usage, 1 for failure */
  fail(error: unknown): number {
    this.clear();
    const known = error instanceof FewmaskError;
    const message = this.shown(errorText(error));
    process.stderr.write(
      `${this.style('red', 'error:')} ${known || this.verbose ? message : `${message.split('\n')[0]} (--verbose shows where)`}\n`,
    );
    if (this.verbose && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}
