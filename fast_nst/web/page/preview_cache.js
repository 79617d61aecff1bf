// Paintings at the preview's size, of the current photograph: a style whose thumbnail was painted
// shows at once when it is chosen.

const CAPACITY = 24;

export class PreviewCache {
  #paintings = new Map(); // key -> { bitmap, milliseconds }, least recently used first

  clear() {
    this.#paintings = new Map(); // one that is being painted goes to the old one
  }

  /** Stylize a copy of a photograph, of `side` px: `{ bitmap, milliseconds }` of a stylizer. */
  async stylize(stylizer, photo, side, options, signal) {
    const key = JSON.stringify([stylizer.place, photo.id, side, options]);
    const paintings = this.#paintings;
    let painting = paintings.get(key);
    paintings.delete(key);
    painting ??= await stylizer.stylize(await photo.atMost(side), options, signal);
    paintings.set(key, painting);
    if (paintings.size > CAPACITY) paintings.delete(paintings.keys().next().value);
    return painting;
  }
}
