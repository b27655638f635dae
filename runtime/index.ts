// The engine's public face, published as fewmask/engine. What is not here is internal: the pieces that only this
// project's training needs are imported from their own files. Images are NHWC, convolution weights HWIO; names and
// meanings are PyTorch's in camelCase.

// Devices and tensors
export { deviceDescriptor } from './device/adapter.ts';
export { Device, type AdapterInfo, type DeviceOptions, type Dispatch } from './device/device.ts';
export { Tensor, type DType, type Elements, type Ranked, type Real, type Shape, type TensorData } from './tensor.ts';
export {
  arange,
  empty,
  emptyLike,
  eye,
  linspace,
  ones,
  onesLike,
  parameter,
  randomSeed,
  tensor,
  zerosLike,
  type Depth,
  type DTypeOf,
  type NestedNumbers,
} from './create.ts';
export { leakReport, liveTensors, traceTensors, type LiveTensor } from './memory.ts';
export { Rng } from './random.ts';
export * from './errors.ts';

// Gradients, plans, operations and kernels of your own
export { grad } from './autograd/grad.ts';
export {
  defineOp,
  noGrad,
  type Backward,
  type BackwardContext,
  type GradOptions,
  type Op,
  type OpRecord,
} from './autograd/tape.ts';
export {
  Plan,
  plan,
  type DeclareInput,
  type InputSpec,
  type PlanInputs,
  type PlanMemory,
  type PlanOutputs,
} from './autograd/plan.ts';
export type { Choice } from './kernel/choice.ts';
export { shader, Shader } from './kernel/shader.ts';
export type { Constants, ParamValue } from './kernel/kernel.ts';

// Modules
export { EVAL, Module, Parameter, TRAIN, type ForwardMode, type ParameterOptions } from './modules/module.ts';
export {
  BatchNorm,
  Conv2d,
  ConvTranspose2d,
  Dropout,
  Dropout2d,
  Embedding,
  GroupNorm,
  LayerNorm,
  Linear,
  RMSNorm,
  Sequential,
  type Conv2dLayerOptions,
  type Step,
} from './modules/layers.ts';
export { mixedPrecision } from './modules/precision.ts';
export {
  fromTorch,
  toTorch,
  type Fan,
  type Init,
  type LoadOptions,
  type TorchLayout,
  type TorchTensor,
} from './modules/state.ts';

// Optimisers
export {
  Optimizer,
  noDecayForVectors,
  type Gradients,
  type NamedTensors,
  type OptimizerOptions,
  type ParamGroup,
} from './optim/optimizer.ts';
export { Sgd, type SgdOptions } from './optim/sgd.ts';
export { AdamW, type AdamWOptions } from './optim/adamw.ts';
export { Adagrad, Rmsprop, type RmspropOptions } from './optim/rmsprop.ts';
export { Ema, type EmaOptions, type NetworkTensors } from './optim/ema.ts';
export { GradientSum, accumulate } from './optim/accumulate.ts';
export { clipCoefficient } from './optim/clip.ts';
export { LossScaler, type LossScalerOptions } from './optim/lossScaler.ts';
export { HYPER_SIZE, hyperTensor, hyperValues, type HyperValues } from './optim/hyper.ts';
export * as schedules from './optim/schedules.ts';

// Elementwise: arithmetic, functions, activations, comparisons
export {
  abs,
  acos,
  acosh,
  add,
  asin,
  asinh,
  atan,
  atan2,
  atanh,
  ceil,
  clamp,
  cos,
  cosh,
  div,
  erf,
  exp,
  expm1,
  floor,
  floorDivide,
  fmod,
  log,
  log1p,
  log2,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  reciprocal,
  remainder,
  round,
  rsqrt,
  sign,
  sin,
  sinh,
  sqrt,
  square,
  sub,
  tan,
  tanh,
  trunc,
  weightedSum,
  type Operand,
  type Paired,
  type PairedReal,
  type RankOf,
  type WeightedTerm,
} from './ops/index.ts';
export {
  celu,
  elu,
  gelu,
  hardsigmoid,
  hardswish,
  hardtanh,
  leakyRelu,
  logSigmoid,
  mish,
  prelu,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softplus,
  softsign,
} from './ops/index.ts';
export {
  eq,
  ge,
  gt,
  isFinite,
  isInf,
  isNan,
  le,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
  lt,
  maskedFill,
  ne,
  where,
} from './ops/index.ts';
export { cast } from './ops/index.ts';

