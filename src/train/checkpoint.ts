// All that a run needs to continue as if it had not stopped: tensors and JSON, in one safetensors file.

import { CheckpointError, NonFiniteError } from '../../runtime/errors.ts';
import { nonFiniteCount, refuseNonFinite } from '../../runtime/io/finite.ts';
import { decodeSafetensors, encodeSafetensors, type FileTensor } from '../../runtime/io/safetensors.ts';
import type { Device } from '../../runtime/device/device.ts';
import type { LossScaler } from '../../runtime/optim/lossScaler.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import type { EvalPoint, StepPoint } from './records.ts';
import type { LabelMap, Scheme } from '../schemes/scheme.ts';
import { fromTorch, toTorch, type TorchTensor } from '../nn/module.ts';
import type { AlarmState } from './alarms.ts';
import { DEFAULTS, type RunConfig } from './config.ts';
import type { Position, Timing } from './trainer.ts';

/** A stage's network at its best on the validation images. */
export interface Best {
  step: number;
  miou: number;
  state: Map<string, TorchTensor>;
}

export interface Checkpoint {
  config: RunConfig;
  /** The next step to do. */
  position: Position;
  classNames: string[];
  steps: StepPoint[];
  evals: EvalPoint[];
  /** Seconds of training so far. */
  seconds: number;
  /** Further contents of the record so far; absent in files of earlier versions. */
  soFar?: { alarms: AlarmState; timing: Timing; peakGpuBytes: number };
  /** By stage. */
  bests: Map<number, Best>;
  /**
   * Networks (`net/NAME/PARAMETER`), optimiser states (`optim/NAME/STATE.PARAMETER`), in PyTorch's layouts; the loss
   * scale (`scaler/scale`, `scaler/counts`) in mixed precision.
   */
  tensors: Map<string, FileTensor>;
  pseudoLabels: Map<string, LabelMap>;
  /** Arrays that the scheme keeps on the host; absent where it keeps none. */
  hostTensors?: Map<string, FileTensor>;
  /** What the scheme keeps on the host. */
  hostState: unknown;
}

/** The JSON of the file. */
type Meta = Omit<Checkpoint, 'tensors' | 'bests' | 'pseudoLabels' | 'hostTensors'> & {
  bests: { stage: number; step: number; miou: number }[];
};

const FORMAT = 'fewmask-checkpoint-1';

/**
 * Reads networks and optimiser states from the GPU.
 * @throws NonFiniteError when a weight is NaN or infinite: such a state is never saved
 */
export async function captureTensors(
  device: Device,
  scheme: Scheme,
  scaler?: LossScaler,
): Promise<Map<string, FileTensor>> {
  const all = stateTensors(scheme, scaler);
  const names = [...all.keys()];
  const values = await device.read([...all.values()]);
  const out = new Map<string, FileTensor>();
  names.forEach((name, i) => {
    const data = values[i];
    const bad = data instanceof Float32Array ? nonFiniteCount(data) : 0;
    if (bad > 0) {
      throw new NonFiniteError(
        `${bad} of ${data.length} values of ${name} are NaN or infinite, so the state is not saved`,
        'lower the learning rate (lr) or clip the gradients (clip)',
      );
    }
    out.set(name, { ...toTorch(all.get(name)!.shape, data as Float32Array) });
  });
  return out;
}

/** Writes a checkpoint's tensors into the scheme. Either all of them fit, or nothing is changed. */
export function restoreTensors(scheme: Scheme, tensors: ReadonlyMap<string, FileTensor>, scaler?: LossScaler): void {
  const own = stateTensors(scheme, scaler);
  const writes: [Tensor, Float32Array][] = [];
  for (const [name, t] of own) {
    const given = tensors.get(name);
    if (!given)
      throw new CheckpointError(`the checkpoint has no ${name}`, 'it was made by another scheme, network or optimiser');
    const { shape, data } = fromTorch({ shape: given.shape, data: given.data as Float32Array });
    if (String(shape) !== String(t.shape))
      throw new CheckpointError(
        `${name} is [${given.shape}] in the checkpoint, which does not fit the network's [${t.shape}]`,
        'width, depth or number of classes differ',
      );
    writes.push([t, data]);
  }
  const foreign = [...tensors.keys()].find((name) => !own.has(name));
  if (foreign)
    throw new CheckpointError(
      `the checkpoint has ${foreign}, which this scheme lacks`,
      'it was made by another scheme, network or optimiser',
    );
  for (const [t, data] of writes) t.device.write(t, data);
}

