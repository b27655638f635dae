// Which views pass a network together, and so share the statistics of batch normalisation. This is part of a method;
// every scheme declares it in the same way.

import { noGrad } from '../../runtime/autograd/tape.ts';
import { concat, split } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { isObject, option, refuse, type Kind, type Option } from '../options.ts';
import { EVAL, TRAIN, type ForwardMode, type Network } from '../nn/module.ts';
import { take } from './views.ts';

/** Views that pass together. With `update` false the running statistics stay as they are. */
export interface Group {
  readonly views: readonly string[];
  readonly update: boolean;
}

/** Passes, in their order. A view that is in none passes with the running statistics. */
export type Groups = readonly Group[];

/** As they are given: lists of views, or lists with what else there is to say. */
export type GivenGroups = readonly (
  readonly string[] | { readonly views: readonly string[]; readonly update?: boolean }
)[];

const filled = (groups: GivenGroups): Groups =>
  groups.map((g) => ('views' in g ? { views: g.views, update: g.update ?? true } : { views: g, update: true }));

/**
 * The option `groups` of a scheme.
 * @param views letters of the views, and what each is; a view may be left out of the groups where `optional` says so
 * @param named groups with a name
 * @param usual the name of the default
 */
export function groupsOption<N extends string>(
  views: Readonly<Record<string, string>>,
  named: Readonly<Record<N, GivenGroups>>,
  usual: NoInfer<N>,
  optional: readonly string[] = [],
): Option<Groups, N | GivenGroups> {
  const names = Object.keys(named)
    .map((n) => JSON.stringify(n))
    .join(', ');
  const letters = Object.keys(views).join(', ');
  const fits = `${names}, or lists of the views ${letters} that pass together, such as ${JSON.stringify(named[usual])}`;
  const known = (list: unknown): list is string[] =>
    Array.isArray(list) && list.length > 0 && list.every((v) => Object.hasOwn(views, v as string));
  const kind: Kind<Groups, N | GivenGroups> = {
    fits,
    words: names,
    input: { type: 'choice', values: Object.keys(named) },
    check(value, name) {
      if (typeof value === 'string' && Object.hasOwn(named, value)) return;
      if (!Array.isArray(value)) refuse(value, name, fits);
      const lists = value.map((g) => {
        const list = isObject(g) && (g.update === undefined || typeof g.update === 'boolean') ? g.views : g;
        if (!known(list)) refuse(value, name, fits);
        return list;
      });
      const missing = Object.keys(views).filter((v) => !optional.includes(v) && !lists.some((l) => l.includes(v)));
      if (missing.length > 0) refuse(value, name, `${fits}; ${missing.join(', ')} must be in one`);
    },
    fill: (value) => filled(typeof value === 'string' ? named[value] : value),
  };
  const described = Object.entries(views)
    .map(([letter, view]) => `${letter} ${view}`)
    .join(', ');
  return option(kind, usual, `views that share batch normalisation (${described})`);
}

/**
 * Logits of views, group by group. A group of which no view is learned from passes without gradients, a view of no
 * group with the running statistics, and a view that has passed does not pass again.
 * @param run a pass of a network, by the members of its group too, in the order of the batch
 * @param views the images by letter; other letters of the groups do not take part
 * @param learned letters of the views whose logits the loss is made of
 * @param beside images by letter that pass with views of their group for the statistics alone
 */
export function passGroups<V extends string>(
  run: (x: Tensor, mode: ForwardMode, members: readonly string[]) => Tensor,
  views: Readonly<Record<V, Tensor>>,
  groups: Groups,
  learned: readonly NoInfer<V>[] = [],
  beside: Readonly<Record<string, Tensor>> = {},
): Record<V, Tensor> {
  const out = {} as Record<V, Tensor>;
  const images: Readonly<Record<string, Tensor>> = { ...beside, ...views };
  const isView = (v: string): v is V => Object.hasOwn(views, v);
  const isLearned = (v: string): boolean => (learned as readonly string[]).includes(v);
  const through = (members: readonly string[], mode: ForwardMode): void => {
    const pass = (): Tensor =>
      run(
        members.length === 1
          ? images[members[0]]
          : concat(
              members.map((v) => images[v]),
              0,
            ),
        mode,
        members,
      );
    const z = members.some(isLearned) ? pass() : noGrad(pass);
    const counts = members.map((v) => images[v].shape[0]);
    // Where all parts are learned from, one operation cuts them: its gradient is one concatenation.
    const parts = members.length === 1 ? [z] : members.every(isLearned) ? split(z, counts, 0) : null;
    let first = 0;
    members.forEach((v, i) => {
      if (isView(v)) out[v] = parts ? parts[i] : take(z, first, counts[i]);
      first += counts[i];
    });
  };
  for (const v of Object.keys(views)) if (!groups.some((g) => g.views.includes(v))) through([v], EVAL);
  for (const { views: names, update } of groups) {
    const members = names.filter((v) => Object.hasOwn(images, v) && !Object.hasOwn(out, v));
    if (members.some(isView)) through(members, { ...TRAIN, update });
  }
  return out;
}

/** Do the running statistics move in the pass of a view? */
export const updates = (groups: Groups, view: string): boolean =>
  groups.find((g) => g.views.includes(view))?.update ?? false;

/**
 * Scores before the last enlargement, and the encoder's activations, of views that pass group by group:
 * {@link passGroups} for schemes with another branch on the encoder.
 * @param options.learned letters of the views whose scores the loss is made of
 * @param options.wanted letters of the views whose activations are asked for
 * @param options.twice letter of the view whose activations a second branch learns from: in a group of its own its pass
 *   counts twice for the encoder's
 *   running statistics, as where it passes for each branch
 */
export function passStages<V extends string>(
  net: Network,
  views: Readonly<Record<V, Tensor>>,
  groups: Groups,
  { learned, wanted, twice }: { learned: readonly NoInfer<V>[]; wanted: readonly NoInfer<V>[]; twice: NoInfer<V> },
): { logits: Record<V, Tensor>; stages: Record<V, readonly Tensor[]> } {
  const stages = {} as Record<V, readonly Tensor[]>;
  const logits = {} as Record<V, Tensor>;
  for (const { views: names, update } of groups) {
    const members = names.filter((v): v is V => Object.hasOwn(views, v));
    const alone = members.length === 1;
    const scored = members.some((v) => learned.includes(v));
    const mode = { ...TRAIN, update };
    const within = <T>(tracked: boolean, f: () => T): T => (tracked ? f() : noGrad(f));
    const x = alone
      ? views[members[0]]
      : concat(
          members.map((v) => views[v]),
          0,
        );
    const features = within(scored || members.includes(twice), () =>
      net.encode(x, { ...mode, ...(alone && { passes: members[0] === twice ? 2 : 1 }) }),
    );
    const z = within(scored, () => net.decodeCoarse(features, mode));
    let first = 0;
    for (const v of members) {
      const from = first;
      const n = views[v].shape[0];
      logits[v] = alone ? z : within(learned.includes(v), () => take(z, from, n));
      if (wanted.includes(v)) stages[v] = alone ? features.stages : features.stages.map((s) => take(s, from, n));
      first += n;
    }
  }
  return { logits, stages };
}
