// Denominators of the cross-entropies. Brought in by `// #import count`.

/// What a pixel adds to the denominator: nothing, one if it is valid, its class weight, its pixel weight.
alias COUNT = u32;
const COUNT_NONE: COUNT = 0u;
const COUNT_VALID: COUNT = 1u;
const COUNT_CLASS_WEIGHT: COUNT = 2u;
const COUNT_PIXEL_WEIGHT: COUNT = 3u;
