// Masks: where a photograph is painted. A byte for each pixel, as pictures/mask.py has it: 255 is
// painted, 0 is left, and between them lies a soft edge.

const KEPT = 30; // versions that can be undone
let count = 0;

/** A mask, which is never changed, only replaced. */
class Mask {
  #png;
  #share;

  constructor({ data, width, height }) {
    Object.assign(this, { data, width, height, id: count++ });
  }

  /** How much of the picture is painted, in 0..1. */
  get share() {
    this.#share ??= this.data.reduce((sum, level) => sum + level, 0) / (255 * this.data.length);
    return this.#share;
  }

  /** The mask's file, in gray. */
  png() {
    this.#png ??= encoded(this);
    return this.#png;
  }

  /** What stands for it in the key of a result. */
  toJSON() {
    return this.id;
  }
}

async function encoded({ data, width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  image.data.fill(255);
  for (let i = 0; i < data.length; i++) image.data.fill(data[i], 4 * i, 4 * i + 3);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** The mask { data, width, height } in such a file. */
export async function maskOf(png) {
  const bitmap = await createImageBitmap(png, { colorSpaceConversion: "none" });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { data: data.filter((_, i) => i % 4 === 0), width, height };
}

/** The versions of a photograph's mask, and the style outside of it. */
export class PhotoMask {
  outside = ""; // name of a style; "" for the photograph
  #versions = [null];
  #place = 0;

  /** The present mask; null where all of the picture is painted. */
  get current() {
    return this.#versions[this.#place];
  }

  /** { mask, outside } of the paint options; null where all of the picture is painted. */
  get region() {
    return this.current && { mask: this.current, outside: this.outside };
  }

  get canUndo() {
    return this.#place > 0;
  }

  get canRedo() {
    return this.#place < this.#versions.length - 1;
  }

  /** Add a version { data, width, height } after the present one; what was undone is dropped. */
  add(picture) {
    const mask = picture.data.every((level) => level === 255) ? null : new Mask(picture);
    if (!mask && !this.current) return;
    this.#versions = [...this.#versions.slice(0, this.#place + 1), mask].slice(-KEPT);
    this.#place = this.#versions.length - 1;
  }

  undo() {
    this.#place--;
  }

  redo() {
    this.#place++;
  }
}

/** A picture of one level. */
export function filled(level, { width, height }) {
  return { data: new Uint8ClampedArray(width * height).fill(level), width, height };
}

export function inverted({ data, ...size }) {
  return { data: data.map((level) => 255 - level), ...size };
}

/** A part of a mask: `box` is { left, top, width, height }, in px. */
export function partOf({ data, width }, box) {
  const part = filled(0, box);
  for (let y = 0; y < box.height; y++) {
    const first = (box.top + y) * width + box.left;
    part.data.set(data.subarray(first, first + box.width), y * box.width);
  }
  return part;
}

/**
 * Draw a line with a round brush.
 *
 * @param mask A picture, which is changed.
 * @param from, to Points { x, y }, in px.
 * @param tool { radius, softness, isPaint }: the brush's radius in px, the share of it that the soft
 *   edge takes, and whether it paints or leaves what it covers.
 * @returns The box that may have changed; null for none.
 */
export function drawLine(mask, from, to, tool) {
  const { radius } = tool;
  const ramp = Math.max(tool.softness * radius, 1);
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const square = dx * dx + dy * dy;
  const reach = radius + 0.5;
  const box = {
    left: Math.min(from.x, to.x) - reach, right: Math.max(from.x, to.x) + reach,
    top: Math.min(from.y, to.y) - reach, bottom: Math.max(from.y, to.y) + reach,
  };
  return draw(mask, box, tool.isPaint, (x, y) => {
    const along = square ? ((x - from.x) * dx + (y - from.y) * dy) / square : 0;
    const at = Math.min(Math.max(along, 0), 1);
    return (reach - Math.hypot(x - from.x - at * dx, y - from.y - at * dy)) / ramp;
  });
}

/** The same for a rectangle { left, top, right, bottom }; half its shorter side is the radius. */
export function drawRectangle(mask, rectangle, { softness, isPaint }) {
  const [left, top, right, bottom] = ["left", "top", "right", "bottom"].map(
    (side) => Math.round(rectangle[side]));
  const ramp = Math.max((softness * Math.min(right - left, bottom - top)) / 2, 0.5);
  return draw(mask, { left, top, right, bottom }, isPaint, (x, y) => (
    Math.min(x - left, right - x, y - top, bottom - y) / ramp));
}

/** Draw a shape by `cover`, from 0 to 1, at the centers of the pixels in a box. */
function draw({ data, width, height }, box, isPaint, cover) {
  const left = Math.max(Math.floor(box.left), 0);
  const top = Math.max(Math.floor(box.top), 0);
  const right = Math.min(Math.ceil(box.right), width);
  const bottom = Math.min(Math.ceil(box.bottom), height);
  if (left >= right || top >= bottom) return null;
  for (let y = top; y < bottom; y++) {
    for (let x = left, at = y * width + left; x < right; x++, at++) {
      const level = 255 * Math.min(Math.max(cover(x + 0.5, y + 0.5), 0), 1);
      // The larger of the two, not their sum: a soft edge stays soft below several strokes.
      data[at] = isPaint ? Math.max(data[at], level) : Math.min(data[at], 255 - level);
    }
  }
  return { left, top, width: right - left, height: bottom - top };
}

/** The smallest box around two; either may be null. */
export function around(one, other) {
  if (!one || !other) return one ?? other;
  const [left, top] = [Math.min(one.left, other.left), Math.min(one.top, other.top)];
  const right = Math.max(one.left + one.width, other.left + other.width);
  const bottom = Math.max(one.top + one.height, other.top + other.height);
  return { left, top, width: right - left, height: bottom - top };
}
