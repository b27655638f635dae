// Order and lifetimes of the values of a graph.

import { OnnxError } from '../../errors.ts';
import type { OnnxModel, OnnxNode } from './model.ts';

/**
 * The nodes so that each comes after those it needs.
 * @throws OnnxError for cycles, names made twice, and names that nothing makes
 */
export function ordered({ nodes, inputs, outputs, initializers }: OnnxModel): OnnxNode[] {
  const contradiction = 'the graph contradicts itself';
  const maker = new Map<string, number>();
  const given = new Set([...inputs.map((i) => i.name), ...initializers.keys()]);
  nodes.forEach((n, i) =>
    n.outputs.forEach((o) => {
      if (o === '') return;
      if (maker.has(o) || given.has(o)) throw new OnnxError(`${o} is made twice`, contradiction);
      maker.set(o, i);
    }),
  );
  const needs = nodes.map(
    (n) =>
      new Set(
        n.inputs
          .filter((v) => v !== '' && !given.has(v))
          .map((v) => {
            const by = maker.get(v);
            if (by === undefined) throw new OnnxError(`${n.op} needs ${v}, which nothing makes`, contradiction);
            return by;
          }),
      ),
  );
  for (const { name } of outputs) {
    if (!maker.has(name) && !given.has(name)) throw new OnnxError(`nothing makes the output ${name}`, contradiction);
  }
  // Depth first in the order of the file: a sorted file stays as it is, and values are used soon after they are made.
  const order: number[] = [];
  const state: ('open' | 'done' | undefined)[] = [];
  for (let root = 0; root < nodes.length; root++) {
    if (state[root]) continue;
    // The nodes that wait for others, each with those it has not asked for yet.
    const path: { node: number; rest: Iterator<number> }[] = [];
    const enter = (node: number): void => {
      state[node] = 'open';
      path.push({ node, rest: needs[node].values() });
    };
    enter(root);
    while (path.length > 0) {
      const { node, rest } = path.at(-1)!;
      const { value: next, done } = rest.next();
      if (done) {
        state[node] = 'done';
        order.push(node);
        path.pop();
      } else if (state[next] === 'open') {
        const what = `the node that makes ${nodes[next].outputs[0]} needs its own result`;
        throw new OnnxError(what, 'the graph has a cycle');
      } else if (!state[next]) enter(next);
    }
  }
  return order.map((i) => nodes[i]);
}

/**
 * The values that each node uses last, or makes for nobody: what a run frees after it.
 * @param nodes in the order in which they run
 * @param kept the names of the outputs of the graph
 */
export function lastUses(nodes: readonly OnnxNode[], kept: ReadonlySet<string>): string[][] {
  const seen = new Set(kept);
  const ends: string[][] = nodes.map(() => []);
  for (let i = nodes.length - 1; i >= 0; i--) {
    for (const name of [...nodes[i].inputs, ...nodes[i].outputs]) {
      if (name === '' || seen.has(name)) continue;
      seen.add(name);
      ends[i].push(name);
    }
  }
  return ends;
}
