// Which entry points share memory between the invocations of a workgroup: found in the code of the shaders.

import { SHADERS } from '../../runtime/kernel/generated.ts';

/** Functions of WGSL code with their bodies, comments left out. */
function functions(code: string): Map<string, string> {
  const plain = code.replace(/\/\/.*$/gm, '');
  const found = new Map<string, string>();
  for (const m of plain.matchAll(/\bfn\s+(\w+)\s*\(/g)) {
    let at = plain.indexOf('{', m.index);
    let depth = 0;
    const from = at;
    do depth += plain[at] === '{' ? 1 : plain[at] === '}' ? -1 : 0;
    while (++at < plain.length && depth > 0);
    found.set(m[1], plain.slice(from, at));
  }
  return found;
}

/**
 * Entries, as `shader.entry`, that reach a barrier or a variable of the workgroup, by themselves or through the
 * functions that they call.
 */
export function sharingEntries(): string[] {
  return Object.entries(SHADERS).flatMap(([shader, { code, entries }]) => {
    const bodies = functions(code);
    const shared = [...code.matchAll(/var<workgroup>\s*(\w+)/g)].map((m) => m[1]);
    const touches = (name: string, seen: Set<string>): boolean => {
      if (seen.has(name)) return false;
      seen.add(name);
      // A component of a vector may have the short name of a variable.
      const words = new Set(bodies.get(name)!.match(/(?<!\.)\b\w+/g));
      return (
        [...shared, 'workgroupBarrier', 'storageBarrier', 'textureBarrier', 'workgroupUniformLoad'].some((w) =>
          words.has(w),
        ) || [...words].some((w) => bodies.has(w) && touches(w, seen))
      );
    };
    return Object.keys(entries)
      .filter((e) => touches(e, new Set()))
      .map((e) => `${shader}.${e}`);
  });
}
