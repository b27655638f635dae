// The arguments of public functions: what plain JavaScript may get wrong is told before anything is made of it.
//
// A function says in one line what it takes: `softmax x axis?:n {scale:n}` is softmax(x, axis?, { scale? }) of a tensor
// and a number, with one option, a number. A name without a kind is a tensor. What has `?` may be left out; an option
// with `!` may not, nor may options that begin with `{!`.

import { ShapeError } from './errors.ts';
import { isTensor, Tensor } from './tensor.ts';

type Test = (v: unknown) => boolean;

/** What an argument must be, in words, and the test of it. */
interface Kind {
  readonly what: string;
  readonly is: Test;
  /** The words that it may be. */
  readonly words?: string;
}

interface Param extends Kind {
  readonly name: string;
  readonly optional: boolean;
}

interface Call {
  readonly name: string;
  readonly params: readonly Param[];
  /** The options by name; undefined where the function takes none. */
  readonly options: ReadonlyMap<string, Param> | undefined;
  /** Must the options be given? */
  readonly needed: boolean;
  /** How to call it. */
  readonly usage: string;
}

const isNumber: Test = (v) => typeof v === 'number' && v === v;
const isObject = (v: unknown): v is object => typeof v === 'object' && v !== null;
const isNumbers: Test = (v) => Array.isArray(v) && v.every(isNumber);
/** An object that is none of the things that could be meant as another argument. */
const isThing: Test = (v) => isObject(v) && !Array.isArray(v) && !ArrayBuffer.isView(v) && !isTensor(v);
const isOptions: Test = (v) => isThing(v) && !(v instanceof Map);

const valuesOf = (v: object): unknown[] => [...(v instanceof Map ? v.values() : Object.values(v))];

const KINDS: Readonly<Record<string, readonly [what: string, is: Test]>> = {
  T: ['a tensor', isTensor],
  O: ['a tensor or a number', (v) => isTensor(v) || typeof v === 'number'],
  n: ['a number', isNumber],
  N: ['a number or NaN', (v) => typeof v === 'number'],
  b: ['true or false', (v) => typeof v === 'boolean'],
  s: ['a string', (v) => typeof v === 'string'],
  S: ['a list of numbers', isNumbers],
  A: ['a number or a list of numbers', (v) => isNumber(v) || isNumbers(v)],
  M: ['a map of tensors', (v) => isThing(v) && valuesOf(v as object).every(isTensor)],
  L: ['a list of tensors', (v) => Array.isArray(v) && v.every(isTensor)],
  G: ['a list or a map of tensors', (v) => (Array.isArray(v) || v instanceof Map) && [...v.values()].every(isTensor)],
  D: ['a device', (v) => isObject(v) && 'gpu' in v],
  f: ['a function', (v) => typeof v === 'function'],
  o: ['an object', isThing],
  r: ['a number or a function', (v) => isNumber(v) || typeof v === 'function'],
  a: ['a list', Array.isArray],
  u: ['a Uint32Array', (v) => v instanceof Uint32Array],
  x: ['given', (v) => v !== undefined && v !== null],
};

function kindOf(code: string): Kind {
  const known = KINDS[code];
  if (known) return { what: known[0], is: known[1] };
  // One of some words, or where # is among them a number.
  const words = (code === 't' ? 'f32|f16|i32|u32' : code).split('|');
  const listed = words.join(', ').replace('#', 'a number');
  const number = words.includes('#');
  const is: Test = (v) => words.includes(v as string) || (number && isNumber(v));
  return { what: `one of ${listed}`, words: listed, is };
}

function paramOf(written: string): Param {
  const [, name, mark, code = 'T'] = /^([\w.]+)([?!]?):?(.*)$/.exec(written)!;
  return { name, optional: mark === '?', ...kindOf(code || 'T') };
}

function parse(signature: string): Call {
  const [head, inside] = signature.split(/ ?[{}]!?/);
  const [name, ...written] = head.split(' ');
  const params = written.map(paramOf);
  const keys = inside?.split(' ');
  const options =
    keys &&
    new Map(
      keys.map((k) => {
        const p = paramOf(k);
        return [p.name, { ...p, optional: !k.includes('!') }];
      }),
    );
  const mark = (p: Param): string => p.name + (p.optional ? '?' : '');
  const shown = [...params.map(mark), ...(options ? [`{ ${[...options.values()].map(mark).join(', ')} }`] : [])];
  const needed = signature.includes('!');
  const made = /^[A-Z]/.test(name) ? 'new ' : '';
  return { name, params, options, needed, usage: `call ${made}${name}(${shown.join(', ')})` };
}

const calls = new Map<string, Call>();

