// The painting over its photograph, with a slider between the two.

import { draw } from "./gallery.js";

const UNPAINTED = "No painting yet";

export class Viewer {
  #before = document.getElementById("before");
  #after = document.getElementById("after");
  #split = document.getElementById("split");
  #shown = null; // the photograph on the canvas

  constructor() {
    const viewer = document.getElementById("viewer");
    this.#split.addEventListener("input", () => this.#updateSplit());
    viewer.addEventListener("pointerdown", (event) => this.#drag(event));
    viewer.addEventListener("pointermove", (event) => event.buttons && this.#drag(event));
    window.addEventListener("resize", () => this.#updateSplit());
    this.clear();
  }

  /** Show a new photograph without a painting. */
  showPhoto(photo, bitmap) {
    if (photo === this.#shown) return;
    this.#shown = photo;
    draw(this.#before, bitmap);
    this.clear();
  }

  /** Show a photograph and its painting; for a frame of the camera, `photo` is null. */
  showPainting(photo, bitmap, painted, titles) {
    this.#shown = photo;
    draw(this.#before, bitmap);
    draw(this.#after, painted);
    this.#after.setAttribute("aria-label", `The painting, in the style of ${titles.join(" and ")}`);
    this.#updateSplit();
  }

  /** Remove the painting. */
  clear() {
    const { width, height } = this.#before;
    Object.assign(this.#after, { width, height });
    this.#after.setAttribute("aria-label", UNPAINTED);
    this.#updateSplit();
  }

  /** Remove the painting and the photograph. */
  empty() {
    this.#shown = null;
    this.#before.width = this.#before.width; // setting its size clears a canvas
    this.clear();
  }

  #updateSplit() {
    const percent = this.#split.valueAsNumber;
    const edge = this.#after.offsetLeft + (this.#after.offsetWidth * percent) / 100;
    const divider = document.getElementById("divider");
    document.getElementById("viewer").style.setProperty("--split", `${percent}%`);
    divider.style.left = `${edge}px`;
    divider.hidden = percent <= 0 || percent >= 100;
  }

  #drag(event) {
    const box = this.#after.getBoundingClientRect();
    const percent = Math.round((100 * (event.clientX - box.left)) / box.width);
    this.#split.value = Math.min(Math.max(percent, 0), 100);
    this.#updateSplit();
  }
}
