// Build step: numbers that stand for names. A shader that chooses by a number names each choice: `const OP_LOG: u32 =
// 7u;` before `const OP: u32 = OP_ABS;`, or, where the number comes from a buffer, `const OP_LOG: OP = 7u;` after `alias
// OP = u32;` (i32 alike). The host gets these names with their numbers, and the shader that it launches has the numbers
// in their places.

/** Numbers of a shader's choices: by constant, then by name in camel case. */
export type Codes = Record<string, Record<string, number>>;

/** A constant that chooses, declared with one of its choices, or the type of a number in a buffer that does. */
const CHOOSING = /^const ([A-Z]\w*): u32 = \1_\w+;$|^alias ([A-Z]+) = [ui]32;\n/gm;

const camel = (name: string): string => name.toLowerCase().replace(/_(.)/g, (_, c: string) => c.toUpperCase());

/**
 * The codes of a shader, and its text with numbers in place of their names.
 * @param file name of the shader, for errors
 * @throws Error for codes that are not counted from 0, or a name of a code that is not declared
 */
export function splitCodes(file: string, code: string): { codes: Codes; code: string } {
  const codes: Codes = {};
  for (const [choosing, chooser, alias] of code.matchAll(CHOOSING)) {
    const constant = chooser ?? alias;
    const own: Record<string, number> = (codes[constant] = {});
    const suffix = choosing.includes('i32') ? '' : 'u';
    const named = new RegExp(`\\b${constant}_(\\w+)\\b`, 'g');
    const declared = new RegExp(`^(?:///.*\\n)*const ${constant}_(\\w+): (?:u32|${alias}) = (\\d+)u?;\\n`, 'gm');
    if (alias) code = code.replace(choosing, '');
    code = code
      .replace(declared, (_, name: string, number: string) => {
        if (Number(number) !== Object.keys(own).length)
          throw new Error(`${file}: ${constant}_${name} is ${number}; codes are counted from 0`);
        own[camel(name)] = Number(number);
        return '';
      })
      .replace(named, (whole, name: string) => {
        if (own[camel(name)] === undefined) throw new Error(`${file}: ${whole} is not declared`);
        return `${own[camel(name)]}${suffix}`;
      });
  }
  return { codes, code };
}
