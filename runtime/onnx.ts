// The ONNX importer, published as fewmask/onnx, apart from fewmask/engine: only those who load models load it.

export { loadOnnx, OnnxGraph } from './io/onnx/graph.ts';
export { onnxFiles } from './io/onnx/model.ts';
export type {
  ExternalData,
  OnnxAttribute,
  OnnxDimension,
  OnnxModel,
  OnnxNode,
  OnnxOptions,
  OnnxOutputInfo,
  OnnxTensor,
  OnnxType,
  OnnxValueInfo,
} from './io/onnx/model.ts';