/**
 * Puts a scheme into the state of a checkpoint. If the run continues in another precision, the loss scale starts at its
 * initial value.
 * @throws CheckpointError when the checkpoint does not fit the scheme
 */
export function restore(scheme: Scheme, c: Checkpoint, config: RunConfig, scaler?: LossScaler): void {
  const same = (c.config.precision ?? DEFAULTS.precision) === config.precision;
  const kept = same ? c.tensors : new Map([...c.tensors].filter(([name]) => !name.startsWith('scaler/')));
  restoreTensors(scheme, kept, same ? scaler : undefined);
  if (c.pseudoLabels.size > 0) {
    if (!scheme.pseudoLabels) {
      throw new CheckpointError(
        'the checkpoint has pseudo-labels, which this scheme does not keep',
        'it was made by another scheme',
      );
    }
    for (const [id, map] of c.pseudoLabels) scheme.pseudoLabels.set(id, map);
  }
  for (const [name, t] of c.hostTensors ?? []) scheme.hostTensors?.set(name, t);
  scheme.hostState?.load(c.hostState);
}

function stateTensors(scheme: Scheme, scaler: LossScaler | undefined): Map<string, Tensor> {
  const all = new Map<string, Tensor>();
  for (const [name, net] of scheme.networks)
    for (const group of [net.params, net.buffers]) for (const [key, t] of group) all.set(`net/${name}/${key}`, t);
  for (const [name, optimizer] of scheme.optimizers)
    for (const [key, t] of optimizer.state()) all.set(`optim/${name}/${key}`, t);
  if (scaler) all.set('scaler/scale', scaler.scale).set('scaler/counts', scaler.counts);
  return all;
}

/** The bytes of a checkpoint. */
export function encodeCheckpoint(c: Checkpoint): Uint8Array<ArrayBuffer> {
  const { tensors, bests, pseudoLabels, hostTensors, ...rest } = c;
  const file = new Map(tensors);
  for (const [stage, { state }] of bests) for (const [name, t] of state) file.set(`best/${stage}/${name}`, t);
  for (const [id, m] of pseudoLabels) file.set(`pseudo/${id}`, { shape: [m.height, m.width], data: m.labels });
  for (const [key, t] of hostTensors ?? []) file.set(`host/${key}`, t);
  const meta: Meta = { ...rest, bests: [...bests].map(([stage, { step, miou }]) => ({ stage, step, miou })) };
  return encodeSafetensors(file, { format: FORMAT, state: JSON.stringify(meta) });
}

/**
 * Reads the bytes of a checkpoint.
 * @param name the file, for errors
 * @param options.allowNonFinite take weights that are NaN or infinite, to look at them (default false)
 * @throws CheckpointError when it is damaged, not of this program, or holds weights that are NaN or infinite
 */
export function decodeCheckpoint(
  bytes: Uint8Array,
  name: string,
  options: { allowNonFinite?: boolean } = {},
): Checkpoint {
  const { tensors: file, metadata } = decodeSafetensors(bytes, name);
  if (metadata.format !== FORMAT)
    throw new CheckpointError(
      `${name} is not a checkpoint of a fewmask run`,
      metadata.format
        ? `its format is ${metadata.format}`
        : 'a file of weights alone cannot be resumed; give it as `pretrained`',
    );
  if (!options.allowNonFinite) refuseNonFinite(file, name);
  let meta: Meta;
  try {
    meta = JSON.parse(metadata.state);
  } catch {
    throw new CheckpointError(`${name} has a state that cannot be read`, 'the file is damaged');
  }
  const bests = new Map<number, Best>(
    meta.bests.map(({ stage, step, miou }) => [stage, { step, miou, state: new Map<string, TorchTensor>() }]),
  );
  const tensors = new Map<string, FileTensor>();
  const pseudoLabels = new Map<string, LabelMap>();
  const hostTensors = new Map<string, FileTensor>();
  for (const [key, t] of file) {
    const [kind, stage] = key.split('/', 2);
    if (kind === 'best')
      bests.get(Number(stage))?.state.set(key.slice(kind.length + stage.length + 2), t as TorchTensor);
    else if (kind === 'pseudo')
      pseudoLabels.set(key.slice(kind.length + 1), {
        height: t.shape[0],
        width: t.shape[1],
        labels: t.data as Uint8Array,
      });
    else if (kind === 'host') hostTensors.set(key.slice(kind.length + 1), t);
    else tensors.set(key, t);
  }
  return { ...meta, tensors, pseudoLabels, ...(hostTensors.size > 0 && { hostTensors }), bests };
}
