// The built-in data set: scenes of textured, overlapping, partly occluded objects under varying light. Made from a
// seed, of any size.
// A class has its hue and its texture, large enough to be told apart at 48x64. Light, colour cast, shadows and
// neighbours hide them, so that a few labelled scenes do not show what a class may look like, and many scenes do.

import { DataError, UsageError } from '../../runtime/errors.ts';
import { Rng } from '../../runtime/random.ts';
import type { Dataset, Sample } from './types.ts';

export const SYNTHETIC_CLASSES = ['ground', 'striped', 'checked', 'spotted', 'shaded'] as const;

export interface SyntheticOptions {
  seed?: number;
  width?: number;
  height?: number;
  /** Images of the training pool, of it with labels (default: a tenth, at most 24), and of the two held-out sets. */
  train?: number;
  labelled?: number;
  val?: number;
  test?: number;
  /**
   * Which images of the pool have labels: the first ones for 0 (the default), else drawn by this seed; more of them
   * include fewer.
   */
  splitSeed?: number;
}

const STREAMS = { train: 11, val: 12, test: 13 } as const;

/** Values on a coarse lattice, interpolated: smooth noise in [0, 1]. */
function lattice(rng: Rng, cells: number): (u: number, v: number) => number {
  const n = cells + 2;
  const values = Float32Array.from({ length: n * n }, () => rng.uniform());
  const ease = (t: number): number => t * t * (3 - 2 * t);
  return (u, v) => {
    const x = u * cells;
    const y = v * cells;
    const i = Math.floor(x);
    const j = Math.floor(y);
    const fx = ease(x - i);
    const fy = ease(y - j);
    const at = j * n + i;
    const a = values[at] + (values[at + 1] - values[at]) * fx;
    const b = values[at + n] + (values[at + n + 1] - values[at + n]) * fx;
    return a + (b - a) * fy;
  };
}

type Colour = [number, number, number];

/** Saturation of the ground, and of things. */
const MUTED = [0.05, 0.25] as const;
const BRIGHT = [0.4, 0.8] as const;
/** Turns between the hues of two classes, and how far a thing's hue is from that of its class (standard deviation). */
const HUE_STEP = 0.25;
const HUE_SPREAD = 0.04;
/** Half the longer side of a thing, and the period of its texture, as shares of the shorter side of the image. */
const SIZE = [0.2, 0.38] as const;
const PERIOD = [0.11, 0.16] as const;

/** A colour around a hue (in turns). */
function colourOf(rng: Rng, hue: number, saturation: readonly [number, number]): Colour {
  const h = hue + HUE_SPREAD * rng.normal();
  const s = rng.uniform(...saturation);
  const v = rng.uniform(0.35, 0.85);
  const channel = (shift: number): number =>
    v * (1 - s * Math.min(Math.max(Math.abs(((((h + shift) % 1) + 1) % 1) * 6 - 3) - 1, 0), 1) * 0.9);
  return [channel(0), channel(1 / 3), channel(2 / 3)];
}

interface Thing {
  kind: number;
  x: number;
  y: number;
  /** Half axes in pixels. */
  a: number;
  b: number;
  cos: number;
  sin: number;
  /** Exponent of the outline: 2 an ellipse, more a box. */
  power: number;
  wobble: [amplitude: number, count: number, phase: number];
  dark: Colour;
  light: Colour;
  period: number;
  phase: number;
}

function makeThing(rng: Rng, width: number, height: number): Thing {
  const kind = 1 + rng.int(SYNTHETIC_CLASSES.length - 1);
  const side = Math.min(width, height);
  const size = side * rng.uniform(...SIZE);
  const aspect = rng.uniform(0.5, 1);
  const turn = rng.uniform(0, Math.PI * 2);
  const base = colourOf(rng, kind * HUE_STEP, BRIGHT);
  const contrast = rng.uniform(0.35, 0.65);
  return {
    kind,
    x: rng.uniform(-0.05, 1.05) * width,
    y: rng.uniform(0, 1.05) * height,
    a: size,
    b: size * aspect,
    cos: Math.cos(turn),
    sin: Math.sin(turn),
    power: kind === 2 ? rng.uniform(2.5, 6) : rng.uniform(1.8, 3),
    wobble: [rng.uniform(0.02, 0.14), 2 + rng.int(5), rng.uniform(0, 7)],
    dark: base.map((c) => c * (1 - contrast)) as Colour,
    light: base.map((c) => Math.min(1, c * (1 + 0.5 * contrast))) as Colour,
    period: side * rng.uniform(...PERIOD),
    phase: rng.uniform(0, 7),
  };
}

