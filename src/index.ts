// The segmentation library, published as fewmask: networks, losses, schemes, metrics, training, on any platform.
// Tensors and operations are in fewmask/engine; a device comes from fewmask/node or fewmask/browser.

// Networks
export { AttentionBranch, type AttentionOptions } from './nn/attention.ts';
export {
  defineNetwork,
  type NetworkBasics,
  type NetworkConfig,
  type NetworkDefinition,
  type NetworkRecord,
} from './nn/define.ts';
export { createNetwork, networkNames, networkOf, networks, registerNetwork } from './nn/networks.ts';
export { DeepLabV3Plus, type DeepLabOptions } from './nn/deeplab.ts';
export {
  BatchNorm,
  Conv,
  ConvBn,
  ConvTranspose,
  type ConvBnOptions,
  type ConvOptions,
  type NormOptions,
} from './nn/layers.ts';
export {
  EVAL,
  fromTorch,
  Network,
  ParameterSet,
  toTorch,
  TRAIN,
  type Features,
  type ForwardMode,
  type Init,
  type TorchTensor,
} from './nn/module.ts';
export { ResNet, type ResNetOptions } from './nn/resnet.ts';
export { UNet, type UNetOptions } from './nn/unet.ts';

// Losses of the methods: `losses.ceAccepted(strong, label, accepted)`. The general ones are operations of the engine.
export * as losses from './losses/index.ts';

// Metrics and class activation maps
export { countConfusion, scores, type Scores } from './metrics/miou.ts';
export {
  activationMap,
  classActivationMaps,
  gradCam,
  listLayers,
  type CamMethod,
  type GradCamOptions,
  type LayerInfo,
} from './cam/index.ts';

// Data: what a data set is, and one that is drawn
export { createSynthetic, SYNTHETIC_CLASSES, type SyntheticOptions } from './data/synthetic.ts';
export { pack, SampleCache } from './data/batch.ts';
export type { Dataset, DatasetSplit, Sample, SourceBatch } from './data/types.ts';

// Schemes
export { standardize } from './augment/gpu/standardize.ts';
export { checkOptions, createScheme, registerScheme, schemeNames, schemeOf, schemes } from './schemes/index.ts';
export {
  defineScheme,
  Parts,
  RAMP,
  Step,
  WEIGHT,
  type Built,
  type Learner,
  type SchemeDefinition,
  type SchemeRecord,
} from './schemes/define.ts';
export { groupsOption, passGroups, type Group, type Groups } from './schemes/groups.ts';
export {
  labelsOf,
  type LabelledView,
  type PixelLabels,
  type TargetView,
  type UnlabelledView,
} from './schemes/views.ts';
export * as options from './options.ts';
export type { LabelMap, Scheme, SchemeContext, Stage, StepOutputs } from './schemes/scheme.ts';
export { StepContext, type Draw, type Moment, type SourceTensors, type StreamSpec } from './schemes/step.ts';

// Training
export { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from './train/checkpoint.ts';
export {
  DEFAULTS,
  learningRate,
  resolveConfig,
  type OptimizerConfig,
  type PartialConfig,
  type RunConfig,
} from './train/config.ts';
export { Evaluator } from './train/evaluate.ts';
export { preview, type Preview } from './train/preview.ts';
export { schemeContext, type SchemeFactory } from './train/buildScheme.ts';
export { runSession } from './train/session.ts';
export type { SessionHooks, SessionOptions, SessionResult } from './train/sessionOptions.ts';
export { SlidingWindow } from './train/slide.ts';
export {
  train,
  type BatchSource,
  type Position,
  type Progress,
  type Timing,
  type TrainerOptions,
} from './train/trainer.ts';
