// Watches training steps for non-finite losses, gradient norms and weights, on the GPU and as part of their plan. The
// state keeps the first such step: the host reads it together with the losses, every few steps, and names it exactly.

import type { Device } from '../../runtime/device/device.ts';
import { SEGMENTATION } from '../../runtime/kernel/generated.ts';
import type { Tensor } from '../../runtime/tensor.ts';

/** Tensors with their names, for messages. */
export type Named = readonly [name: string, tensor: Tensor];

/** The first step with a non-finite value. */
export interface Bad {
  /** Counted from 1, over the steps that were watched. */
  step: number;
  /** 'scale': gradients keep overflowing f16 although the loss scale is at its minimum. */
  kind: 'loss' | 'gradient' | 'weight' | 'scale';
  /** Index of the loss among the losses of the step. */
  loss?: number;
  /** The weight, or the first non-finite gradient; absent if every gradient is finite and only their norm is not. */
  name?: string;
}

/** Tensors per launch of the kernel. */
const TOGETHER = 5;
/** As in the kernel. */
const LANES = 64;
const MOST_GROUPS = 256;
const STATE_WORDS = 8;
const KINDS = ['loss', 'gradient', 'weight', 'scale'] as const;

/** Workgroups for n elements. */
function groupsOf(n: number): number {
  const items = Math.max(1, Math.ceil(n / (LANES * MOST_GROUPS)));
  return Math.ceil(n / (LANES * items));
}

/** Arguments of a launch. */
interface Launched {
  bindings: Record<string, Tensor>;
  n: number[];
  first: number;
  groups: number;
}

/** Splits the tensors into launches. */
function launches(named: readonly Named[], first: number): Launched[] {
  const made: Launched[] = [];
  for (let i = 0; i < named.length; i += TOGETHER) {
    const some = named.slice(i, i + TOGETHER).map(([, t]) => t);
    const n = Array.from({ length: TOGETHER }, (_, k) => some[k]?.size ?? 0);
    const bindings = Object.fromEntries([...'abcde'].map((letter, k) => [letter, some[k] ?? some[0]]));
    made.push({ bindings, n, first: first + i, groups: n.reduce((sum, size) => sum + groupsOf(size), 0) });
  }
  return made;
}

/**
 * A watch over the steps of one plan.
 * @example
 * const watch = new Watch(device);
 * // while the plan is recorded
 * watch.gradients(named, hyper);
 * optimizer.step(grads, hyper);
 * watch.finish(losses, weights);
 * // after some replays
 * const bad = watch.first(await watch.state.read());
 */
export class Watch {
  /** u32 [8], for {@link first}. It outlives scopes and plans. */
  readonly state: Tensor;
  readonly #device: Device;
  readonly #gradients: string[] = [];
  #weights: string[] = [];

  constructor(device: Device) {
    this.#device = device;
    this.state = device.keep(device.tensor(new Uint32Array(STATE_WORDS), [STATE_WORDS]));
  }

  /**
   * Watches the gradients of one update, and their norm taken together. An update that a loss scaler skips is
   * not a failure.
   * @param gradients f32
   * @param hyper the hyper-parameters of the optimiser; its gradient scale applies to the norm
   * @param scale the loss scale, f32 [], in mixed precision
   */
  gradients(gradients: readonly Named[], hyper: Tensor, scale?: Tensor): void {
    const device = this.#device;
    const watched = gradients.filter(([, t]) => t.size > 0);
    if (watched.length === 0) return;
    const all = launches(watched, this.#gradients.length);
    this.#gradients.push(...watched.map(([name]) => name));
    const partials = device.empty([all.reduce((sum, l) => sum + l.groups, 0)], 'f32', 'watch');
    let part = 0;
    for (const { bindings, n, first, groups } of all) {
      device.run({
        shaders: SEGMENTATION,
        shader: 'watch',
        entry: 'gradients',
        bindings: { ...bindings, hyper, partials, state: this.state },
        params: { n: n.slice(0, 4), last: n[4], first, part },
        groups: [groups, 1, 1],
      });
      part += groups;
    }
    device.run({
      shaders: SEGMENTATION,
      shader: 'watch',
      entry: 'norm',
      constants: { SCALED: scale !== undefined },
      bindings: { a: scale ?? hyper, hyper, partials, state: this.state },
      params: { n: [0, 0, 0, 0], last: 0, first: 0, part },
      groups: [1, 1, 1],
    });
    partials.dispose();
  }

  /**
   * Watches the weights after the update, and ends the step. Call it once per step, last.
   * @param losses f32 [n]
   * @param weights f32, with the names for {@link Bad}
   */
  finish(losses: Tensor, weights: readonly Named[]): void {
    const device = this.#device;
    const watched = weights.filter(([, t]) => t.size > 0);
    this.#weights = watched.map(([name]) => name);
    for (const { bindings, n, first, groups } of launches(watched, 0)) {
      device.run({
        shaders: SEGMENTATION,
        shader: 'watch',
        entry: 'weights',
        bindings: { ...bindings, state: this.state },
        params: { n: n.slice(0, 4), last: n[4], first, part: 0 },
        groups: [groups, 1, 1],
      });
    }
    device.run({
      shaders: SEGMENTATION,
      shader: 'watch',
      entry: 'finish',
      bindings: { a: losses, state: this.state },
      params: { n: [losses.size, 0, 0, 0], last: 0, first: 0, part: 0 },
      groups: [1, 1, 1],
    });
  }

  /**
   * The first step with a non-finite value, or null.
   * @param state the elements of `state`
   */
  first(state: ArrayLike<number>): Bad | null {
    const [, step, kind, index] = Array.from(state);
    if (step === 0) return null;
    const bad: Bad = { step, kind: KINDS[kind - 1] };
    if (bad.kind === 'loss') bad.loss = index;
    else if (bad.kind === 'weight') bad.name = this.#weights[index];
    else if (bad.kind === 'gradient') bad.name = this.#gradients[index];
    return bad;
  }

  /** Frees the state. */
  dispose(): void {
    this.state.dispose();
  }
}
