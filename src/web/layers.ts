// The picture: an image with its prediction, pseudo-label, confidence, Grad-CAM and truth as layers of canvas above it,
// each with its opacity.

import { mapColours, INFERNO, VIRIDIS } from '../report/colormap.ts';
import { colourLabels } from '../report/pictures.ts';

export type LayerName = 'image' | 'truth' | 'prediction' | 'pseudo' | 'confidence' | 'cam';

/** What is known of an image: the image, and what has been made of it so far. */
export interface Picture {
  id: string;
  width: number;
  height: number;
  rgb: Uint8Array;
  truth: Uint8Array | null;
  prediction?: Uint8Array;
  confidence?: Float32Array;
  pseudo?: Uint8Array;
  cam?: Float32Array;
}

interface LayerSpec {
  name: LayerName;
  label: string;
  note: string;
  /** At first: the opacity in percent, 0 for hidden. */
  opacity: number;
}

/** From below to above. */
const LAYERS: readonly LayerSpec[] = [
  { name: 'image', label: 'Image', note: '', opacity: 100 },
  { name: 'truth', label: 'Truth', note: 'trained on in labelled images alone', opacity: 0 },
  { name: 'cam', label: 'Grad-CAM', note: 'evidence for the predicted classes', opacity: 0 },
  { name: 'confidence', label: 'Confidence', note: 'of the prediction', opacity: 0 },
  { name: 'pseudo', label: 'Pseudo-label', note: 'clear where it is not accepted', opacity: 0 },
  { name: 'prediction', label: 'Prediction', note: '', opacity: 60 },
];

interface Layer {
  spec: LayerSpec;
  canvas: HTMLCanvasElement;
  thumb: HTMLCanvasElement;
  row: HTMLElement;
  box: HTMLInputElement;
  slider: HTMLInputElement;
}

const NONE = 255;

/** RGBA of a layer; null where the picture does not have it. */
export function layerPixels(name: LayerName, p: Picture, palette: Uint8Array): Uint8ClampedArray<ArrayBuffer> | null {
  const n = p.width * p.height;
  let rgb: Uint8Array;
  let labels: Uint8Array | null = null;
  if (name === 'image') rgb = p.rgb;
  else if (name === 'confidence' || name === 'cam') {
    const values = p[name];
    if (!values) return null;
    rgb = mapColours(values, name === 'cam' ? INFERNO : VIRIDIS);
  } else {
    labels = p[name] ?? null;
    if (!labels) return null;
    rgb = colourLabels(labels, palette);
  }
  const out = new Uint8ClampedArray(4 * n);
  for (let i = 0; i < n; i++) {
    out[4 * i] = rgb[3 * i];
    out[4 * i + 1] = rgb[3 * i + 1];
    out[4 * i + 2] = rgb[3 * i + 2];
    out[4 * i + 3] = labels?.[i] === NONE ? 0 : 255;
  }
  return out;
}

/** Draws a layer; an absent one is emptied. @returns whether it is there */
export function paint(canvas: HTMLCanvasElement, name: LayerName, p: Picture, palette: Uint8Array): boolean {
  const pixels = layerPixels(name, p, palette);
  canvas.width = p.width;
  canvas.height = p.height;
  if (pixels) canvas.getContext('2d')!.putImageData(new ImageData(pixels, p.width, p.height), 0, 0);
  return pixels !== null;
}

/** The stack of layers, its list of switches, and the line on the pixel under the pointer. */
export class LayerStack {
  private readonly stage: HTMLElement;
  private readonly readout: HTMLElement;
  private readonly cross = document.createElement('span');
  private readonly layers: Layer[];
  private picture: Picture | null = null;
  private palette = new Uint8Array(768);
  private classNames: readonly string[] = [];
  private at: { x: number; y: number } | null = null;

  constructor(stage: HTMLElement, list: HTMLElement, readout: HTMLElement) {
    this.stage = stage;
    this.readout = readout;
    this.layers = LAYERS.map((spec) => this.makeLayer(spec));
    stage.append(...this.layers.map((l) => l.canvas));
    list.append(...this.layers.toReversed().map((l) => l.row));
    this.cross.className = 'cross';
    this.cross.hidden = true;
    stage.append(this.cross);
    stage.addEventListener('pointermove', (event) => this.point(event));
    stage.addEventListener('pointerleave', () => this.moveTo(null));
    stage.addEventListener('keydown', (event) => this.key(event));
    stage.addEventListener('blur', () => this.moveTo(null));
  }

