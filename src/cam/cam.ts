// Class activation maps of a classifier made of global average pooling and one linear layer (Zhou et al. 2016).

import { noGrad } from '../../runtime/autograd/tape.ts';
import { ShapeError } from '../../runtime/errors.ts';
import { matmul } from '../../runtime/ops/index.ts';
import type { Tensor } from '../../runtime/tensor.ts';

/**
 * M_c(x, y) = sum_k w_kc A_k(x, y). It is h w times the Grad-CAM of the score z_c = mean A w before the rectification,
 * so that both are the same map once they are divided by their maximum. Without gradient.
 * @param a activations f32 [n, h, w, k]
 * @param w weights of the classifier, f32 [k, c] or as a 1x1 convolution [1, 1, k, c]
 * @returns f32 [n, h, w, c], neither rectified nor scaled: see `normaliseMaps`
 * @example const maps = normaliseMaps(classActivationMaps(stages.at(-1)!, classifier));
 */
export function classActivationMaps(a: Tensor, w: Tensor): Tensor {
  const [n, h, wide, k] = a.shape;
  const c = w.shape.at(-1) ?? 0;
  if (a.rank !== 4 || w.rank < 2 || w.size !== k * c)
    throw new ShapeError(
      'classActivationMaps',
      `activations [${a.shape}] and weights [${w.shape}]`,
      'give [n, h, w, k] and [k, classes]',
    );
  return noGrad(() => matmul(a.view([n * h * wide, k]), w.view([k, c]))).view([n, h, wide, c]);
}
