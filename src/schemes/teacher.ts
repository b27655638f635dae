// A teacher whose weights are a moving average of the student's, and the small changes of an image against which
// consistency methods want a prediction to hold.

import { risingDecay } from '../../runtime/optim/ema.ts';
import { noGrad } from '../../runtime/autograd/tape.ts';
import { add, clamp, concat, normal } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { colour } from '../augment/gpu/colour.ts';
import { standardize } from '../augment/gpu/standardize.ts';
import { COLOUR_FIELDS, COLOUR_ROW, drawColour, type ColourOptions } from '../augment/colour.ts';
import { EVAL, type ForwardMode, type Network } from '../nn/module.ts';
import { choice, fields, flag, nullable, number, option, type Option, type Values } from '../options.ts';
import type { Parts, Step } from './define.ts';
import { passGroups, type Groups } from './groups.ts';
import { take } from './views.ts';

/** Options of an averaged teacher. @param decay the default, as published */
export const teacherOptions = (decay: number) => ({
  ema: option(number({ from: 0, below: 1 }), decay, "decay of the teacher's moving average"),
  emaWarmup: option(flag, true, 'the decay starts as 1 - 1 / (step + 1)'),
  teacher: option(
    choice('eval', 'train'),
    'eval',
    'batch normalisation of the teacher: averaged running statistics (eval), or those of its own batches (train)',
  ),
  evaluate: option(choice('teacher', 'student'), 'teacher', 'which of the two is evaluated'),
});
type TeacherOptions = Values<ReturnType<typeof teacherOptions>>;

/** The teacher of a network: its moving average, saved as `teacher`. */
export function teacherOf(parts: Parts, net: Network, o: Omit<TeacherOptions, 'evaluate'>): Network {
  const decay = ({ step }: { step: number }): number => (o.emaWarmup ? risingDecay(step, o.ema) : o.ema);
  return parts.average('teacher', net, decay, { buffers: o.teacher === 'train' ? 'own' : 'ema' });
}

/**
 * A teacher's logits of views; constants. In evaluation mode all views pass at once.
 * @param views standardized images [n, h, w, 3] by letter
 * @param groups views that share the statistics of a batch, where the teacher has its own; null: evaluation mode
 */
export function taught<V extends string>(
  teacher: Network,
  views: Readonly<Record<V, Tensor>>,
  groups: Groups | null,
): Record<V, Tensor> {
  const pass = (x: Tensor, mode: ForwardMode): Tensor => teacher.forward(x, mode);
  if (groups) return noGrad(() => passGroups(pass, views, groups));
  const letters = Object.keys(views) as V[];
  const images = letters.map((v) => views[v]);
  const z = noGrad(() => pass(images.length === 1 ? images[0] : concat(images, 0), EVAL));
  const out = {} as Record<V, Tensor>;
  let first = 0;
  for (const v of letters) {
    out[v] = letters.length === 1 ? z : take(z, first, views[v].shape[0]);
    first += views[v].shape[0];
  }
  return out;
}

/** Options of a view that is changed where it stands: the pixels stay in their places. */
export const perturbationOptions = (noise: number, colours: ColourOptions | null) => ({
  noise: option(number({ from: 0 }), noise, 'standard deviation of the noise added to standardized images'),
  colour: option(
    nullable(fields<ColourOptions>(COLOUR_FIELDS)),
    colours,
    'colour changes of each view; null: none',
  ) as Option<ColourOptions | null, ColourOptions | null>,
});
type Perturbation = Values<ReturnType<typeof perturbationOptions>>;

/** Noise is clipped at twice its deviation, so that no pixel is lost in it. */
const NOISE_LIMIT = 2;

/**
 * A standardized view of an image, with colour changes and noise of its own.
 * @param image [n, h, w, 3] in [0, 1]
 * @param name of the draws: another name gives other draws
 */
export function perturbed(s: Step, image: Tensor, o: Perturbation, name: string): Tensor {
  const n = image.shape[0];
  const changes = o.colour;
  const coloured = changes
    ? colour(
        image,
        s.ctx.input(`${name}.colour`, [n, COLOUR_ROW], 'f32', (at) =>
          drawColour(s.ctx.rng(`${name}.colour`, at), n, changes),
        ),
        { semantics: changes.semantics, blur: (changes.blur ?? 0.5) > 0 },
      )
    : image;
  const x = standardize(coloured);
  if (o.noise === 0) return x;
  const noise = normal(s.ctx.randomSeed(`${name}.noise`), x.shape, { std: o.noise });
  return add(x, clamp(noise, { min: -NOISE_LIMIT * o.noise, max: NOISE_LIMIT * o.noise }));
}
