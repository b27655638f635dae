// Grad-CAM (Selvaraju et al. 2017) and relatives for segmentation networks: the evidence for a class in each pixel, at
// one layer.

import { grad } from '../../runtime/autograd/grad.ts';
import { ShapeError, UsageError } from '../../runtime/errors.ts';
import { add, div, full, globalAvgPool, matmul, mul, oneHot, relu, resizeBilinear } from '../../runtime/ops/index.ts';
import { normaliseMaps, pseudoLabel } from '../ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { EVAL, type Network } from '../nn/module.ts';

export type CamMethod =
  /** ReLU(sum_k mean(dz/dA_k) A_k). */
  | 'gradcam'
  /**
   * ReLU(sum_k w_k A_k), w_k = sum of ReLU(dz/dA_k) a_k, a = g^2 / (2 g^2 + g^3 sum A_k) with g = dz/dA_k: several
   * things of a class count alike (Chattopadhay et al. 2018).
   */
  | 'gradcam++'
  /** ReLU(sum_k dz/dA_k A_k): true to the place where the gradient acts (Draelos and Carin 2020). */
  | 'hirescam'
  /** sum_k ReLU(dz/dA_k) A_k, rectified: finer maps of shallow layers (Jiang et al. 2021). */
  | 'layercam';

export interface GradCamOptions {
  /** Name of a layer, see `listLayers`; default: the deepest stage of the encoder. */
  layer?: string;
  /**
   * The class whose score is explained; 'predicted' (default) sums in each pixel the score of the class that is
   * predicted there.
   */
  target?: number | 'predicted';
  /**
   * With a class: sum its score over the pixels that are 'predicted' as it (default; a class that is predicted nowhere
   * gives an empty map), or over 'all'.
   */
  pixels?: 'predicted' | 'all';
  /** f32 [n, h, w]: a factor for the pixels of the sum, such as a mask of the object in question. */
  region?: Tensor;
  /** Default 'gradcam'. */
  method?: CamMethod;
  /**
   * 'min-max' (default) stretches each map from its least to its largest value, 'max' divides by the largest; at the
   * layer's size and, as enlarging lowers peaks, again at the image's.
   */
  normalise?: 'min-max' | 'max';
}

/**
 * Activation maps of images, computed in evaluation mode. The score z is the sum of scores before the softmax, over
 * pixels; the gradient of z with respect to the layer weighs the layer's channels. Scaled before and after it is
 * enlarged, as in pytorch-grad-cam. A map without any evidence is 0. What is made on the way is freed; inside a plan it
 * is recorded.
 * @param image f32 [n, h, w, 3], standardized as for training
 * @returns f32 [n, h, w] in [0, 1], enlarged to the image (half-pixel bilinear)
 * @throws UsageError when there is no such layer, or gradients are switched off
 * @example const heat = gradCam(net, standardize(photo), { target: 3, layer: 'enc2.1' });
 */
export function gradCam(network: Network, image: Tensor, options: GradCamOptions = {}): Tensor {
  if (image.rank !== 4 || image.dtype !== 'f32')
    throw new ShapeError('gradCam', `the image is [${image.shape}] ${image.dtype}, not f32 [n, h, w, 3]`);
  const [n, h, w] = image.shape;
  return network.device.scope(() => {
    const { a, logits } = forward(network, image, options.layer);
    const [g] = grad(logits, [a], { dy: scoreGradient(logits, options) });
    const by = options.normalise ?? 'min-max';
    const map = normaliseMaps(activationMap(a, g, options.method), { by });
    return normaliseMaps(resizeBilinear(map, [h, w]), { by }).view([n, h, w]);
  });
}

/** The layer's activations and the logits that depend on them. */
function forward(network: Network, image: Tensor, layer: string | undefined): { a: Tensor; logits: Tensor } {
  const tap = new Map<string, Tensor>();
  const features = network.encode(image, { ...EVAL, tap });
  const logits = network.decode(features, { ...EVAL, tap });
  const a = layer === undefined ? features.stages.at(-1)! : tap.get(layer);
  if (!a || a.rank !== 4)
    throw new UsageError(`the network has no layer "${layer}"`, `choose one of ${[...tap.keys()].join(', ')}`);
  if (!a.tracked)
    throw new UsageError(
      'no gradient reaches the layer',
      'gradCam must not be called inside noGrad, and the parameters must require gradients',
    );
  return { a, logits };
}

/** dz/dlogits: 1 at the score that each pixel adds to the sum. */
function scoreGradient(logits: Tensor, { target = 'predicted', pixels = 'predicted', region }: GradCamOptions): Tensor {
  const shape = logits.shape.slice(0, -1);
  const classes = logits.shape.at(-1)!;
  if (region && (region.size !== logits.size / classes || region.dtype !== 'f32'))
    throw new ShapeError('gradCam', `the region is [${region.shape}] ${region.dtype}`, `give f32 [${shape}]`);
  if (target !== 'predicted' && !(Number.isInteger(target) && target >= 0 && target < classes))
    throw new ShapeError('gradCam', `there is no class ${target}`, `give 0 to ${classes - 1}, or 'predicted'`);
  const everywhere = target !== 'predicted' && pixels === 'all';
  const labels = everywhere ? full(logits.device, shape, target, 'i32') : pseudoLabel(logits).label;
  return oneHot(labels, classes, { weight: region, only: target === 'predicted' ? undefined : target });
}

/**
 * The map before scaling, from activations and their gradient.
 * @param a f32 [n, h, w, k]
 * @param g dz/da, the same shape
 * @returns f32 [n, h, w, 1], rectified
 */
export function activationMap(a: Tensor, g: Tensor, method: CamMethod = 'gradcam'): Tensor {
  const [n, h, w, k] = a.shape;
  if (a.rank !== 4 || String(g.shape) !== String(a.shape))
    throw new ShapeError(
      'activationMap',
      `activations [${a.shape}] and gradient [${g.shape}]`,
      'give two [n, h, w, k]',
    );
  const rows = [n, h * w, k];
  let sum: Tensor;
  if (method === 'gradcam') sum = matmul(a.view(rows), globalAvgPool(g).view([n, k, 1]));
  else if (method === 'gradcam++') sum = matmul(a.view(rows), plusPlusWeights(a, g).view([n, k, 1]));
  else if (method === 'hirescam' || method === 'layercam')
    sum = matmul(mul(a, method === 'layercam' ? relu(g) : g).view(rows), full(a.device, [k, 1], 1));
  else
    throw new UsageError(
      `there is no method "${String(method)}"`,
      "use 'gradcam', 'gradcam++', 'hirescam' or 'layercam'",
    );
  return relu(sum).view([n, h, w, 1]);
}

/** Keeps the quotient of Grad-CAM++ finite; as in pytorch-grad-cam. */
const EPSILON = 1e-6;

/** The weights of Grad-CAM++. @returns f32 [n, 1, 1, k] */
function plusPlusWeights(a: Tensor, g: Tensor): Tensor {
  const pixels = a.shape[1] * a.shape[2];
  const squared = mul(g, g);
  const below = add(add(mul(squared, 2), mul(mul(squared, g), mul(globalAvgPool(a), pixels))), EPSILON);
  // Where the gradient is 0 the quotient is, too.
  return mul(globalAvgPool(mul(relu(g), div(squared, below))), pixels);
}
