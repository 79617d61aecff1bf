// Numbers that several modules need.

/** By arrow key: the direction to the right and down. */
export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

/** Rounded to hundredths. */
export const hundredths = (value) => Math.round(100 * value) / 100;

export const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
