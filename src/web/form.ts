// The form of settings: its schemes, and what it says.

import type { Asked, NetworkInfo, SchemeInfo } from './protocol.ts';
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

let known: readonly SchemeInfo[] = [];

/** Fills in the choice of schemes, and the options of the one that is chosen. */
export function showSchemes(form: HTMLFormElement, schemes: readonly SchemeInfo[], first: string): void {
  known = schemes;
  element('schemes').replaceChildren(
    ...schemes.map(({ name, title: shown, about }, slot) => {
      const label = document.createElement('label');
      const input = document.createElement('input');
      const title = document.createElement('b');
      const text = document.createElement('small');
      Object.assign(input, { type: 'radio', name: 'scheme', value: name, checked: name === first });
      // The report has the same colours.
      label.style.setProperty('--c', `var(--s${slot})`);
      title.textContent = shown;
      text.textContent = about;
      label.append(input, title, text);
      return label;
    }),
  );
  const follow = (): void =>
    element('options').replaceChildren(...(chosen(form)?.options ?? []).map((o) => field('option', o)));
  element('schemes').addEventListener('change', follow);
  follow();
}

let networks: readonly NetworkInfo[] = [];

/** Fills in the choice of networks, and the options of the one that is chosen. */
export function showNetworks(form: HTMLFormElement, offered: readonly NetworkInfo[], first: string): void {
  networks = offered;
  const select = element<HTMLSelectElement>('network');
  select.replaceChildren(...offered.map(({ name, title }) => new Option(title, name, name === first, name === first)));
  const follow = (): void => {
    const network = chosenNetwork(form);
    select.title = network?.about ?? '';
    element('network-options').replaceChildren(...(network?.options ?? []).map((o) => field('network', o)));
  };
  select.addEventListener('change', follow);
  follow();
}

/** The network that is chosen. */
const chosenNetwork = (form: HTMLFormElement): NetworkInfo | undefined =>
  networks.find((n) => n.name === new FormData(form).get('network'));

/** The scheme that is chosen. */
const chosen = (form: HTMLFormElement): SchemeInfo | undefined =>
  known.find((s) => s.name === new FormData(form).get('scheme'));

/** A field for an option. @param of what the option belongs to */
function field(of: 'option' | 'network', option: Asked): HTMLElement {
  const { input, value, name, about } = option;
  const label = document.createElement('label');
  label.title = about;
  label.append(name);
  const shown = `${of}.${name}`;
  if (input.type === 'choice') {
    const select = document.createElement('select');
    select.name = shown;
    select.append(...input.values.map((v) => new Option(String(v), String(v), v === value, v === value)));
    label.append(select);
  } else {
    const box = document.createElement('input');
    box.name = shown;
    if (input.type === 'flag') Object.assign(box, { type: 'checkbox', defaultChecked: value });
    else
      Object.assign(box, {
        type: 'number',
        min: input.min ?? '',
        max: input.max ?? '',
        step: input.whole ? '1' : 'any',
        defaultValue: String(value),
        required: true,
      });
    label.append(box);
  }
  return label;
}

/** The value of an option's field. */
function valueOf(of: 'option' | 'network', option: Asked, values: FormData): unknown {
  const given = values.get(`${of}.${option.name}`);
  const { input } = option;
  if (input.type === 'flag') return given !== null;
  return input.type === 'number' ? Number(given) : input.values.find((v) => String(v) === given);
}

export function readSettings(form: HTMLFormElement): RunSettings {
  const values = new FormData(form);
  const value = (name: string): number => Number(values.get(name));
  const [height, width] = String(values.get('size')).split('x').map(Number);
  const given = (of: 'option' | 'network', asked: readonly Asked[] = []): Record<string, unknown> =>
    Object.fromEntries(asked.map((o) => [o.name, valueOf(of, o, values)]));
  const network = chosenNetwork(form);
  return {
    scheme: String(values.get('scheme')),
    network: { kind: network?.name ?? '', ...given('network', network?.options) },
    steps: value('steps'),
    labelled: value('labelled'),
    unlabelled: value('unlabelled'),
    size: [height, width],
    batch: value('batch'),
    optimizer: values.get('optimizer') as RunSettings['optimizer'],
    lr: value('lr'),
    seed: value('seed'),
    options: given('option', chosen(form)?.options),
  };
}

/**
 * Settings that a software adapter can train in minutes, where nobody has chosen others.
 * @returns whether anything changed
 */
export function useSmallSettings(form: HTMLFormElement): boolean {
  const small: Record<string, string> = {
    'network.width': '8',
    'network.depth': '3',
    size: '48x64',
    steps: '600',
    batch: '4',
    unlabelled: '156',
  };
  const fields = [...form.elements].filter(
    (e): e is HTMLInputElement | HTMLSelectElement => e instanceof HTMLInputElement || e instanceof HTMLSelectElement,
  );
  const touched = fields.some((f) =>
    f instanceof HTMLInputElement
      ? f.type === 'number' && f.value !== f.defaultValue
      : !f.selectedOptions[0].defaultSelected,
  );
  if (touched) return false;
  for (const f of fields) if (f.name in small) f.value = small[f.name];
  return true;
}
