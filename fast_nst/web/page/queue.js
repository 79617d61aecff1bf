// The visitor's photographs: a strip of them, from which one is chosen.

import { drawBitmap, resizeBitmap } from "./bitmaps.js";
import { PhotoMask } from "./mask.js";
import { say } from "./words.js";

const SIDE = 96; // of a thumbnail, in px
export const MAX_FILES = 100;

export class PhotoQueue {
  #entries = []; // { blob, name, look, mask, item, button }
  #current = null;
  #onChoose;
  #onRemove;

  /**
   * @param onChoose Called with an entry that was clicked: { blob, name, look, mask }, where the look
   *   is the photograph's own or null, and the mask a `PhotoMask`.
   * @param onRemove Called with the entry that is current after one was removed.
   */
  constructor({ onChoose, onRemove }) {
    this.#onChoose = onChoose;
    this.#onRemove = onRemove;
  }

  get entries() {
    return this.#entries;
  }

  get current() {
    return this.#current;
  }

  /** Replace all photographs by these files. */
  set(files) {
    this.#entries = files.map(({ blob, name }) => this.#entry(blob, name));
    this.choose(this.#entries[0] ?? null);
  }

  /** Mark an entry as the current one. */
  choose(entry) {
    this.#current = entry;
    document.getElementById("queue-section").hidden = this.#entries.length < 2;
    document.getElementById("queue").replaceChildren(...this.#entries.map(({ item }) => item));
    for (const { button, ...other } of this.#entries) {
      button.setAttribute("aria-current", other.item === entry?.item);
    }
    document.getElementById("own-look").checked = Boolean(entry?.look);
  }

  /** Show an entry's photograph in the strip. */
  async show(entry, bitmap) {
    drawBitmap(entry.canvas, await resizeBitmap(bitmap, SIDE));
  }

  #entry(blob, name) {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", title: name });
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: 64 });
    canvas.setAttribute("aria-hidden", "true");
    const label = Object.assign(document.createElement("span"), { textContent: name });
    button.append(canvas, label);
    const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
    remove.setAttribute("aria-label", say("removePhotograph", { name }));
    item.append(button, remove);
    const entry = { blob, name, look: null, mask: new PhotoMask(), item, button, canvas };
    button.addEventListener("click", () => this.#onChoose(entry));
    remove.addEventListener("click", () => this.#remove(entry));
    return entry;
  }

  #remove(entry) {
    const place = this.#entries.indexOf(entry);
    this.#entries = this.#entries.filter((other) => other !== entry);
    const isCurrent = entry === this.#current;
    this.choose(isCurrent ? this.#entries[Math.min(place, this.#entries.length - 1)] : this.#current);
    if (isCurrent) this.#onRemove(this.#current);
  }
}
