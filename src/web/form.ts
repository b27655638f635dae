// The form of settings: its schemes, and what it says.

import type { SchemeInfo } from './protocol.ts';
import type { RunSettings } from './settings.ts';

/** An element of the page by its id. */
export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

export function enabled(id: string, on: boolean): void {
  element<HTMLButtonElement>(id).disabled = !on;
}

const FIRST = 'fixmatch';

/** Fills in the choice of schemes. */
export function showSchemes(form: HTMLFormElement, schemes: readonly SchemeInfo[]): void {
  element('schemes').replaceChildren(...schemes.map(({ name, title: shown, about }, slot) => {
    const label = document.createElement('label'), input = document.createElement('input'), title = document.createElement('b'), text = document.createElement('small');
    Object.assign(input, { type: 'radio', name: 'scheme', value: name, checked: name === FIRST });
    // The report has the same colours.
    label.style.setProperty('--c', `var(--s${slot})`);
    title.textContent = shown;
    text.textContent = about;
    label.append(input, title, text);
    return label;
  }));
  const follow = (): void => {
    const label = form.querySelector<HTMLElement>('.fixmatch')!;
    label.hidden = new FormData(form).get('scheme') !== 'fixmatch';
    // What is hidden is not checked.
    label.querySelector('input')!.disabled = label.hidden;
  };
  element('schemes').addEventListener('change', follow);
  follow();
}

export function readSettings(form: HTMLFormElement): RunSettings {
  const values = new FormData(form), value = (name: string): number => Number(values.get(name));
  const [height, width] = String(values.get('size')).split('x').map(Number);
  return {
    scheme: String(values.get('scheme')), width: value('width'), steps: value('steps'), labelled: value('labelled'), unlabelled: value('unlabelled'), size: [height, width],
    batch: value('batch'), lr: value('lr'), seed: value('seed'), threshold: value('threshold'),
  };
}

/** Settings that a software adapter can train in minutes, where nobody has chosen others. @returns whether anything changed */
export function useSmallSettings(form: HTMLFormElement): boolean {
  const small: Record<string, string> = { width: '8', size: '48x64', steps: '200', batch: '4', unlabelled: '60' };
  const fields = [...form.elements].filter((e): e is HTMLInputElement | HTMLSelectElement => e instanceof HTMLInputElement || e instanceof HTMLSelectElement);
  const touched = fields.some((f) => (f instanceof HTMLInputElement ? f.type === 'number' && f.value !== f.defaultValue : !f.selectedOptions[0].defaultSelected));
  if (touched) return false;
  for (const f of fields) if (f.name in small) f.value = small[f.name];
  return true;
}
