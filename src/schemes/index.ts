// The schemes by name. One of a user's own becomes known by `registerScheme`.

import { UsageError } from '../../runtime/errors.ts';
import { augseg } from './augseg.ts';
import { cps } from './cps.ts';
import { cutmixSeg } from './cutmixSeg.ts';
import type { SchemeRecord } from './define.ts';
import { fixmatch } from './fixmatch.ts';
import { meanTeacher } from './meanTeacher.ts';
import { nCps } from './nCps.ts';
import { piModel } from './piModel.ts';
import { pseudoseg } from './pseudoseg.ts';
import type { Scheme, SchemeContext } from './scheme.ts';
import { selfTraining } from './selfTraining.ts';
import { supervised } from './supervised.ts';
import { temporalEnsembling } from './temporalEnsembling.ts';
import { u2pl } from './u2pl.ts';
import { unimatch } from './unimatch.ts';
import { unimatchV2 } from './unimatchV2.ts';

const records = new Map<string, SchemeRecord>(
  [
    supervised,
    selfTraining,
    fixmatch,
    pseudoseg,
    cps,
    nCps,
    piModel,
    temporalEnsembling,
    meanTeacher,
    cutmixSeg,
    unimatch,
    unimatchV2,
    u2pl,
    augseg,
  ].map((s) => [s.name, s]),
);

/** The schemes that are known, in the order of tables. */
export const schemes = (): readonly SchemeRecord[] => [...records.values()];

/** The scheme that others are held against. */
export const BASELINE = supervised.name;

/** Their names. */
export const schemeNames = (): readonly string[] => [...records.keys()];

/**
 * Makes a scheme known by its name: to runs, the command line, comparisons and reports of this process.
 * @throws UsageError when another scheme has the name
 * @example registerScheme(defineScheme({ name: 'mine', … }));
 */
export function registerScheme(record: SchemeRecord): void {
  if (records.has(record.name) && records.get(record.name) !== record)
    throw new UsageError(`there is already a scheme "${record.name}"`, 'give it another name');
  records.set(record.name, record);
}

/** The record of a scheme. @throws UsageError when there is none of that name */
export function schemeOf(name: string): SchemeRecord {
  const record = records.get(name);
  if (!record) throw new UsageError(`there is no scheme "${name}"`, `choose one of ${schemeNames().join(', ')}`);
  return record;
}

/** Builds a scheme. @throws UsageError when there is none of that name, or an option does not fit */
export function createScheme(name: string, c: SchemeContext, options: Record<string, unknown>): Scheme {
  return schemeOf(name).make(c, options);
}

/**
 * Checks options before a device is there.
 * @throws UsageError when there is no such scheme, or an option does not fit
 */
export function checkOptions(name: string, options: Record<string, unknown>): void {
  const record = schemeOf(name);
  for (const key of Object.keys(options).filter((k) => !record.knows(k))) {
    const others = schemes()
      .filter((s) => s.knows(key))
      .map((s) => s.name);
    if (others.length > 0 && !record.renames(key))
      throw new UsageError(
        `the scheme ${name} has no option "${key}"`,
        `${others.join(', ')} ${others.length > 1 ? 'have' : 'has'} it: \`options ${others[0]}.${key}=VALUE\``,
      );
  }
  record.check(options);
}