// Reductions, order, sums along an axis
export {
  all,
  amax,
  amin,
  any,
  argmax,
  argmin,
  argsort,
  bincount,
  cumsum,
  logsumexp,
  maxDim,
  mean,
  minDim,
  norm,
  normalize,
  prod,
  sort,
  std,
  sum,
  sumTo,
  topk,
  variance,
  type Picked,
  type ReduceOptions,
  type VarianceOptions,
} from './ops/index.ts';
export type { Axes } from './kernel/axes.ts';
export { logSoftmax, softmax, type SoftmaxOptions } from './ops/index.ts';

// Shapes, parts, indices
export {
  chunk,
  concat,
  detach,
  expand,
  flatten,
  flip,
  pad,
  pad2d,
  permute,
  pixelShuffle,
  pixelUnshuffle,
  repeat,
  repeatInterleave,
  reshape,
  roll,
  slice,
  split,
  squeeze,
  stack,
  transpose,
  tril,
  triu,
  unsqueeze,
  type PadOptions,
  type Range,
  type Rule,
} from './ops/index.ts';
export {
  embedding,
  gather,
  index,
  indexAdd,
  indexSelect,
  oneHot,
  scatter,
  scatterAdd,
  scatterReduce,
} from './ops/index.ts';
export { full, zeros } from './ops/index.ts';

// Networks: matrices, convolution, pooling, normalisation, attention, dropout, sampling
export {
  cosineSimilarity,
  einsum,
  linear,
  matmul,
  scaledDotProductAttention,
  type MatmulOptions,
  type ScaledDotProductAttentionOptions,
} from './ops/index.ts';
export {
  conv1d,
  conv2d,
  convTranspose2d,
  fold,
  unfold,
  type Conv1dOptions,
  type Conv2dOptions,
  type ConvTranspose2dOptions,
  type Padding,
  type Pair,
  type UnfoldOptions,
} from './ops/index.ts';
export {
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  adaptiveMaxPool2dWithIndices,
  avgPool2d,
  globalAvgPool,
  globalMaxPool,
  maxPool2d,
  maxPool2dWithIndices,
  type AvgPool2dOptions,
  type MaxPool2dOptions,
} from './ops/index.ts';
export type { PoolOptions } from './kernel/windows.ts';
export {
  batchNorm,
  groupNorm,
  instanceNorm,
  layerNorm,
  rmsNorm,
  type BatchNormOptions,
  type NormOptions,
} from './ops/index.ts';
export { bernoulli, dropout, dropout2d, normal, uniform } from './ops/index.ts';
export {
  affineGrid,
  gridSample,
  interpolate,
  projectiveGrid,
  resizeBilinear,
  resizeNearest,
  type Coordinates,
  type GridOptions,
  type GridSampleOptions,
  type InterpolateOptions,
  type ResizeNearestOptions,
  type ResizeOptions,
} from './ops/index.ts';

// Losses
export {
  bceWithLogits,
  crossEntropy,
  crossEntropyMap,
  dice,
  huber,
  klDiv,
  l1,
  mse,
  nll,
  nllMap,
  sigmoidFocal,
  smoothL1,
  softCrossEntropy,
  softDice,
  softCrossEntropyMap,
  type CrossEntropyMapOptions,
  type CrossEntropyOptions,
  type Denominator,
  type NllMapOptions,
  type PairLossOptions,
  type SoftDiceOptions,
  type SoftCrossEntropyMapOptions,
  type SoftCrossEntropyOptions,
} from './ops/index.ts';
