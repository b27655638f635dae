// Build step: WGSL without what only a reader needs. Comments and spaces go, and the `u` of a number beside a variable;
// names that nothing outside of the file goes by become short: those of functions that are not entry points, of
// parameters, of variables, of structs. A line ends after each `;`, `{` and `}`, so that a compiler's message still
// shows one statement.

/** Words that stand for themselves: a comment, a number, a name, white space, or one character of punctuation. */
const TOKEN =
  /\/\/[^\n]*|\/\*[^]*?\*\/|(?:0[xX][\da-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[iufh]?|[A-Za-z_]\w*|\s+|[^]/g;
const NAME = /^[A-Za-z_]/;
/**
 * Two characters that would become another token if the space between them went; so would, for wgsl_reflect, the minus
 * in `n - 1`.
 */
const JOINED = new Set([
  '--',
  '++',
  '&&',
  '||',
  '<<',
  '>>',
  '<=',
  '>=',
  '==',
  '!=',
  '->',
  '+=',
  '-=',
  '*=',
  '/=',
  '%=',
  '&=',
  '|=',
  '^=',
  '//',
  '/*',
]);
/** Words of the language, or kept by it for later, that a short name could hit. */
const RESERVED = ['as', 'do', 'fn', 'if', 'is', 'of'];
/** Words of the language that variables may be called too. */
const CONTEXT = ['function', 'private', 'workgroup', 'uniform', 'storage', 'read', 'write', 'read_write'];
const ALIASES: Readonly<Record<string, string>> = { f32: 'f', i32: 'i', u32: 'u' };

/** Tokens without comments; of white space only the fact that it was there. */
function tokens(code: string): string[] {
  const all = (code.match(TOKEN) ?? []).map((t) => (/^(\s|\/[/*])/.test(t) ? ' ' : t));
  // vec4<f32> and vec4f are the same type.
  const short: string[] = [];
  for (let i = 0; i < all.length; i++) {
    const suffix =
      /^vec[234]$/.test(all[i]) && all[i + 1] === '<' && all[i + 3] === '>' ? ALIASES[all[i + 2]] : undefined;
    short.push(suffix ? all[i] + suffix : all[i]);
    if (suffix) i += 3;
  }
  return short;
}

/** Names that may change: those that the file declares and nobody keeps, and that mean nothing else anywhere in it. */
function locals(list: readonly string[], keep: ReadonlySet<string>): Set<string> {
  const words = list.filter((t) => t !== ' ');
  const mine = new Set<string>();
  const others = new Set([...keep, ...CONTEXT]);
  const functions = new Set<string>();
  let depth = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    const next = words[i + 1];
    if (word === '{') depth++;
    if (word === '}') depth--;
    if (word === 'struct') {
      mine.add(next);
      i += 2;
      // Members are found after a dot; their declarations are left as they are, and so are names that are spelt alike.
      for (; words[i] !== '}'; i++) if (NAME.test(words[i])) others.add(words[i]);
      continue;
    }
    if (word === '@' && next === 'builtin') {
      others.add(words[(i += 4) - 1]);
      continue;
    }
    if (word === 'fn') {
      functions.add(next);
      mine.add(next);
      let nested = 1;
      for (i += 3; nested > 0; i++) {
        if (words[i] === '(') nested++;
        if (words[i] === ')') nested--;
        if (words[i] === '@' && words[i + 1] === 'builtin') others.add(words[(i += 4) - 1]);
        else if (NAME.test(words[i]) && words[i + 1] === ':') mine.add(words[i]);
      }
      i--;
      continue;
    }
    if (!NAME.test(word)) continue;
    const before = words[i - 1];
    if (before === 'override' || before === 'alias' || before === 'enable' || (before === 'const' && depth === 0))
      others.add(word);
    else if (before === 'let' || before === 'var' || before === 'const' || (before === '>' && next === ':'))
      mine.add(word);
  }
  // A variable that is spelt like a function of the language would take its calls with it.
  words.forEach((word, i) => {
    if ((words[i + 1] === '(' && !functions.has(word)) || words[i - 1] === '@') others.add(word);
    if (words[i - 1] === ':' || words[i - 1] === '<')
      if (/^(vec|mat|array|ptr|atomic|bool|[fiu](16|32))/.test(word)) others.add(word);
  });
  return new Set([...mine].filter((name) => !others.has(name)));
}

function* shortNames(taken: ReadonlySet<string>): Generator<string> {
  const first = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  for (const a of first) if (!taken.has(a)) yield a;
  for (const a of first) for (const b of `${first}0123456789`) if (!taken.has(a + b)) yield a + b;
}

/**
 * Minifies WGSL files together: a name becomes the same short one everywhere, since a compressor finds what is alike.
 * @param files code by name, with the names that must stay (entry points, constants, bindings, fields)
 * @returns the code of each, in the same order
 */
export function minifyShaders(files: readonly { code: string; keep: ReadonlySet<string> }[]): string[] {
  const lists = files.map((f) => tokens(f.code));
  const renamed = lists.map((list, i) => locals(list, files[i].keep));
  const taken = new Set(RESERVED);
  const counts = new Map<string, number>();
  lists.forEach((list, i) => {
    for (const t of list) {
      if (!NAME.test(t)) continue;
      if (renamed[i].has(t)) counts.set(t, (counts.get(t) ?? 0) + 1);
      else taken.add(t);
    }
  });
  const common = new Map<string, string>();
  const free = shortNames(taken);
  for (const [name] of [...counts].sort((a, b) => b[1] - a[1])) common.set(name, free.next().value as string);
  const maps = lists.map((list, i) => {
    // The rest take whatever letter their own file leaves.
    const own = list.filter((t, k) => NAME.test(t) && list[k - 1] !== '.');
    const names = [...new Set(own)].filter((t) => renamed[i].has(t));
    const short = new Map(names.filter((t) => common.get(t)!.length === 1).map((t) => [t, common.get(t)!]));
    const left = shortNames(new Set([...RESERVED, ...own.filter((t) => !renamed[i].has(t)), ...short.values()]));
    for (const t of names) if (!short.has(t)) short.set(t, left.next().value as string);
    return short;
  });
  return lists.map((list, i) => write(list, (t) => (renamed[i].has(t) ? maps[i].get(t)! : t)));
}

/**
 * Whether what comes next is an operand whose other side, a variable or a call, says already that it is unsigned.
 * Tokens, the last one first.
 */
function beside([operator = '', left = '']: readonly string[]): boolean {
  if (operator === '=') return /^[-+*/%&|^<>=!]$/.test(left);
  return (
    /^[-+*/%&|^<>]$/.test(operator) && (/^[A-Za-z_)\]]/.test(left) || (/[<>]/.test(operator) && left === operator))
  );
}

function write(list: readonly string[], name: (t: string) => string): string {
  let out = '';
  let spaced = false;
  let before: string[] = [];
  for (const t of list) {
    if (t === ' ') {
      spaced = true;
      continue;
    }
    const word = NAME.test(t) && before[0] !== '.' ? name(t) : beside(before) ? t.replace(/^(\d+)u$/, '$1') : t;
    const last = out.at(-1) ?? '';
    if (
      spaced &&
      ((/\w/.test(last) && /^\w/.test(word)) || JOINED.has(last + word[0]) || (last === '-' && /\d/.test(word[0])))
    )
      out += ' ';
    out += word;
    if (t === ';' || t === '{' || t === '}') out += '\n';
    spaced = false;
    before = [t, ...before.slice(0, 1)];
  }
  return out;
}
