// Safetensors files, published as fewmask/safetensors: apart from fewmask/engine, so that those who save nothing carry
// none of it.

export { decodeSafetensors, encodeSafetensors, type FileTensor, type SafetensorsFile } from './io/safetensors.ts';
