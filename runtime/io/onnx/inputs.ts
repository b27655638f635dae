// What a graph is given: checked against what the model declares.

import type { Device } from '../../device/device.ts';
import { DeviceError, OnnxError, ShapeError } from '../../errors.ts';
import { Tensor, type Shape } from '../../tensor.ts';
import type { OnnxModel, OnnxValueInfo } from './model.ts';
import { isReal, type Value } from './operator.ts';

/** Sizes of named dimensions, and the input that said so. */
type Sizes = Map<string, { size: number; by: string }>;

const shown = ({ shape = [] }: OnnxValueInfo): string => `[${shape.map((d) => d ?? '?').join(', ')}]`;

/** Is a shape the declared one, whatever the named dimensions are? */
const fits = ({ shape }: OnnxValueInfo, given: Shape): boolean =>
  !shape || (shape.length === given.length && shape.every((d, i) => typeof d !== 'number' || d === given[i]));

/** @throws ShapeError when the shape is not the declared one, or a named dimension has another size elsewhere */
function checkShape(info: OnnxValueInfo, shape: Shape, sizes: Sizes): void {
  if (!fits(info, shape)) {
    throw new ShapeError('onnx', `the input ${info.name} is [${shape}]`, `the model declares ${shown(info)}`);
  }
  info.shape?.forEach((d, i) => {
    if (typeof d !== 'string') return;
    const known = sizes.get(d);
    if (!known) sizes.set(d, { size: shape[i], by: info.name });
    else if (known.size !== shape[i]) {
      const where = known.by === info.name ? 'another of its dimensions' : `the input ${known.by}`;
      const what = `the input ${info.name} is [${shape}], where ${d} is ${shape[i]}; in ${where} it is ${known.size}`;
      throw new ShapeError('onnx', what, `the model declares ${shown(info)}: give ${d} one size`);
    }
  });
}

function checkTensor(info: OnnxValueInfo, tensor: unknown, device: Device): asserts tensor is Tensor {
  const want = isReal(info.dtype) ? 'f32' : 'i32';
  const shape = info.shape ? ` ${shown(info)}` : '';
  const hint = `give a tensor ${want}${shape}`;
  if (tensor === undefined) throw new ShapeError('onnx', `the input ${info.name} is missing`, hint);
  if (!(tensor instanceof Tensor)) throw new ShapeError('onnx', `the input ${info.name} is not a tensor`, hint);
  if (tensor.dtype !== want) throw new ShapeError('onnx', `the input ${info.name} is ${tensor.dtype}`, hint);
  if (tensor.device !== device) {
    throw new DeviceError(`the input ${info.name} is on another device than the model`, 'make it on that of the model');
  }
  // Throws for a tensor that has been disposed.
  void tensor.buffer;
}

/**
 * The values that a run starts from: what is given, by name.
 * @throws ShapeError when an input is missing, unknown, of another dtype or shape than the model declares, or when
 *   dimensions with one name differ; DisposedError, DeviceError
 */
export function checkedInputs(
  { inputs, optional = [], initializers }: OnnxModel,
  given: Readonly<Record<string, Tensor>>,
  device: Device,
): Map<string, Value> {
  const values = new Map<string, Value>();
  const sizes: Sizes = new Map();
  const all = [...inputs, ...optional];
  for (const name of Object.keys(given)) {
    if (all.some((i) => i.name === name)) continue;
    const known = all.length > 0 ? `its inputs are ${all.map((i) => i.name).join(', ')}` : 'it has no inputs';
    const weight = initializers.has(name);
    const what = weight ? `${name} is a weight of the model, not an input` : `the model has no input ${name}`;
    throw new ShapeError('onnx', what, known);
  }
  for (const info of all) {
    const tensor: unknown = Object.hasOwn(given, info.name) ? given[info.name] : undefined;
    // Without a value of its own an optional input has that of its initializer.
    if (tensor === undefined && initializers.has(info.name)) continue;
    checkTensor(info, tensor, device);
    checkShape(info, tensor.shape, sizes);
    values.set(info.name, { type: info.dtype, tensor });
  }
  return values;
}

/** @throws OnnxError when an initializer is not what the input of its name is declared to be */
export function checkDefaults({ optional = [], initializers }: OnnxModel): void {
  for (const info of optional) {
    const t = initializers.get(info.name);
    if (!t) throw new OnnxError(`the optional input ${info.name} has no initializer`, 'the model contradicts itself');
    if (t.dtype === info.dtype && fits(info, t.shape)) continue;
    const what = `the initializer ${info.name} is ${t.dtype} [${t.shape}], the input ${info.dtype} ${shown(info)}`;
    throw new OnnxError(what, 'the model contradicts itself');
  }
}
