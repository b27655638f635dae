// The engine's public face, published as fewmask/engine: tensors, operations, gradients, plans, optimisers and files.

export { grad } from './autograd/grad.ts';
export { noGrad, defineOp, type Backward, type BackwardContext, type OpRecord } from './autograd/tape.ts';
export { Plan, plan, type DeclareInput, type InputSpec, type PlanMemory, type PlanOutputs } from './autograd/plan.ts';
export { deviceDescriptor } from './device/adapter.ts';
export { Device, type AdapterInfo, type DeviceOptions, type Dispatch } from './device/device.ts';
export * from './errors.ts';
export * from './ops/index.ts';
export { Tensor, type DType, type Shape, type TensorData } from './tensor.ts';
