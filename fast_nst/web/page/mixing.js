// Task vectors (models/graphs.py) on the bytes of model files. The offsets of their parameters are
// known, so that blended parameters are written into a copy of a file without parsing it.

/** The parameters at [offset, length] in bytes, of type float32 or float16. */
function numbers(bytes, [offset, length, type]) {
  const { buffer } = bytes.slice(offset, offset + length);
  return type === "float16" ? Float32Array.from(new Uint16Array(buffer), widened)
    : new Float32Array(buffer);
}

/** The value of a float16 from its bits: not all browsers have Float16Array. */
function widened(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * The model file of a blend, or of one style at another strength:
 * `P + strength * k * sum_i s_i (S_i - P)`, where k gives the sum the task vectors' mean length.
 *
 * @param identity { bytes, parameters } of the identity model P: the file, and its parameters'
 *   offsets, float32.
 * @param styles The same of each style S_i, and its share s_i.
 * @param strength 0 gives the identity model, 1 the styles' own strength.
 */
export function mix(identity, styles, strength) {
  const sum = styles.reduce((total, style) => total + style.share, 0);
  const names = Object.keys(identity.parameters);
  const mixed = {};
  const squares = styles.map(() => 0);
  let square = 0;
  for (const name of names) {
    const base = numbers(identity.bytes, identity.parameters[name]);
    const vector = new Float64Array(base.length);
    styles.forEach((style, number) => {
      const values = numbers(style.bytes, style.parameters[name]);
      for (let i = 0; i < base.length; i++) {
        const difference = values[i] - base[i];
        squares[number] += difference * difference;
        vector[i] += (style.share / sum) * difference;
      }
    });
    for (const value of vector) square += value * value;
    mixed[name] = { base, vector };
  }
  const kept = styles.reduce(
    (total, style, i) => total + (style.share / sum) * Math.sqrt(squares[i]), 0);
  const factor = square > 0 ? (strength * kept) / Math.sqrt(square) : 0;
  const bytes = identity.bytes.slice();
  for (const name of names) {
    const { base, vector } = mixed[name];
    const values = base.map((value, i) => value + factor * vector[i]);
    bytes.set(new Uint8Array(values.buffer), identity.parameters[name][0]);
  }
  return bytes;
}

/** The painting's share in the result at low strength; the rest is the photograph. */
export function paintingShare(strength, fadeBelow) {
  const t = Math.min(strength / fadeBelow, 1);
  return t * t * (3 - 2 * t);
}
