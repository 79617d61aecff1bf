// Style vectors (stylize/graphs.py) on the bytes of model files: a file's parameters lie at known
// places, so that a copy of the root's bytes takes the mixed numbers, and nothing needs a parser.

/** The float32 numbers at a place: [offset, length] in bytes. */
function numbers(bytes, [offset, length]) {
  return new Float32Array(bytes.slice(offset, offset + length).buffer);
}

/**
 * A model file of several styles, or of one at another strength:
 * `P + strength * k * sum_i s_i (S_i - P)`, where k gives the sum the vectors' mean length.
 *
 * @param root { bytes, parameters }: P, and where its parameters lie.
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
