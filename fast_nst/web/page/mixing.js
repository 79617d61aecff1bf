// Style vectors (models/graphs.py) on the bytes of model files: a file's parameters lie at known
// places, so that a copy of the root's bytes takes the mixed numbers, and nothing needs a parser.

/** The numbers at a place: [offset, length] in bytes, and whether they are float32 or float16. */
function numbers(bytes, [offset, length, type]) {
  const { buffer } = bytes.slice(offset, offset + length);
  return type === "float16" ? Float32Array.from(new Uint16Array(buffer), widened)
    : new Float32Array(buffer);
}

/** A float16's value, from its bits: few browsers have an array of them. */
function widened(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * A model file of several styles, or of one at another strength:
 * `P + strength * k * sum_i s_i (S_i - P)`, where k gives the sum the vectors' mean length.
 *
 * @param root { bytes, parameters }: P, and where its parameters, float32, lie.
 * @param styles Of each style S_i the same, and its share.
 * @param strength 0 is the root, 1 as long as the styles are.
 */
export function mix(root, styles, strength) {
  const sum = styles.reduce((total, style) => total + style.share, 0);
  const names = Object.keys(root.parameters);
  const mixed = {};
  const squares = styles.map(() => 0);
  let square = 0;
  for (const name of names) {
    const base = numbers(root.bytes, root.parameters[name]);
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
  const bytes = root.bytes.slice();
  for (const name of names) {
    const { base, vector } = mixed[name];
    const values = base.map((value, i) => value + factor * vector[i]);
    bytes.set(new Uint8Array(values.buffer), root.parameters[name][0]);
  }
  return bytes;
}

/** How much of the picture is the network's; the rest is the photograph's own pixels. */
export function paintingShare(strength, fadeBelow) {
  const t = Math.min(strength / fadeBelow, 1);
  return t * t * (3 - 2 * t);
}
