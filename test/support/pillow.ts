// Pillow's image operations as its sources compute them, on 8-bit RGB in floating point: the reference of
// shaders/segmentation/randaugment.wgsl.

export interface Picture {
  height: number;
  width: number;
  /** height * width * 3. */
  rgb: Uint8Array;
}

const f32 = Math.fround;
const clip8 = (v: number): number => Math.min(255, Math.max(0, Math.trunc(v)));
const map = (p: Picture, f: (r: number, g: number, b: number, at: number) => readonly number[]): Picture => {
  const rgb = new Uint8Array(p.rgb.length);
  for (let i = 0; i < rgb.length; i += 3) rgb.set(f(p.rgb[i], p.rgb[i + 1], p.rgb[i + 2], i), i);
  return { ...p, rgb };
};
const perChannel = (p: Picture, f: (v: number, c: number, at: number) => number): Picture =>
  map(p, (...v) => [0, 1, 2].map((c) => f(v[c], c, v[3] + c)));

const grey = (r: number, g: number, b: number): number => (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;

/** Image.blend: between the images it truncates, beyond them it clips. */
export function blend(a: Picture, b: Picture, alpha: number): Picture {
  return perChannel(a, (v, _, at) => clip8(f32(v + f32(f32(alpha) * (b.rgb[at] - v)))));
}

export const enhance = {
  color: (p: Picture, f: number) =>
    blend(
      map(p, (r, g, b) => Array<number>(3).fill(grey(r, g, b))),
      p,
      f,
    ),
  contrast: (p: Picture, f: number) => {
    let sum = 0;
    for (let i = 0; i < p.rgb.length; i += 3) sum += grey(p.rgb[i], p.rgb[i + 1], p.rgb[i + 2]);
    const mean = Math.trunc(sum / (p.height * p.width) + 0.5);
    return blend(
      map(p, () => [mean, mean, mean]),
      p,
      f,
    );
  },
  brightness: (p: Picture, f: number) =>
    blend(
      map(p, () => [0, 0, 0]),
      p,
      f,
    ),
  sharpness: (p: Picture, f: number) => blend(smooth(p), p, f),
};

function histogram(p: Picture, c: number): number[] {
  const h = Array<number>(256).fill(0);
  for (let i = c; i < p.rgb.length; i += 3) h[p.rgb[i]]++;
  return h;
}

function byTables(p: Picture, table: (h: number[]) => number[]): Picture {
  const luts = [0, 1, 2].map((c) => table(histogram(p, c)));
  return perChannel(p, (v, c) => clip8(luts[c][v]));
}

/**
 * ImageOps.autocontrast. Pillow multiplies in doubles, which now and then puts an exact level one too low; this has the
 * exact one.
 */
export const autocontrast = (p: Picture): Picture =>
  byTables(p, (h) => {
    const low = h.findIndex((n) => n > 0);
    const high = h.findLastIndex((n) => n > 0);
    return h.map((_, v) => (high > low ? Math.floor(Math.max(0, 255 * (v - low)) / (high - low)) : v));
  });

export const equalize = (p: Picture): Picture =>
  byTables(p, (h) => {
    const present = h.filter((n) => n > 0);
    const step = Math.floor((present.reduce((a, b) => a + b, 0) - present.at(-1)!) / 255);
    if (present.length <= 1 || step === 0) return h.map((_, v) => v);
    let n = Math.floor(step / 2);
    return h.map((count) => {
      const to = Math.floor(n / step);
      n += count;
      return to;
    });
  });

export const invert = (p: Picture): Picture => perChannel(p, (v) => 255 - v);
export const solarize = (p: Picture, threshold: number): Picture => perChannel(p, (v) => (v < threshold ? v : 255 - v));
export const solarizeAdd = (p: Picture, addition: number): Picture =>
  perChannel(p, (v) => (v < 128 ? clip8(v + addition) : v));
export const posterize = (p: Picture, bits: number): Picture => perChannel(p, (v) => v & ~(2 ** (8 - bits) - 1));

/** ImageFilter.Kernel: float32 weights over a square, 0.5 added, borders copied. */
function filter(p: Picture, kernel: readonly number[], scale: number): Picture {
  const size = Math.sqrt(kernel.length);
  const radius = (size - 1) / 2;
  return perChannel(p, (v, c, at) => {
    const j = Math.floor(at / 3) % p.width;
    const i = Math.floor(at / 3 / p.width);
    if (i < radius || j < radius || i >= p.height - radius || j >= p.width - radius) return v;
    let sum = 0.5;
    kernel.forEach(
      (w, k) =>
        (sum = f32(
          sum +
            f32(
              f32(w / scale) * p.rgb[((i + Math.floor(k / size) - radius) * p.width + j + (k % size) - radius) * 3 + c],
            ),
        )),
    );
    return clip8(sum);
  });
}

export const smooth = (p: Picture): Picture => filter(p, [1, 1, 1, 1, 5, 1, 1, 1, 1], 13);
export const blur = (p: Picture): Picture =>
  filter(p, [1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1], 16);

/** A true Gaussian in double precision, borders repeated; not rounded. */
export function gaussian(p: Picture, sigma: number): Float64Array {
  const radius = Math.ceil(3 * sigma);
  const out = new Float64Array(p.rgb.length);
  for (let i = 0; i < p.height; i++) {
    for (let j = 0; j < p.width; j++) {
      const sum = [0, 0, 0];
      let total = 0;
      for (let a = -radius; a <= radius; a++) {
        for (let b = -radius; b <= radius; b++) {
          const w = Math.exp((-0.5 * (a * a + b * b)) / sigma ** 2);
          const at =
            3 * (Math.min(Math.max(i + a, 0), p.height - 1) * p.width + Math.min(Math.max(j + b, 0), p.width - 1));
          for (let c = 0; c < 3; c++) sum[c] += w * p.rgb[at + c];
          total += w;
        }
      }
      out.set(
        sum.map((s) => s / total),
        3 * (i * p.width + j),
      );
    }
  }
  return out;
}

/**
 * Hue moved through Pillow's HSV; levels of hue and saturation are the exact ones (Pillow's float32 can fall one lower
 * at an exact level).
 */
export function hue(p: Picture, turns: number): Picture {
  return map(p, (r, g, b) => {
    const high = Math.max(r, g, b);
    const d = high - Math.min(r, g, b);
    let h = 0;
    let s = 0;
    if (d > 0) {
      const sector = r === high ? (g - b) / d : g === high ? 2 + (b - r) / d : 4 + (r - g) / d;
      h = Math.floor(((sector / 6 + 1) % 1) * 255 + 1e-9);
      s = Math.floor((255 * d) / high + 1e-9);
    }
    h = (h + (Math.trunc(turns * 255) & 255)) & 255;
    if (s === 0) return [high, high, high];
    const i = Math.floor((h * 6) / 255);
    const f = (h * 6) / 255 - i;
    const fs = s / 255;
    const [x, y, z] = [1 - fs, 1 - fs * f, 1 - fs * (1 - f)].map((v) => clip8(Math.round(high * v)));
    return [
      [high, z, x],
      [y, high, x],
      [x, high, z],
      [x, y, high],
      [z, x, high],
      [high, x, y],
    ][i % 6];
  });
}

/**
 * Image.transform(AFFINE, NEAREST): output (x, y) from (a x + b y + c, d x + e y + f) at pixel centres; null outside.
 */
export function affineSource([a, b, c, d, e, f]: readonly number[], height: number, width: number): (number | null)[] {
  const fix = (v: number): number => Math.floor(v * 65536 + 0.5);
  const [A, B, C, D, E, F] = [fix(a), fix(b), fix(c + a / 2 + b / 2), fix(d), fix(e), fix(f + d / 2 + e / 2)];
  return Array.from({ length: height * width }, (_, p) => {
    const x = p % width;
    const y = Math.floor(p / width);
    const u = (C + A * x + B * y) >> 16;
    const v = (F + D * x + E * y) >> 16;
    return u >= 0 && v >= 0 && u < width && v < height ? v * width + u : null;
  });
}

/** The matrix of Image.rotate. */
export function rotation(degrees: number, height: number, width: number): number[] {
  const t = (-degrees * Math.PI) / 180;
  const m = [Math.cos(t), Math.sin(t), 0, -Math.sin(t), Math.cos(t), 0];
  m[2] = m[0] * (-width / 2) + m[1] * (-height / 2) + width / 2;
  m[5] = m[3] * (-width / 2) + m[4] * (-height / 2) + height / 2;
  return m;
}

/**
 * Image.crop(box).resize(size) with one of Pillow's filters; along the lines, rounded to 8 bits, then along the
 * columns.
 */
export function resampled(p: Picture, [y0, x0, y1, x1]: readonly number[], method: string): Uint8Array {
  const sinc = (t: number): number => (t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t));
  const filters: Record<string, [number, (t: number) => number]> = {
    lanczos: [3, (t) => (Math.abs(t) < 3 ? sinc(t) * sinc(t / 3) : 0)],
    bicubic: [
      2,
      (s) => {
        const t = Math.abs(s);
        return t < 1 ? 1.5 * t ** 3 - 2.5 * t ** 2 + 1 : t < 2 ? -0.5 * (t ** 3 - 5 * t ** 2 + 8 * t - 4) : 0;
      },
    ],
    bilinear: [1, (t) => Math.max(0, 1 - Math.abs(t))],
    box: [0.5, (t) => (t > -0.5 && t <= 0.5 ? 1 : 0)],
    hamming: [1, (t) => (Math.abs(t) < 1 ? sinc(t) * (0.54 + 0.46 * Math.cos(Math.PI * t)) : 0)],
  };
  const [reach, weigh] = filters[method];
  const along = (at: number, from: number, to: number): [number, number][] => {
    const centre = ((at + 0.5) * from) / to;
    const low = Math.max(0, Math.trunc(centre - reach + 0.5));
    const high = Math.min(from, Math.trunc(centre + reach + 0.5));
    const raw = Array.from({ length: high - low }, (_, k): [number, number] => [
      low + k,
      weigh(low + k + 0.5 - centre),
    ]);
    const total = raw.reduce((s, [, w]) => s + w, 0);
    return raw.map(([k, w]) => [k, w / total]);
  };
  const round = (v: number): number => Math.min(255, Math.max(0, Math.floor(v + 0.5)));
  const out = new Uint8Array(p.rgb.length);
  for (let j = 0; j < p.width; j++) {
    const weights = along(j, x1 - x0, p.width);
    const column = Array.from({ length: y1 - y0 }, (_, a) =>
      [0, 1, 2].map((c) =>
        round(weights.reduce((s, [b, w]) => s + w * p.rgb[((y0 + a) * p.width + x0 + b) * 3 + c], 0)),
      ),
    );
    for (let i = 0; i < p.height; i++) {
      const mixed = along(i, y1 - y0, p.height);
      for (let c = 0; c < 3; c++)
        out[(i * p.width + j) * 3 + c] = round(mixed.reduce((s, [a, w]) => s + w * column[a][c], 0));
    }
  }
  return out;
}
