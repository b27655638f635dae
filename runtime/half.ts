// Half-precision numbers on the host.

/** f16 bits as f32 values. */
export function halfToFloat(half: Uint16Array): Float32Array {
  return Float32Array.from(half, (h) => {
    const sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, fraction = h & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
