// The public symbols of an entry point, by the TypeScript compiler: what they are, and what their documentation says.

import ts from 'typescript';

/** A documented thing: an exported symbol, or a public member of one. */
export interface PublicSymbol {
  /** `grad`, `Tensor.read`, `Conv2dOptions.stride`. */
  name: string;
  kind: 'function' | 'class' | 'type' | 'value' | 'member' | 'method';
  file: string;
  line: number;
  /** The comment without its tags. */
  text: string;
  tags: readonly string[];
  examples: readonly string[];
  /** The whole comment as it stands. */
  comment: string;
  /** Does its code say `throw`, or do its parameters include tensors or a device, whose use may fail? */
  mayThrow: boolean;
}

/**
 * A program over some files with the settings of the project.
 * @param extra files that are not on the disk, by path
 * @param paths where packages lie
 */
export function projectProgram(
  root: string,
  files: readonly string[],
  extra: Readonly<Record<string, string>> = {},
  paths: Record<string, string[]> = {},
): ts.Program {
  const { config } = ts.readConfigFile(`${root}/tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
  const settings = {
    ...options,
    noEmit: true,
    skipLibCheck: true,
    noUnusedLocals: false,
    noUnusedParameters: false,
    baseUrl: root,
    paths,
  };
  const host = ts.createCompilerHost(settings);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (f) => f in extra || fileExists.call(host, f);
  host.readFile = (f) => extra[f] ?? readFile.call(host, f);
  host.getSourceFile = (f, ...rest) =>
    f in extra ? ts.createSourceFile(f, extra[f], ts.ScriptTarget.ES2022, true) : getSourceFile.call(host, f, ...rest);
  return ts.createProgram([...files, ...Object.keys(extra)], settings, host);
}

/** What the compiler says about one file of a program: the code of each message, its line from 1, its text. */
export function complaints(program: ts.Program, file: string): { code: number; line: number; message: string }[] {
  const source = program.getSourceFile(file)!;
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((d) => ({
    code: d.code,
    line: source.getLineAndCharacterOfPosition(d.start ?? 0).line + 1,
    message: ts.flattenDiagnosticMessageText(d.messageText, ' '),
  }));
}

/** All public symbols that an entry point exports, with the public members of its classes and interfaces. */
export function publicSymbols(program: ts.Program, entry: string): PublicSymbol[] {
  const checker = program.getTypeChecker();
  const found: PublicSymbol[] = [];
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
  const add = (name: string, symbol: ts.Symbol, kind: PublicSymbol['kind']): void => {
    const node = symbol.valueDeclaration ?? symbol.declarations![0];
    const declarations = symbol.declarations ?? [];
    const source = node.getSourceFile();
    const comment = declarations
      .flatMap((d) =>
        ts
          .getJSDocCommentsAndTags(d)
          .filter(ts.isJSDoc)
          .map((c) => c.getText()),
      )
      .join('\n');
    const tags = symbol.getJsDocTags(checker);
    if (tags.some((t) => t.name === 'internal')) return;
    const bodies = declarations.map((d) => d.getText()).join('\n');
    found.push({
      name,
      kind,
      comment,
      file: source.fileName,
      line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1,
      text: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
      tags: tags.map((t) => t.name),
      examples: tags.filter((t) => t.name === 'example').map((t) => ts.displayPartsToString(t.text)),
      mayThrow: /\bthrow\b|\((?:[^()]|\([^()]*\))*:\s*(?:readonly\s+)?(?:Tensor|Device|Operand)\b/.test(bodies),
    });
  };
  const members = (owner: string, symbol: ts.Symbol): void => {
    for (const [key, member] of symbol.members ?? []) {
      const d = member.declarations?.[0];
      if (!d || String(key).startsWith('__') || d.kind === ts.SyntaxKind.TypeParameter) continue;
      const flags = ts.getCombinedModifierFlags(d);
      if (
        flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected) ||
        (ts.isPropertyDeclaration(d) && ts.isPrivateIdentifier(d.name))
      )
        continue;
      const overrides = (flags & ts.ModifierFlags.Override) !== 0;
      if (!overrides)
        add(`${owner}.${member.name}`, member, member.flags & ts.SymbolFlags.Method ? 'method' : 'member');
    }
  };
  for (const exported of checker.getExportsOfModule(module)) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const { flags } = symbol;
    if (flags & ts.SymbolFlags.ValueModule) {
      for (const inner of checker.getExportsOfModule(symbol))
        add(
          `${exported.name}.${inner.name}`,
          inner,
          inner.flags & ts.SymbolFlags.Function ? 'function' : inner.flags & ts.SymbolFlags.Value ? 'value' : 'type',
        );
      continue;
    }
    const kind =
      flags & ts.SymbolFlags.Function
        ? 'function'
        : flags & ts.SymbolFlags.Class
          ? 'class'
          : flags & ts.SymbolFlags.Value
            ? 'value'
            : 'type';
    add(exported.name, symbol, kind);
    if (flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Interface)) members(exported.name, symbol);
  }
  return found;
}
