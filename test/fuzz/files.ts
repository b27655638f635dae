// Fuzzing of file readers: each mutation of a safetensors or ONNX file is loaded right or refused with an error of the
// FewmaskError family.
//
// Memory is bounded by construction: readers compare every size with the bytes that are there before they allocate, so
// that a file takes a small multiple of its own length; what a model's run takes is bounded by the device's budget.
// Both are measured here, and so is the time of each mutation.

import type { Device } from '../../runtime/device/device.ts';
import { FewmaskError } from '../../runtime/errors.ts';
import { loadOnnx, OnnxGraph } from '../../runtime/io/onnx/graph.ts';
import { isReal, upload } from '../../runtime/io/onnx/operator.ts';
import { readOnnx, type OnnxModel } from '../../runtime/io/onnx/model.ts';
import { decodeSafetensors } from '../../runtime/io/safetensors.ts';
import { Rng } from '../../runtime/random.ts';
import { sizeOf, type Tensor } from '../../runtime/tensor.ts';
import { openNode } from '../../runtime/node.ts';
import { declaredInputs, mutateOnnx, onnxSeeds, wrongModel } from './filesOnnx.ts';
import { pick, type Mutation } from './filesBytes.ts';
import { mutateSafetensors, seedFile, wrongSafetensors } from './filesSafetensors.ts';
import { drawVersion, type VersionCase } from './onnxVersions.ts';

export interface FuzzOptions {
  /** Mutations of each format. */
  count: number;
  seed: number;
  /** The first mutation: repeats a failure by itself (default 0). */
  from?: number;
  log(line: string): void;
}

/** Most GPU memory that the run of a model may take, and most that the process may gain beside it, in bytes. */
const BUDGET = 32 << 20;
const MOST_GROWTH = 1 << 30;
/** Most that a mutation may take, in ms: far above a slow machine, far below a hang. */
const MOST_TIME = 60000;

type Outcome = 'loaded' | 'refused';

function safetensorsOnce(m: Mutation): Outcome {
  const { tensors, metadata } = decodeSafetensors(m.bytes);
  const wrong = wrongSafetensors(m.bytes, { tensors, metadata });
  if (wrong) throw new Error(`it was loaded wrong: ${wrong}`);
  return 'loaded';
}

const plain = (model: OnnxModel): string => JSON.stringify({ ...model, initializers: [...model.initializers] });

/** Reads, and runs what could be read. An error of the run is as good as a result, if it is a typed one. */
async function onnxOnce(device: Device, m: Mutation, seed: Uint8Array): Promise<Outcome> {
  const model = readOnnx(m.bytes);
  const wrong = wrongModel(m.bytes, model);
  if (wrong) throw new Error(`it was loaded wrong: ${wrong}`);
  if (m.expect === 'same' && plain(model) !== plain(readOnnx(seed))) throw new Error('it was loaded as another model');
  const shapes = declaredInputs(m.bytes);
  const given: Record<string, Tensor> = {};
  let graph: OnnxGraph | undefined;
  try {
    graph = new OnnxGraph(device, model);
    for (const { name, dtype } of model.inputs) {
      const shape = shapes.get(name) ?? [];
      const n = sizeOf(shape);
      if (n > 1 << 20) return 'loaded';
      given[name] = device.tensor(
        isReal(dtype)
          ? Float32Array.from({ length: n }, (_, i) => Math.sin(i))
          : Int32Array.from({ length: n }, (_, i) => i % 3),
        shape,
      );
    }
    const outputs = await graph.run(given);
    await device.read(Object.values(outputs));
    for (const t of Object.values(outputs)) t.dispose();
  } catch (error) {
    if (!(error instanceof FewmaskError) || error.code === 'device' || error.code === 'device-lost') throw error;
    if (m.expect === 'same') device.check();
  } finally {
    for (const t of Object.values(given)) t.dispose();
    graph?.dispose();
  }
  return 'loaded';
}

/**
 * Runs a node in a random opset.
 * @returns what is wrong with its result, or with its being refused or not; null for nothing
 */
