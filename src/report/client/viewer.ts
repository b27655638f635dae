// Enlarged pictures: a click on a scheme's picture shows all its layers beside image and truth; a click on image or
// truth shows all schemes. All pictures zoom and move together, and the pixel under the pointer is named.

import type { ReportData } from '../html.ts';

const TITLES: Record<string, string> = {
  image: 'Image',
  truth: 'Truth',
  prediction: 'Prediction',
  pseudo: 'Pseudo-label',
  confidence: 'Confidence',
  cam: 'Grad-CAM',
};
const LABELS = ['truth', 'prediction', 'pseudo'];

interface Tile {
  frame: HTMLElement;
  img: HTMLImageElement;
  cross: HTMLElement;
  caption: HTMLElement;
  title: string;
  pixels: ImageData | null;
}

function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  className: string,
  text = '',
): HTMLElementTagNameMap[K] {
  const e = document.createElement(name);
  e.className = className;
  e.textContent = text;
  return e;
}

function pixelsOf(img: HTMLImageElement): ImageData | null {
  const canvas = document.createElement('canvas');
  canvas.width = img.naturalWidth;
  canvas.height = img.naturalHeight;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context || !canvas.width) return null;
  context.drawImage(img, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

export function enlargeShots(data: ReportData): void {
  const rows = [...document.querySelectorAll<HTMLElement>('.shots[data-id]')];
  if (!rows.length) return;
  const dialog = element('dialog', 'viewer');
  const title = element('h3', '');
  const grid = element('div', 'tiles');
  const hint = element(
    'p',
    'muted',
    'Wheel or + and − zoom, drag moves, double-click resets, ← and → change the image.',
  );
  const button = (label: string, text: string, act: () => void): HTMLButtonElement => {
    const b = element('button', '', text);
    b.type = 'button';
    b.ariaLabel = label;
    b.addEventListener('click', act);
    return b;
  };
  const bar = element('div', 'bar');
  bar.append(
    title,
    button('Previous image', '←', () => move(-1)),
    button('Next image', '→', () => move(1)),
    button('Close', '×', () => dialog.close()),
  );
  dialog.append(bar, grid, hint);
  document.body.append(dialog);

  let row = 0;
  let column = 'image';
  let tiles: Tile[] = [];
  let zoom = 1;
  let x = 0;
  let y = 0; // x, y: shift in parts of a tile
  const name = (id: string): string => data.schemes.find((s) => s.id === id)?.name ?? id;

  function place(): void {
    x = Math.min(0, Math.max(1 - zoom, x));
    y = Math.min(0, Math.max(1 - zoom, y));
    for (const { img } of tiles) img.style.transform = `translate(${100 * x}%, ${100 * y}%) scale(${zoom})`;
  }

  function zoomAt(factor: number, px: number, py: number): void {
    const next = Math.min(16, Math.max(1, zoom * factor));
    x = px - ((px - x) * next) / zoom;
    y = py - ((py - y) * next) / zoom;
    zoom = next;
    place();
  }

  function classAt(tile: Tile, u: number, v: number): string {
    if (!tile.pixels) return '';
    const { width, height, data: rgba } = tile.pixels;
    const at = 4 * (Math.min(height - 1, Math.floor(v * height)) * width + Math.min(width - 1, Math.floor(u * width)));
    return data.classes.find(({ colour }) => colour.every((c, i) => c === rgba[at + i]))?.name ?? 'none';
  }

  function point(tile: Tile, event: PointerEvent): void {
    const box = tile.frame.getBoundingClientRect();
    const px = (event.clientX - box.left) / box.width;
    const py = (event.clientY - box.top) / box.height;
    for (const t of tiles) {
      t.cross.style.cssText = `left:${100 * px}%;top:${100 * py}%`;
      t.caption.textContent = t.pixels ? `${t.title}: ${classAt(t, (px - x) / zoom, (py - y) / zoom)}` : t.title;
    }
  }

  function tileOf(shot: HTMLElement, caption: string): Tile {
    const frame = element('div', 'frame');
    const img = shot.querySelector('img')!.cloneNode() as HTMLImageElement;
    const tile: Tile = {
      frame,
      img,
      cross: element('i', 'cross'),
      caption: element('figcaption', '', caption),
      title: caption,
      pixels: null,
    };
    img.removeAttribute('title');
    img.draggable = false;
    frame.style.aspectRatio = shot.style.aspectRatio;
    frame.append(img, tile.cross);
    if (LABELS.includes(shot.dataset.layer!))
      img.decode().then(
        () => (tile.pixels = pixelsOf(img)),
        () => undefined,
      );
    frame.addEventListener(
      'wheel',
      (event) => {
        event.preventDefault();
        const box = frame.getBoundingClientRect();
        zoomAt(
          Math.exp(-event.deltaY / 400),
          (event.clientX - box.left) / box.width,
          (event.clientY - box.top) / box.height,
        );
      },
      { passive: false },
    );
    frame.addEventListener('pointerdown', (event) => frame.setPointerCapture(event.pointerId));
    frame.addEventListener('pointermove', (event) => {
      if (frame.hasPointerCapture(event.pointerId)) {
        x += event.movementX / frame.clientWidth;
        y += event.movementY / frame.clientHeight;
        place();
      }
      point(tile, event);
    });
    frame.addEventListener('dblclick', () => zoomAt(1 / 16, 0, 0));
    return tile;
  }

  function show(): void {
    const shots = [...rows[row].querySelectorAll<HTMLElement>('button.shot')];
    const scheme = column !== 'image' && column !== 'truth';
    const layer = document.querySelector<HTMLInputElement>('.switch input:checked')?.value;
    const chosen = shots.filter(
      (s) =>
        s.dataset.layer === 'image' ||
        s.dataset.layer === 'truth' ||
        (scheme ? s.dataset.column === column : s.dataset.layer === layer),
    );
    title.textContent = `${rows[row].dataset.id} · ${scheme ? name(column) : (TITLES[layer ?? ''] ?? '')}`;
    tiles = chosen.map((s) =>
      tileOf(
        s,
        scheme || s.dataset.layer === 'image' || s.dataset.layer === 'truth'
          ? TITLES[s.dataset.layer!]
          : name(s.dataset.column!),
      ),
    );
    grid.replaceChildren(
      ...tiles.map((t) => {
        const figure = element('figure', '');
        figure.append(t.frame, t.caption);
        return figure;
      }),
    );
    place();
  }

  function move(by: number): void {
    row = (row + by + rows.length) % rows.length;
    show();
  }

  rows.forEach((r, i) =>
    r.addEventListener('click', (event) => {
      const shot = (event.target as Element).closest<HTMLElement>('button.shot');
      if (!shot) return;
      row = i;
      column = shot.dataset.column!;
      zoom = 1;
      show();
      dialog.showModal();
    }),
  );
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  dialog.addEventListener('keydown', (event) => {
    const act: Record<string, () => void> = {
      ArrowLeft: () => move(-1),
      ArrowRight: () => move(1),
      '+': () => zoomAt(1.5, 0.5, 0.5),
      '-': () => zoomAt(1 / 1.5, 0.5, 0.5),
    };
    act[event.key]?.();
  });
}
