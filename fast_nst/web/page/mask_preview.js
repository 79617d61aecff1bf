// A painting and what is outside of its mask, composed at the preview's size.

import { partOf } from "./mask.js";
import { compose, fitMask } from "./pixels.js";

function contextOf(bitmap, { width, height }) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0, width, height);
  return context;
}

export class MaskPreview {
  #bitmaps = null; // { inside, outside }
  #contexts = null; // of the two, once they are needed

  /** Take a painting, and a bitmap of what is outside. */
  take(inside, outside) {
    if (inside === this.#bitmaps?.inside && outside === this.#bitmaps.outside) return;
    this.#bitmaps = { inside, outside };
    this.#contexts = null;
  }

  /**
   * Compose a part, or all where the mask has another size than the preview.
   *
   * @param mask { data, width, height }.
   * @param box Of the mask, in px; see mask.js.
   * @returns { image, left, top }; null while there is no painting.
   */
  part(mask, box) {
    if (!this.#bitmaps) return null;
    const { width, height } = this.#bitmaps.inside;
    this.#contexts ??= Object.values(this.#bitmaps).map((bitmap) => contextOf(bitmap, { width, height }));
    const isOfSize = mask.width === width && mask.height === height;
    const place = isOfSize ? box : { left: 0, top: 0, width, height };
    const [inside, outside] = this.#contexts.map((context) => (
      context.getImageData(place.left, place.top, place.width, place.height)));
    const weights = isOfSize ? partOf(mask, place) : fitMask(mask, width, height);
    const { data } = compose(outside, inside, weights);
    return { image: new ImageData(data, place.width, place.height), left: place.left, top: place.top };
  }

  /** A canvas of all of it. */
  all(mask) {
    const { image } = this.part(mask, { left: 0, top: 0, width: mask.width, height: mask.height });
    const canvas = new OffscreenCanvas(image.width, image.height);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }
}
