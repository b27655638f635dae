// Settings in messages. The library marks a setting by backquotes around its name, with or without a value: "raise
// `memory`", "give `maskValues 0:0,255:1`". The command line shows it as a flag, the page as the label of its field.

const MARKED = /`([a-z][\w.]*)( [^`]*)?`/gi;

/**
 * Puts other names in the place of the settings that a text marks; their values stay behind them.
 * @param shown the other name; where it is undefined the text stays as it is
 * @example withSettings('raise `memory`', (name) => `--${name}`) // 'raise --memory'
 */
export function withSettings(text: string, shown: (name: string) => string | undefined): string {
  return text.replace(MARKED, (mark: string, name: string, value = '') => {
    const other = shown(name);
    return other === undefined ? mark : other + value;
  });
}
