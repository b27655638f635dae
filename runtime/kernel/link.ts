// Build step: shaders share code. A line `// #import NAME` brings in what a shader uses of shaders/shared/NAME.wgsl.

/** A line that asks for a snippet. */
const IMPORT = /^\/\/ #import (\w+)$/gm;
/** What a paragraph of a snippet declares. */
const DECLARED = /^(?:fn|const|struct|alias) (\w+)/gm;

/**
 * The shader with its imports in place: the paragraphs (separated by blank lines) whose function, constant, struct or
 * alias the shader names, directly or through another paragraph. An import line stays at module scope, so the linked
 * text is valid WGSL.
 * @param file name of the shader, for errors
 * @param code its text
 * @param snippets text of each snippet by its name
 * @throws Error for an unknown snippet, or one that the shader names nothing of
 */
export function link(file: string, code: string, snippets: Readonly<Record<string, string>>): string {
  return code.replace(IMPORT, (_, name: string) => {
    const snippet = snippets[name];
    if (snippet === undefined) throw new Error(`${file}: there is no shaders/shared/${name}.wgsl to import`);
    const left = snippet
      .split(/\n{2,}/)
      .map((text) => ({ text, names: [...text.matchAll(DECLARED)].map(([, declared]) => declared) }))
      .filter(({ names }) => names.length > 0);
    const taken = new Set<(typeof left)[number]>();
    let seen = code;
    for (let before = -1; before < taken.size;) {
      before = taken.size;
      for (const paragraph of left) {
        if (taken.has(paragraph) || !new RegExp(`\\b(?:${paragraph.names.join('|')})\\b`).test(seen)) continue;
        taken.add(paragraph);
        seen += paragraph.text;
      }
    }
    if (taken.size === 0) throw new Error(`${file}: imports ${name}, but uses nothing of it`);
    return left
      .filter((p) => taken.has(p))
      .map(({ text }) => text)
      .join('\n\n')
      .trim();
  });
}
