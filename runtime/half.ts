// Half-precision numbers on the host.

/** f16 bits as f32 values. */
export function halfToFloat(half: Uint16Array): Float32Array {
  return Float32Array.from(half, (h) => {
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

/** Numbers as f16 bits, rounded to the nearest, ties to even; what is too large becomes infinite. */
export function floatToHalf(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(values, (v) => {
    const sign = v < 0 || Object.is(v, -0) ? 0x8000 : 0;
    const a = Math.abs(v);
    if (Number.isNaN(v)) return 0x7e00;
    // The spacing of f16 numbers around a: that of the subnormal ones below 2^-14.
    const exponent = Math.max(-14, Math.min(16, Math.floor(Math.log2(a))));
    const steps = roundToEven(a / 2 ** (exponent - 10));
    const bits = exponent === -14 ? steps : (exponent + 14) * 1024 + steps;
    return sign | Math.min(bits, 0x7c00);
  });
}

function roundToEven(v: number): number {
  const low = Math.floor(v);
  const rest = v - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}
