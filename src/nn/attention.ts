// The attention branch of PseudoSeg (Zou et al. 2021): an image-level classifier, and self-attention that refines its
// activation maps into scores.

import {
  add,
  batchNorm,
  concat,
  detach,
  dropout,
  full,
  globalAvgPool,
  matmul,
  mul,
  reshape,
  softmax,
  weightedSum,
} from '../../runtime/ops/index.ts';
import { channelMax, maskPairs } from '../ops/index.ts';
import { ShapeError } from '../../runtime/errors.ts';
import type { Parameter } from '../../runtime/modules/module.ts';
import { single } from '../../runtime/modules/precision.ts';
import type { Tensor } from '../../runtime/tensor.ts';
import { Conv } from './layers.ts';
import { networkArguments, ParameterSet, type ForwardMode, type NetworkArguments } from './module.ts';
import { resizeLike } from './resize.ts';

export interface AttentionOptions {
  /** Channels of the encoder's stages, deepest last; the last two are used. */
  encoderChannels: readonly number[];
  numClasses: number;
  /** Classes that the classifier knows: all but the background. */
  foreground: number;
  /** Channels of keys and queries (default 128). */
  dims?: number;
  /** Probability with which a pooled activation is dropped in front of the classifier (default 0.5). */
  dropout?: number;
  seed?: number;
}

/**
 * Classifier and self-attention, trained beside a network. Parameters: `classifier`, `key`, `query`, `score`,
 * `score_bn`.
 * @example
 * const branch = new AttentionBranch(device, { encoderChannels: net.encoderChannels, numClasses: 21, foreground: 20 });
 * const m = branch.attend(features.stages, maps, valid, TRAIN);
 */
export class AttentionBranch extends ParameterSet {
  private readonly classifier: Conv;
  private readonly key: Conv;
  private readonly query: Conv;
  private readonly score: Conv;
  private readonly beta: Parameter;
  private readonly mean: Parameter;
  private readonly variance: Parameter;
  private readonly dims: number;
  private readonly dropoutRate: number;

  constructor(...given: NetworkArguments<AttentionOptions>) {
    const { device, options: o } = networkArguments(given);
    super(device, o.seed ?? 0);
    const [upper, deepest] = o.encoderChannels.slice(-2);
    if (deepest === undefined)
      throw new ShapeError(
        'attention',
        `the encoder has ${o.encoderChannels.length} stages`,
        'the hypercolumn needs two',
      );
    this.dims = o.dims ?? 128;
    this.dropoutRate = o.dropout ?? 0.5;
    this.classifier = new Conv(this, 'classifier', deepest, o.foreground, 1, { bias: true });
    this.key = new Conv(this, 'key', upper + deepest, this.dims, 1);
    this.query = new Conv(this, 'query', upper + deepest, this.dims, 1);
    this.score = new Conv(this, 'score', 1 + o.foreground, o.numClasses, 1);
    this.beta = this.param('score_bn.bias', [o.numClasses], 'zeros');
    this.mean = this.buffer('score_bn.running_mean', [o.numClasses], 0);
    this.variance = this.buffer('score_bn.running_var', [o.numClasses], 1);
    this.markHead('');
  }

  /** Weights of the classifier, [1, 1, k, foreground]: what activation maps are made with. */
  get classifierWeights(): Tensor {
    return this.classifier.w;
  }

  /**
   * Image-level scores: global average, dropout, linear.
   * @param stages the encoder's activations; only the deepest counts
   * @param mode `dropout` is drawn from the mode's seed, and left out without one
   * @returns logits [n, foreground]
   */
  classify(stages: readonly Tensor[], mode: Pick<ForwardMode, 'dropout'>): Tensor {
    const pooled = globalAvgPool(stages.at(-1)!);
    const z = single(this.classifier.forward(mode.dropout ? dropout(pooled, mode.dropout, this.dropoutRate) : pooled));
    const [n, , , k] = z.shape;
    return reshape(z, [n, k]);
  }

  /** E: the two deepest stages at the size of the deepest, a constant. [n, h, w, e] */
  hypercolumn(stages: readonly Tensor[]): Tensor {
    const [upper, deepest] = stages.slice(-2);
    return concat([detach(resizeLike(detach(upper), deepest.shape)), detach(deepest)], 3);
  }

  /**
   * S = softmax(q k' / sqrt(d)) M + M: every position gathers the maps of the positions that look like it.
   * @param column hypercolumn [n, h, w, e]
   * @param maps M, activation maps [n, h, w, foreground] in [0, 1], constants
   * @param valid f32 [n, h, w]: pairs with an end where it is 0 do not count
   * @returns [n, h, w, foreground], 0 to 2
   */
  refine(column: Tensor, maps: Tensor, valid: Tensor): Tensor {
    const [n, h, w] = column.shape;
    const m = reshape(maps, [n, h * w, maps.shape[3]]);
    const project = (layer: Conv): Tensor => reshape(layer.forward(column), [n, h * w, this.dims]);
    // Divided before the product: a sum of `dims` products of large activations would not fit into f16.
    const query = mul(project(this.query), 1 / Math.sqrt(this.dims));
    const scores = single(matmul(query, project(this.key), { transposeB: true }));
    const gathered = matmul(softmax(maskPairs(scores, valid.view([n, h * w]))), m);
    return reshape(add(gathered, m), maps.shape);
  }

  /**
   * The branch's class scores: background b = 2 - max_c S beside S, a 1x1 convolution, batch normalisation with a shift
   * only (eps 1e-3, decay 0.999). Gradients reach the parameters alone: stages and maps are constants.
   * @param stages the encoder's activations [n, h_i, w_i, c_i], deepest last
   * @param maps activation maps [n, h, w, foreground] in [0, 1], at the size of the deepest stage
   * @param valid f32 [n, h, w], 0 where a position does not count
   * @param mode batch normalisation: of the batch in 'train', else by the running statistics
   * @returns logits [n, h, w, classes] at the size of the deepest stage
   * @throws ShapeError when maps or validity are of another size
   */
  attend(stages: readonly Tensor[], maps: Tensor, valid: Tensor, mode: ForwardMode): Tensor {
    const s = this.refine(this.hypercolumn(stages), detach(maps), valid);
    const top = channelMax(s);
    const background = weightedSum([[full(this.device, top.shape, 2)], [top, -1]]);
    const y = single(this.score.forward(concat([background, s], 3)));
    const gamma = full(this.device, [y.shape[3]], 1);
    const bn = mode.bn === 'train' ? 'train' : 'eval';
    const running = { mean: this.mean.value, variance: this.variance.value };
    const options = { mode: bn, update: mode.update ?? true, eps: 1e-3, momentum: 1e-3 } as const;
    return batchNorm(y, gamma, this.beta.value, running, options);
  }
}