async function versionOnce(device: Device, { bytes, inputs, want }: VersionCase): Promise<string | null> {
  const given: Record<string, Tensor> = {};
  let graph: OnnxGraph | undefined;
  try {
    graph = loadOnnx(bytes, device);
    for (const [name, t] of Object.entries(inputs)) given[name] = upload(device, t).tensor;
    const { y } = await graph.run(given);
    const got = await y.read();
    const { shape } = y;
    y.dispose();
    if (!want) return 'it was not refused';
    if (String(shape) !== String(want.shape)) return `its result is [${shape}], not [${want.shape}]`;
    const far = want.data.findIndex((v, i) => !(Math.abs(got[i] - v) <= 1e-5 + 1e-4 * Math.abs(v)));
    return far < 0 ? null : `element ${far} is ${got[far]}, not ${want.data[far]}`;
  } catch (error) {
    if (!(error instanceof FewmaskError) || want) return (error as Error).stack ?? String(error);
    return null;
  } finally {
    for (const t of Object.values(given)) t.dispose();
    graph?.dispose();
  }
}

/**
 * Mutates files and loads them, and runs nodes of ONNX in random opsets.
 * @returns how many mutations ran, and each that was neither loaded right nor refused, with what repeats it
 * @example await fuzzFiles({ count: 100, seed: 1, log: console.log });
 */
export async function fuzzFiles({
  count,
  seed,
  from = 0,
  log,
}: FuzzOptions): Promise<{ ran: number; failures: string[] }> {
  const device = await openNode({ budget: BUDGET });
  const models = onnxSeeds();
  const failures: string[] = [];
  const outcomes: Record<string, number> = {};
  const memory = (): number => process.memoryUsage().rss;
  const before = memory();
  let ran = 0;
  let held = device.pool.stats.inUse;
  const judge = async (
    format: string,
    i: number,
    m: Mutation,
    body: () => Outcome | Promise<Outcome>,
  ): Promise<void> => {
    const start = performance.now();
    const fail = (why: string): void => {
      failures.push(`${format} seed ${seed} mutation ${i} (${m.what}, ${m.bytes.length} bytes): ${why}`);
      log(failures[failures.length - 1]);
    };
    let outcome: Outcome = 'refused';
    try {
      outcome = await body();
      if (m.expect === 'refused') fail('it was loaded');
    } catch (error) {
      if (!(error instanceof FewmaskError)) fail((error as Error).stack ?? String(error));
      else if (m.expect === 'same') fail(`it was refused: ${error.message}`);
      else if (error.message.length > 4000) fail(`the message has ${error.message.length} characters`);
    }
    const key = `${format} ${outcome}`;
    outcomes[key] = (outcomes[key] ?? 0) + 1;
    if (performance.now() - start > MOST_TIME) fail(`it took ${Math.round(performance.now() - start)} ms`);
    if (device.pool.stats.inUse !== held) fail(`it left ${device.pool.stats.inUse - held} bytes of the device behind`);
    held = device.pool.stats.inUse;
    if (ran++ % 100 === 0 && memory() - before > MOST_GROWTH) fail(`the process has grown to ${memory() >> 20} MiB`);
  };
  for (let i = from; i < from + count; i++) {
    const draw = new Rng(seed, 11, i);
    const file = mutateSafetensors(draw, seedFile(draw));
    await judge('safetensors', i, file, () => safetensorsOnce(file));
    const rng = new Rng(seed, 12, i);
    const model = pick(rng, models);
    const mutation = mutateOnnx(rng, model);
    await judge('onnx', i, mutation, () => onnxOnce(device, mutation, model));
    const version = drawVersion(new Rng(seed, 14, i));
    const left = (): string | null => (device.pool.stats.inUse === held ? null : 'it left memory of the device behind');
    const wrong = (await versionOnce(device, version)) ?? left();
    if (wrong) {
      failures.push(`version seed ${seed} case ${i} (${version.what}): ${wrong}`);
      log(failures[failures.length - 1]);
    }
    held = device.pool.stats.inUse;
    if ((i + 1) % 1000 === 0) log(`${ran} mutations, ${failures.length} failures`);
  }
  device.close();
  log(
    `files: seed ${seed}, ${Object.entries(outcomes)
      .map(([k, n]) => `${n} ${k}`)
      .join(', ')}, ${failures.length} failures`,
  );
  return { ran, failures };
}
