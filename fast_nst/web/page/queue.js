// The visitor's photographs: a strip of them, from which one is chosen.

import { drawBitmap } from "./bitmaps.js";
import { PhotoMask } from "./mask.js";
import { say } from "./words.js";

const SIDE = 96; // of a thumbnail, in px
export const MAX_FILES = 100;

const byId = (id) => document.getElementById(id);

export class PhotoQueue {
  #entries = []; // { blob, name, look, history, mask, item, button, canvas }
  #current = null;
  #onChoose;
  #onRemove;

  /**
   * @param onChoose Called with an entry that was clicked.
   * @param onRemove Called when an entry was removed, with those to choose from, the best first, if
   *   it was the current one, and all that are left.
   */
  constructor({ onChoose, onRemove }) {
    this.#onChoose = onChoose;
    this.#onRemove = onRemove;
  }

  get entries() {
    return this.#entries;
  }

  /** The entry whose photograph is on the stage; null before the first one. */
  get current() {
    return this.#current;
  }

  /** Show these entries, the current one marked. */
  show(entries, current) {
    const isChanged = entries.length !== this.#entries.length
      || entries.some((entry, i) => entry !== this.#entries[i]);
    this.#entries = entries;
    this.#current = current;
    byId("queue-section").hidden = entries.length < 2;
    if (isChanged) {
      byId("queue").replaceChildren(...entries.map(({ item }) => item));
      this.#drawThumbnails();
    }
    for (const entry of entries) entry.button.setAttribute("aria-current", entry === current);
    byId("own-look").checked = Boolean(current?.look);
  }

  /** These entries after those that there are, if there are several. */
  with(entries) {
    return [...(this.#entries.length > 1 ? this.#entries : []), ...entries];
  }

  /** A new entry, which is not shown yet; its look is null, that of all, or its own. */
  entryOf({ blob, name }) {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", title: name });
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: 64 });
    canvas.setAttribute("aria-hidden", "true");
    const label = Object.assign(document.createElement("span"), { textContent: name });
    button.append(canvas, label);
    const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
    remove.setAttribute("aria-label", say("removePhotograph", { name }));
    item.append(button, remove);
    const state = { look: null, history: null, mask: new PhotoMask(), isDrawn: false };
    const entry = { blob, name, ...state, item, button, canvas };
    button.addEventListener("click", () => this.#onChoose(entry));
    remove.addEventListener("click", () => this.#remove(entry));
    return entry;
  }

  /** Take a style that is gone out of the photographs' own looks, by `change`, and their masks. */
  dropStyle(gone, change) {
    for (const entry of this.#entries) {
      entry.look &&= change(entry.look);
      entry.history?.change(change);
      if (entry.mask.outside === gone) entry.mask.outside = "";
    }
  }

  async #drawThumbnails() {
    for (const entry of this.#entries) {
      if (entry.isDrawn || !this.#entries.includes(entry)) continue;
      entry.isDrawn = true;
      try {
        const options = { imageOrientation: "from-image", resizeWidth: SIDE, resizeQuality: "medium" };
        const bitmap = await createImageBitmap(entry.blob, options);
        drawBitmap(entry.canvas, bitmap);
        bitmap.close();
      } catch {
        // The browser cannot decode it: the service may, once it is chosen.
      }
    }
  }

  #remove(entry) {
    const place = this.#entries.indexOf(entry);
    const left = this.#entries.filter((other) => other !== entry);
    this.show(left, this.#current);
    const beside = [...left.slice(place), ...left.slice(0, place).reverse()];
    beside[0]?.button.focus();
    if (left.length < 2) byId("file").focus(); // the strip is gone
    this.#onRemove(entry === this.#current ? beside : [], left);
  }
}