/** How far out a point lies: below 1 inside the outline. */
function outness(t: Thing, u: number, v: number): number {
  const p = Math.abs(u / t.a);
  const q = Math.abs(v / t.b);
  const [amplitude, count, phase] = t.wobble;
  // The exponent is above 1, so that max(p, q) <= r: most points are outside without a power or an angle.
  if (p >= 1 + amplitude || q >= 1 + amplitude) return Infinity;
  const r = (p ** t.power + q ** t.power) ** (1 / t.power);
  if (r >= 1 + amplitude) return Infinity;
  return r / (1 + amplitude * Math.sin(count * Math.atan2(v, u) + phase));
}

/** Share of the light colour at a point of a thing: its texture. */
function texture(t: Thing, u: number, v: number, out: number): number {
  const k = (2 * Math.PI) / t.period;
  if (t.kind === 1) return 0.5 + 0.5 * Math.tanh(3 * Math.sin(k * u + t.phase));
  if (t.kind === 2) return 0.5 + 0.5 * Math.tanh(5 * Math.sin(0.7 * k * u + t.phase) * Math.sin(0.7 * k * v + t.phase));
  if (t.kind === 3) {
    const p = t.period * 1.1;
    const i = Math.floor(v / p);
    const du = (u + (i % 2 ? p / 2 : 0)) / p;
    const dv = v / p;
    return Math.hypot(du - Math.floor(du) - 0.5, dv - i - 0.5) < 0.3 ? 1 : 0;
  }
  return Math.sqrt(Math.max(0, 1 - out * out));
}

/** Draws scene `index` of a split. */
export function drawScene(
  seed: number,
  stream: number,
  index: number,
  width: number,
  height: number,
): { rgb: Uint8Array; labels: Uint8Array } {
  const rng = new Rng(seed, stream, index);
  const things = Array.from({ length: 3 + rng.int(4) }, () => makeThing(rng, width, height)).sort(
    (p, q) => p.y + p.b - q.y - q.b,
  );
  const coarse = lattice(rng, 4);
  const middle = lattice(rng, 14);
  const fine = lattice(rng, 45);
  const shade = lattice(rng, 3);
  const ground = [colourOf(rng, rng.uniform(), MUTED), colourOf(rng, rng.uniform(), MUTED)];
  const lightAngle = rng.uniform(0, Math.PI * 2);
  const lightDepth = rng.uniform(0, 0.45);
  const gain = rng.uniform(0.6, 1.15);
  const noise = rng.uniform(0.01, 0.05);
  const cast: Colour = [rng.uniform(0.85, 1.15), rng.uniform(0.85, 1.15), rng.uniform(0.85, 1.15)];
  const shadow = [Math.cos(lightAngle) * 0.06 * height, Math.sin(lightAngle) * 0.06 * height];
  const grain = Float32Array.from({ length: 1024 }, () => rng.normal());
  const rgb = new Uint8Array(width * height * 3);
  const labels = new Uint8Array(width * height);
  const lightX = Math.cos(lightAngle);
  const lightY = Math.sin(lightAngle);
  const reach = things.map((t) => t.a * 1.5 + Math.abs(shadow[0]) + Math.abs(shadow[1]));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const p = y * width + x;
      const s = x / width;
      const q = y / height;
      // The last thing that covers the pixel is seen; shadows of later ones fall on it. From behind: what is covered is
      // not computed.
      let seen: Thing | null = null;
      let u = 0;
      let v = 0;
      let out = 0;
      let dim = 1;
      for (let k = things.length - 1; k >= 0; k--) {
        const t = things[k];
        const dx = x - t.x;
        const dy = y - t.y;
        if (dx * dx + dy * dy > reach[k] * reach[k]) continue;
        u = dx * t.cos + dy * t.sin;
        v = dy * t.cos - dx * t.sin;
        out = outness(t, u, v);
        if (out < 1) {
          seen = t;
          break;
        }
        if (dim === 1) {
          const ex = dx - shadow[0];
          const ey = dy - shadow[1];
          if (outness(t, ex * t.cos + ey * t.sin, ey * t.cos - ex * t.sin) < 1) dim = 0.6;
        }
      }
      const dark = seen ? seen.dark : ground[0];
      const bright = seen ? seen.light : ground[1];
      const w = seen ? texture(seen, u, v, out) : 0.5 * coarse(s, q) + 0.3 * middle(s, q) + 0.2 * fine(s, q);
      const light =
        gain *
        dim *
        (1 - lightDepth * (0.5 + 0.5 * ((s - 0.5) * lightX + (q - 0.5) * lightY) * 1.6)) *
        (0.75 + 0.5 * shade(s, q));
      for (let c = 0; c < 3; c++) {
        const value =
          (dark[c] + (bright[c] - dark[c]) * w) * light * cast[c] +
          noise * grain[(p * 7 + c * 131 + ((p * 2654435761) >>> 22)) & 1023];
        rgb[3 * p + c] = Math.min(255, Math.max(0, Math.round(255 * value)));
      }
      labels[p] = seen ? seen.kind : 0;
    }
  }
  return { rgb, labels };
}

