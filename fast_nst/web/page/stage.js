// The painting over its photograph, and the slider that uncovers the one or the other.

import { draw } from "./gallery.js";

const UNPAINTED = "No painting yet";

export class Stage {
  #before = document.getElementById("before");
  #after = document.getElementById("after");
  #split = document.getElementById("split");
  #shown = null; // the photograph whose pixels are there

  constructor() {
    const stage = document.getElementById("stage");
    this.#split.addEventListener("input", () => this.#place());
    stage.addEventListener("pointerdown", (event) => this.#drag(event));
    stage.addEventListener("pointermove", (event) => event.buttons && this.#drag(event));
    window.addEventListener("resize", () => this.#place());
    this.clear();
  }

  /** Another photograph is seen by itself until its painting is there. */
  photograph(photo, bitmap) {
    if (photo === this.#shown) return;
    this.#shown = photo;
    draw(this.#before, bitmap);
    this.clear();
  }

  /** A painting of the photograph; or, with null for that, of a moment's picture. */
  painting(photo, bitmap, painted, titles) {
    this.#shown = photo;
    draw(this.#before, bitmap);
    draw(this.#after, painted);
    this.#after.setAttribute("aria-label", `The painting, in the style of ${titles.join(" and ")}`);
    this.#place();
  }

  /** Take the painting away: the photograph is seen. */
  clear() {
    const { width, height } = this.#before;
    Object.assign(this.#after, { width, height });
    this.#after.setAttribute("aria-label", UNPAINTED);
    this.#place();
  }

  /** Take everything away. */
  empty() {
    this.#shown = null;
    this.#before.width = this.#before.width; // a canvas that is given its size is cleared
    this.clear();
  }

  #place() {
    const percent = this.#split.valueAsNumber;
    const edge = this.#after.offsetLeft + (this.#after.offsetWidth * percent) / 100;
    const divider = document.getElementById("divider");
    document.getElementById("stage").style.setProperty("--split", `${percent}%`);
    divider.style.left = `${edge}px`;
    divider.hidden = percent <= 0 || percent >= 100;
  }

  #drag(event) {
    const box = this.#after.getBoundingClientRect();
    const percent = Math.round((100 * (event.clientX - box.left)) / box.width);
    this.#split.value = Math.min(Math.max(percent, 0), 100);
    this.#place();
  }
}
