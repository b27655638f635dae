// The ONNX importer, published as fewmask/onnx: apart from fewmask/engine, so that those who load no models carry none of it.

export { loadOnnx, OnnxGraph } from './io/onnx/graph.ts';
export type { OnnxModel, OnnxNode, OnnxAttribute, OnnxTensor, OnnxType, OnnxValueInfo } from './io/onnx/model.ts';
