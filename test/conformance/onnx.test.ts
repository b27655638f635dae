// ONNX's node tests (conformance set onnx-node) through the graph runner, and their original files through the
// importer.

import { existsSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { UnsupportedError } from '../../runtime/errors.ts';
import { readOnnx, type OnnxValueInfo } from '../../runtime/io/onnx/model.ts';
import { testDevice } from '../support/device.ts';
import { modelOf, runOnnxCase, type OnnxCase } from '../support/onnxCases.ts';
import { sharedFolder } from '../support/shared.ts';
import { openCases } from '../support/torchCases.ts';
import { Unsupported } from '../support/unsupported.ts';

/** As many cases pass, at the least. */
const LEAST = 714;

const folder = sharedFolder('conformance/onnx-node');
if (!folder) console.log('conformance/onnx-node is not there: skipped');
else {
  const { cases, data } = openCases(folder);
  const all = cases as unknown as OnnxCase[];

  test('every supported case', async () => {
    const device = await testDevice();
    const failures: string[] = [];
    let passed = 0;
    for (const c of all) {
      try {
        await runOnnxCase(device, data, c);
        passed++;
      } catch (error) {
        if (!(error instanceof UnsupportedError || error instanceof Unsupported))
          failures.push(`${c.name}: ${(error as Error).message}`);
      }
    }
    assert.equal(failures, []);
    assert.ok(passed >= LEAST, `${passed} of ${all.length} cases pass`);
  });

  test('the importer reads the graphs of the original files', () => {
    let read = 0;
    for (const c of all) {
      const path = `${folder}/onnx/test_${c.name}/model.onnx`;
      if (!existsSync(path)) continue;
      const model = readOnnx(new Uint8Array(readFileSync(path)));
      const want = modelOf(c);
      assert.is(model.opset, want.opset, c.name);
      const declared = (values: OnnxCase['inputs']): OnnxValueInfo[] =>
        values.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
      assert.equal(model.inputs, declared(c.inputs), c.name);
      assert.equal(model.outputs, declared(c.outputs), c.name);
      assert.equal(shown(model.nodes), shown(want.nodes), c.name);
      read++;
    }
    assert.ok(read > 0);
  });
}

/** Nodes as text, floats rounded to what f32 holds. */
function shown(nodes: readonly unknown[]): string[] {
  const short = (v: unknown): unknown => (typeof v === 'number' ? Number(v.toPrecision(6)) : v === 'NaN' ? null : v);
  const sorted = (v: unknown): unknown =>
    v && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v;
  return nodes.map((n) => JSON.stringify(sorted(n), (_, v) => sorted(short(v))));
}

test.run();
