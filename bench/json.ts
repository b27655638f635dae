// JSON for files under version control: short, and a change to one entry is a change to one line.

/** Fields one per line; arrays, such as the runs of a comparison, one entry per line. */
export function lined(report: object): string {
  const fields = Object.entries(report).filter(([, value]) => value !== undefined);
  const value = (v: unknown): string =>
    Array.isArray(v) && v.length > 0
      ? `[\n${v.map((e) => `  ${JSON.stringify(e)}`).join(',\n')}\n ]`
      : JSON.stringify(v);
  return `{\n${fields.map(([name, v]) => ` ${JSON.stringify(name)}: ${value(v)}`).join(',\n')}\n}\n`;
}
