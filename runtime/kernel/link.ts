// Build step: shaders share code. A line `// #import NAME` brings in what a shader uses of shaders/shared/NAME.wgsl.

/** A line that asks for a snippet. */
const IMPORT = /^\/\/ #import (\w+)$/gm;
/** What a paragraph of a snippet declares. */
const DECLARED = /^(?:fn|const|struct|alias) (\w+)/m;

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
    const left = snippet.split(/\n{2,}/).filter((p) => DECLARED.test(p));
    const taken = new Set<string>();
    let seen = code;
    for (let before = -1; before < taken.size;) {
      before = taken.size;
      for (const paragraph of left) {
        if (taken.has(paragraph) || !new RegExp(`\\b${DECLARED.exec(paragraph)![1]}\\b`).test(seen)) continue;
        taken.add(paragraph);
        seen += paragraph;
      }
    }
    if (taken.size === 0) throw new Error(`${file}: imports ${name}, but uses nothing of it`);
    return left
      .filter((p) => taken.has(p))
      .join('\n\n')
      .trim();
  });
}