  private makeLayer(spec: LayerSpec): Layer {
    const canvas = document.createElement('canvas');
    const thumb = document.createElement('canvas');
    const row = document.createElement('li');
    const label = document.createElement('label');
    const box = document.createElement('input');
    const slider = document.createElement('input');
    const text = document.createElement('span');
    const only = document.createElement('button');
    canvas.dataset.layer = spec.name;
    row.dataset.layer = spec.name;
    Object.assign(box, { type: 'checkbox', checked: spec.opacity > 0 });
    Object.assign(slider, {
      type: 'range',
      min: '0',
      max: '100',
      step: '5',
      value: String(spec.opacity || 70),
      ariaLabel: `Opacity of ${spec.label}`,
    });
    text.textContent = spec.label;
    if (spec.note) {
      const note = document.createElement('small');
      note.textContent = spec.note;
      text.append(note);
    }
    Object.assign(only, {
      type: 'button',
      className: 'only',
      textContent: 'only',
      ariaLabel: `Show only ${spec.label}`,
    });
    label.append(box, thumb, text);
    row.append(label, only, slider);
    const layer = { spec, canvas, thumb, row, box, slider };
    box.addEventListener('change', () => this.apply(layer));
    slider.addEventListener('input', () => {
      box.checked = Number(slider.value) > 0;
      this.apply(layer);
    });
    only.addEventListener('click', () => this.showOnly(spec.name));
    this.apply(layer);
    return layer;
  }

  private apply({ canvas, box, slider, row }: Layer): void {
    canvas.style.opacity = box.checked ? String(Number(slider.value) / 100) : '0';
    slider.style.setProperty('--value', `${slider.value}%`);
    row.classList.toggle('off', !box.checked);
  }

  /** One layer alone, in full; the image stays below where the layer is transparent. */
  private showOnly(name: LayerName): void {
    for (const layer of this.layers) {
      const own = layer.spec.name === name;
      layer.box.checked = own || layer.spec.name === 'image';
      if (own) layer.slider.value = '100';
      this.apply(layer);
    }
  }

  setClasses(classNames: readonly string[], palette: Uint8Array): void {
    this.classNames = classNames;
    this.palette = Uint8Array.from(palette);
  }

  show(picture: Picture): void {
    this.picture = picture;
    this.stage.style.aspectRatio = `${picture.width} / ${picture.height}`;
    for (const { spec, canvas, thumb, row, box, slider } of this.layers) {
      const there = paint(canvas, spec.name, picture, this.palette);
      paint(thumb, spec.name, picture, this.palette);
      row.classList.toggle('absent', !there);
      box.disabled = slider.disabled = !there;
    }
    this.say();
  }

  private point(event: PointerEvent): void {
    const box = this.stage.getBoundingClientRect();
    const p = this.picture;
    if (!p) return;
    this.moveTo({
      x: Math.floor(((event.clientX - box.left) / box.width) * p.width),
      y: Math.floor(((event.clientY - box.top) / box.height) * p.height),
    });
  }

  private key(event: KeyboardEvent): void {
    const p = this.picture;
    const step = event.shiftKey ? 8 : 1;
    const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (!move || !p) return;
    event.preventDefault();
    const { x, y } = this.at ?? { x: p.width >> 1, y: p.height >> 1 };
    this.moveTo({ x: x + move[0], y: y + move[1] });
  }

  private moveTo(at: { x: number; y: number } | null): void {
    const p = this.picture;
    const within = (v: number, n: number): number => Math.min(Math.max(v, 0), n - 1);
    this.at = at && p ? { x: within(at.x, p.width), y: within(at.y, p.height) } : null;
    this.cross.hidden = !this.at;
    if (this.at && p)
      Object.assign(this.cross.style, {
        left: `${(100 * (this.at.x + 0.5)) / p.width}%`,
        top: `${(100 * (this.at.y + 0.5)) / p.height}%`,
      });
    this.say();
  }

  /** What the layers say of the pixel under the pointer. */
  private say(): void {
    const p = this.picture;
    if (!p || !this.at) {
      this.readout.textContent = p ? 'Point at the picture, or move over it with the arrow keys, to read a pixel.' : '';
      return;
    }
    const i = this.at.y * p.width + this.at.x;
    const name = (labels: Uint8Array): string =>
      labels[i] === NONE ? 'none' : (this.classNames[labels[i]] ?? String(labels[i]));
    const share = (v: number): string => `${(100 * v).toFixed(0)} %`;
    const parts: string[] = [];
    if (p.prediction) parts.push(`predicted ${name(p.prediction)}${p.confidence ? `, ${share(p.confidence[i])}` : ''}`);
    if (p.truth) parts.push(`truth ${name(p.truth)}`);
    if (p.pseudo) parts.push(`pseudo-label ${name(p.pseudo)}`);
    if (p.cam) parts.push(`Grad-CAM ${share(p.cam[i])}`);
    this.readout.textContent = `${this.at.x}, ${this.at.y}: ${parts.join(' · ')}`;
  }
}