/** A value as messages show it: short, whatever it is. */
function shown(v: unknown): string {
  if (v === undefined) return 'missing';
  if (isTensor(v)) return `the tensor ${v}`;
  if (Array.isArray(v)) return v.length < 9 && v.every((e) => !isObject(e)) ? `[${v}]` : `a list of ${v.length}`;
  if (typeof v === 'string') return JSON.stringify(v);
  if (typeof v === 'function') return 'a function';
  if (!isObject(v)) return String(v);
  const name = v.constructor?.name ?? 'Object';
  return name === 'Object' ? `{ ${Object.keys(v).slice(0, 8)} }` : `a ${name}`;
}

/** Names of one thing in this engine and elsewhere. */
const SYNONYMS = [
  'axis axes dim dims',
  'kernel kernelsize filtersize poolsize',
  'lr learningrate',
  'eps epsilon',
  'low min minval',
  'high max maxval',
  'classweights weight weights',
  'pixelweight mask',
  'ignoreindex ignorelabel',
  'denominator reduction',
  'padding paddingmode',
  'causal iscausal',
  'mask attnmask',
  'correction ddof unbiased',
  'std stddev sigma',
  'scalefactor scale size',
  'betas beta1 beta2',
  'maxnorm clipnorm',
  'decay momentum',
].map((group) => group.split(' '));

const plain = (key: string): string => key.replace(/_/g, '').toLowerCase();

/** How many letters have to change for a to become b. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}

/** The known name that was probably meant. */
function nearest(key: string, known: readonly string[]): string | undefined {
  const word = plain(key);
  const groups = SYNONYMS.filter((g) => g.includes(word));
  const near = known.map((k) => [distance(word, plain(k)), k] as const).sort(([a], [b]) => a - b)[0];
  if (near && near[0] < 2) return near[1];
  const same = known.find((k) => groups.some((g) => g.includes(plain(k))));
  return same ?? (near && near[0] * 2 < word.length ? near[1] : undefined);
}

/** What is left out; PyTorch's None for a tensor is null. */
const absent = (p: Param, v: unknown): boolean => v === undefined || (v === null && p.is === isTensor);

function refuse(call: Call, p: Param, v: unknown): never {
  if (p.words && typeof v === 'string') {
    throw new ShapeError(call.name, `there is no ${p.name} ${v}`, `use ${p.words}`);
  }
  const not = v === undefined ? '' : `, not ${p.what}`;
  throw new ShapeError(call.name, `${p.name} is ${shown(v)}${not}`, call.usage);
}

function checkOptions(call: Call, options: ReadonlyMap<string, Param>, given: unknown): void {
  if (!isOptions(given)) {
    const what = given === undefined ? 'the options are missing' : `the options are ${shown(given)}, not an object`;
    throw new ShapeError(call.name, what, call.usage);
  }
  const values = given as Record<string, unknown>;
  for (const key in values) {
    const v = values[key];
    if (v === undefined) continue;
    const p = options.get(key);
    if (!p) {
      const known = [...options.keys()];
      const meant = nearest(key, known);
      const hint = meant ? `use ${meant}; there are ${known.join(', ')}` : `there are ${known.join(', ')}`;
      throw new ShapeError(call.name, `there is no option ${key}`, hint);
    }
    if (!p.is(v) && !absent(p, v)) refuse(call, p, v);
  }
  const missing = call.needed && [...options.values()].find((p) => !p.optional && values[p.name] === undefined);
  if (missing) refuse(call, missing, undefined);
}

/**
 * Checks what a function was given. Costs a look at each argument.
 * @param signature what it takes, always the same string for a function: it is read once
 * @param given its `arguments`
 * @throws ShapeError that names the function, the argument, and how to call it
 * @example args('softmax x axis?:n {scale:n}', arguments);
 */
export function args(signature: string, given: ArrayLike<unknown>): void {
  let call = calls.get(signature);
  if (!call) calls.set(signature, (call = parse(signature)));
  const { params, options } = call;
  for (let i = 0; i < params.length; i++) {
    const p = params[i];
    const v = given[i];
    if (p.is(v)) continue;
    if (!(p.optional && absent(p, v))) refuse(call, p, v);
  }
  if (!options) return;
  const last = given[params.length];
  if (last !== undefined || call.needed) checkOptions(call, options, last);
}

/** For the test of signatures: the options of each call that has been checked, by the name of the function. */
export function checkedOptions(): Map<string, string[]> {
  return new Map([...calls.values()].flatMap(({ name, options }) => (options ? [[name, [...options.keys()]]] : [])));
}

/** The same for a function of one tensor. @throws ShapeError */
export function tensorArg(name: string, x: unknown): void {
  if (!(x instanceof Tensor)) args(`${name} x`, [x]);
}

/** The same for a function of two operands by broadcasting. @throws ShapeError */
export function operandArgs(name: string, a: unknown, b: unknown): void {
  const fits = KINDS.O[1];
  if (!fits(a) || !fits(b)) args(`${name} a:O b:O`, [a, b]);
}
