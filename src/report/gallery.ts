// The side-by-side pictures of the report: rows are images, columns are image, truth and schemes; a switch chooses the
// layer of the schemes.

import { escapeHtml as h } from './escape.ts';
import { colourSlot, schemeName } from './schemes.ts';
import { swatch } from './tables.ts';
import type { Comparison, Picture } from '../train/records.ts';

const LAYERS = [
  ['prediction', 'Prediction'],
  ['pseudo', 'Pseudo-label'],
  ['confidence', 'Confidence'],
  ['cam', 'Grad-CAM'],
] as const;
const NOTES: Record<string, string> = {
  prediction: '',
  pseudo: 'cream: not accepted',
  confidence: '<span class="ramp viridis"></span> unsure to sure',
  cam: '<span class="ramp inferno"></span> little to much evidence',
};

/** Only PNG in place: a report never reaches for the network. */
const inline = (url: string | undefined): string | undefined =>
  url && /^data:image\/png;base64,[A-Za-z0-9+/=]+$/.test(url) ? url : undefined;

/** The class colours, for all pictures and matrices. */
export function classLegend(classNames: readonly string[], palette: readonly (readonly number[])[]): string {
  return `<ul class="classes">${classNames.map((name, c) => `<li>${swatch(palette, c)}${h(name)}</li>`).join('')}</ul>`;
}

/** The pictures of each scheme's first run that has any; empty where no run has. */
export function gallery({ runs }: Comparison): string {
  const schemes = [...new Set(runs.map((r) => r.scheme))];
  const shown = schemes.flatMap((s) => runs.find((r) => r.scheme === s && r.pictures.length) ?? []);
  if (!shown.length) return '';
  const names = shown.map((r) => r.scheme);
  const ids = [...new Set(shown.flatMap((r) => r.pictures.map((p) => p.id)))];
  const layers = LAYERS.filter(([layer]) => shown.some((r) => r.pictures.some((p) => inline(p.layers[layer]))));
  const seeds = [...new Set(shown.map((r) => r.seed))];
  const figure = (
    p: Picture | undefined,
    layer: keyof Picture['layers'],
    column: string,
    caption: string,
    alt: string,
  ): string => {
    const url = inline(p?.layers[layer]);
    const size = p ? ` style="aspect-ratio:${Number(p.width) || 1}/${Number(p.height) || 1}"` : '';
    return url
      ? `<button type="button" class="shot" data-column="${h(column)}" data-layer="${layer}"${size}><img ` +
          `src="${url}" alt="${h(alt)}" title="${h(caption)}"></button>`
      : `<span class="shot none" data-layer="${layer}"${size}>none</span>`;
  };
  const row = (id: string): string => {
    const own = shown.map((r) => r.pictures.find((p) => p.id === id));
    const any = own.find((p) => p)!;
    const cells = shown.map((r, i) => {
      const name = schemeName(r.scheme);
      return (
        '<figure>' +
        layers
          .map(([layer, label]) => figure(own[i], layer, r.scheme, `${name}: ${label}`, `${id}: ${label} of ${name}`))
          .join('') +
        `<figcaption ` +
        `style="--c:var(--s${colourSlot(r.scheme, names)})">${h(name)}</figcaption></figure>`
      );
    });
    return (
      `<div class="shots" data-id="${h(id)}"><figure>` +
      `${figure(any, 'image', 'image', 'Image', `${id}: image`)}<figcaption>Image</figcaption></figure>` +
      `<figure>${figure(any, 'truth', 'truth', 'Truth', `${id}: truth`)}<figcaption>Truth</figcaption>` +
      `</figure>${cells.join('')}</div>`
    );
  };
  const head =
    '<div class="shots head" aria-hidden="true"><span>Image</span><span>Truth</span>' +
    `${names.map((s) => `<span style="--c:var(--s${colourSlot(s, names)})">${h(schemeName(s))}</span>`).join('')}</div>`;
  const choice = layers
    .map(
      ([layer, label], i) =>
        `<input type="radio" name="layer" id="layer-${layer}" value="${layer}"${i ? '' : ' checked'}><label ` +
        `for="layer-${layer}">${label}</label>`,
    )
    .join('');
  const notes = layers.map(([layer]) => `<span class="note" data-layer="${layer}">${NOTES[layer]}</span>`).join('');
  return `<div class="gallery" style="--columns:${names.length + 2}"><div class="bar">
<div class="switch" role="radiogroup" aria-label="Layer">${choice}</div>${notes}
<span class="muted right">seed ${seeds.join(', ')}; a click enlarges</span></div>
<div class="scroll" tabindex="0">${head}${ids.map(row).join('\n')}</div></div>`;
}
