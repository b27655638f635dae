// The rows of the table of operations: the functions of runtime/ops with what they can do, found out by small calls,
// and the records that they are made of.

import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { randomSeed } from '../../runtime/create.ts';
import { plan } from '../../runtime/autograd/plan.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { watchRecords, type OpRecord } from '../../runtime/autograd/tape.ts';
import type { Device } from '../../runtime/device/device.ts';
import { GradientError, ShapeError } from '../../runtime/errors.ts';
import { collectTensors, sizeOf, type DType, type Tensor, Tensor as TensorClass } from '../../runtime/tensor.ts';
import type { Arg, Sample } from './samples.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A record of an operation, and the file that defines it. */
export interface FoundRecord {
  record: OpRecord<never>;
  file: string;
}

/** Every record of runtime/ops, as it is when the modules are loaded: they must not have been loaded before. */
export async function collectRecords(): Promise<FoundRecord[]> {
  const found: FoundRecord[] = [];
  watchRecords((record) => {
    // The outermost frame is the module that is being loaded; those within are factories of operations.
    const files = [...(new Error().stack ?? '').matchAll(/runtime\/ops\/([\w/]+)\.ts/g)].map((m) => m[1]);
    found.push({ record, file: files.at(-1) ?? '' });
  });
  try {
    await import('../../runtime/ops/index.ts');
  } finally {
    watchRecords(null);
  }
  return found;
}

/** A function of runtime/ops as its documentation has it. */
interface OpFunction {
  name: string;
  file: string;
  doc: string;
  public: boolean;
}

/** A file without its ending: in runtime/ops the path below it. */
const fileOf = (path: string): string => /runtime\/ops\/([\w/]+)\.ts$/.exec(path)?.[1] ?? basename(path, '.ts');

/** The exported functions of runtime/ops/index.ts. */
function functions(): OpFunction[] {
  const entries = [join(root, 'runtime/ops/index.ts'), join(root, 'runtime/index.ts')];
  const program = ts.createProgram(entries, {
    target: ts.ScriptTarget.ES2022,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    module: ts.ModuleKind.ESNext,
    allowImportingTsExtensions: true,
    noEmit: true,
  });
  const checker = program.getTypeChecker();
  const [all, open] = entries.map((e) =>
    checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(e)!)!),
  );
  const shown = new Set(open.map((s) => s.name));
  return all.flatMap((exported) => {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    if (!(symbol.flags & ts.SymbolFlags.Function)) return [];
    const comments = symbol.declarations!.flatMap((d) =>
      ts
        .getJSDocCommentsAndTags(d)
        .filter(ts.isJSDoc)
        .map((c) => c.getText()),
    );
    return [
      {
        name: exported.name,
        file: fileOf(symbol.declarations![0].getSourceFile().fileName),
        doc: comments.join('\n'),
        public: shown.has(exported.name),
      },
    ];
  });
}

/** One row of the table. */
export interface OpRow {
  name: string;
  public: boolean;
  /** Arguments with a gradient. */
  gradient: readonly string[];
  /** Can the gradient be differentiated? */
  twice: boolean;
  /** Dtypes of its real arguments; f16 only where the adapter has it. */
  dtypes: readonly DType[];
  reference: string;
}

const isReal = (a: Arg): a is readonly number[] => Array.isArray(a);

/** The arguments of a sample: real ones between 0.25 and 0.75, or 1 and 2 where they are whole numbers. */
export function tensors(device: Device, { args }: Sample, dtype: DType): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(args).map(([name, a]) => {
      // A seed that was only written would draw the same in each replay of a plan, and is refused there.
      if (name === 'seed') return [name, randomSeed(device, 1)];
      const shape = isReal(a) ? a : a.shape;
      const n = sizeOf(shape);
      const whole = !isReal(a) || dtype === 'i32' || dtype === 'u32';
      const value = (i: number): number =>
        isReal(a) ? (whole ? 1 + (i % 2) : 0.25 + (0.5 * (i % 7)) / 7) : i % a.below;
      return [
        name,
        device.tensor(
          Array.from({ length: n }, (_, i) => value(i)),
          shape,
          isReal(a) ? dtype : (a.dtype ?? 'i32'),
        ),
      ];
    }),
  );
}

/** Records the call without running it: kernels are not compiled for that. */
export function tryOut<R>(device: Device, body: () => R): R {
  let result: R;
  plan(device, {}, () => {
    result = body();
    return {};
  }).dispose();
  return result!;
}

const results = (value: unknown): Tensor[] => {
  const found = new Set<Tensor>();
  if (value instanceof TensorClass) found.add(value);
  else collectTensors(value, found);
  return [...found];
};

function row(device: Device, { name, file, doc, public: open }: OpFunction, sample: Sample): OpRow {
  const real = Object.keys(sample.args).filter((k) => isReal(sample.args[k]) && k !== 'like');
  const differentiable = (arg: string): boolean =>
    tryOut(device, () => {
      const t = tensors(device, sample, 'f32');
      t[arg].requiresGrad = true;
      return results(sample.call(t)).some((y) => y.tracked && !Object.values(t).includes(y));
    });
  const gradient = real.filter(differentiable);
  const twice =
    gradient.length > 0 &&
    tryOut(device, () => {
      const t = tensors(device, sample, 'f32');
      for (const arg of gradient) t[arg].requiresGrad = true;
      const y = results(sample.call(t)).find((r) => r.tracked)!;
      try {
        grad(
          y,
          gradient.map((arg) => t[arg]),
          { dy: device.tensor(Array<number>(y.size).fill(1), y.shape, y.dtype), createGraph: true },
        );
        return true;
      } catch (error) {
        if (error instanceof GradientError) return false;
        throw error;
      }
    });
  const takes = (dtype: DType): boolean => {
    if (dtype === 'f16' && !device.f16) return false;
    try {
      tryOut(device, () => sample.call(tensors(device, sample, dtype)));
      return true;
    } catch (error) {
      if (error instanceof ShapeError) return false;
      throw error;
    }
  };
  const dtypes = Object.values(sample.args).some(isReal)
    ? (['f32', 'f16', 'i32', 'u32'] as const).filter(takes)
    : (['f32'] as const);
  const source = /Source: ([^\n*]+)/
    .exec(doc)?.[1]
    .replace(/@example.*/, '')
    .trim();
  return {
    name,
    public: open,
    gradient,
    twice,
    dtypes,
    reference: `test/ops/${file.replace(/\/index$/, '')}.test.ts${source ? `; ${source}` : ''}`,
  };
}

/** Functions of runtime/ops that work on the host and take no tensor. */
export const HOST = ['pseudoLabelStats'];

/**
 * The table: a row for each function of runtime/ops, and all records.
 * @throws Error for a function that has no sample
 */
export async function opTable(device: Device): Promise<{ rows: OpRow[]; records: FoundRecord[] }> {
  const records = await collectRecords();
  const { SAMPLES } = await import('./samples.ts');
  const rows = functions()
    .filter((f) => !HOST.includes(f.name))
    .map((f) => {
      if (!SAMPLES[f.name]) throw new Error(`test/docs/samples.ts has no call of ${f.name}`);
      try {
        return row(device, f, SAMPLES[f.name]);
      } catch (error) {
        throw new Error(`the sample of ${f.name}: ${(error as Error).message}`, { cause: error });
      }
    });
  return { rows, records };
}