const settle = ({
  seed = 0,
  width = 128,
  height = 96,
  train = 240,
  labelled = Math.min(24, Math.max(1, Math.round(train / 10))),
  val = 48,
  test = 96,
  splitSeed = 0,
}: SyntheticOptions) => ({ seed, width, height, train, labelled, val, test, splitSeed });

/** What the scene of an id is drawn from. @throws DataError for an id that is not of this set */
export function sceneOf(
  id: string,
  options: SyntheticOptions = {},
): { seed: number; stream: number; index: number; width: number; height: number } {
  const o = settle(options);
  const [split, index] = id.split('-') as [keyof typeof STREAMS, string];
  if (!(split in STREAMS) || !(Number(index) < o[split]))
    throw new DataError(`there is no image "${id}" in the built-in set`);
  return { seed: o.seed, stream: STREAMS[split], index: Number(index), width: o.width, height: o.height };
}

/**
 * Enough images to contain every class: each class is in two thirds of them. No more are drawn to find their classes.
 */
const ENOUGH = 16;

/**
 * The order in which images are labelled: as it is, but of the first ones that show every class between them those that
 * add most go first.
 */
function coveringFirst(
  order: readonly string[],
  count: number,
  classesOf: (id: string) => Iterable<number>,
): readonly string[] {
  if (count >= ENOUGH) return order;
  const shown = new Map<string, Set<number>>();
  const seen = new Set<number>();
  for (const id of order.slice(0, ENOUGH)) {
    if (seen.size === SYNTHETIC_CLASSES.length) break;
    shown.set(id, new Set(classesOf(id)));
    for (const c of shown.get(id)!) seen.add(c);
  }
  if (shown.size <= count) return order;
  const first: string[] = [];
  const rest = [...shown.keys()];
  while (rest.length > 0) {
    const added = rest.map((id) => [...shown.get(id)!].filter((c) => !first.some((f) => shown.get(f)!.has(c))).length);
    first.push(...rest.splice(added.indexOf(Math.max(...added)), 1));
  }
  return [...first, ...order.slice(first.length)];
}

/**
 * The built-in data set: ground and five kinds of things. An id is the name of its split and an index. The labelled
 * images show every class where so many can.
 * @throws UsageError for more labelled images than there are
 * @example const data = createSynthetic({ seed: 0, width: 128, height: 96, train: 400, labelled: 40 });
 */
export function createSynthetic(options: SyntheticOptions = {}): Dataset {
  const { width, height, train, labelled, val, test, splitSeed } = settle(options);
  if (labelled > train)
    throw new UsageError(`${labelled} labelled of ${train} training images`, 'label at most as many as there are');
  const names = (split: string, n: number): string[] => Array.from({ length: n }, (_, i) => `${split}-${i}`);
  const pool = names('train', train);
  const load = (id: string): { rgb: Uint8Array; labels: Uint8Array } => {
    const { seed, stream, index } = sceneOf(id, options);
    return drawScene(seed, stream, index, width, height);
  };
  const order = coveringFirst(
    splitSeed === 0 ? pool : new Rng(splitSeed, 14).shuffle(pool),
    labelled,
    (id) => load(id).labels,
  );
  const lists: Record<string, readonly string[]> = {
    train: pool,
    labelled: order.slice(0, labelled),
    unlabelled: order.slice(labelled),
    val: names('val', val),
    test: names('test', test),
  };
  const palette = new Uint8Array(768);
  palette.set([110, 110, 110, 230, 85, 65, 60, 140, 220, 240, 190, 60, 90, 180, 100, 170, 100, 200]);
  return {
    name: 'synthetic',
    numClasses: SYNTHETIC_CLASSES.length,
    classNames: [...SYNTHETIC_CLASSES],
    palette,
    ids: (split) => [...lists[split]],
    async load(id, { labels }): Promise<Sample> {
      const scene = load(id);
      return { id, width, height, rgb: scene.rgb, labels: labels ? scene.labels : null };
    },
    async maxSize() {
      return [height, width];
    },
    async close() {},
  };
}
