// Several styles side by side.

import { draw } from "./gallery.js";
import { Newest } from "./turns.js";

const SIDE = 512; // of each, in px

export class Comparison {
  #rounds = new Newest();
  #failed = new Set(); // what to paint again
  #turns;
  #paint;
  #words;

  /**
   * @param turns Who paints next.
   * @param paint (style, side, signal) -> an ImageBitmap of the photograph in that style.
   * @param words (error) -> what it says to the one who reads the page.
   */
  constructor({ turns, paint, words }) {
    this.#turns = turns;
    this.#paint = paint;
    this.#words = words;
  }

  /** Paint these, in place of what was there. */
  show(styles) {
    const signal = this.#rounds.next();
    this.#failed.clear();
    document.getElementById("compare-section").hidden = !styles.length;
    const figures = styles.map((style) => this.#figure(style));
    document.getElementById("compare").replaceChildren(...figures.map(({ figure }) => figure));
    for (const one of figures) this.#later(one, signal);
  }

  /** Try once more what failed. */
  retry() {
    const again = [...this.#failed];
    this.#failed.clear();
    for (const one of again) this.#later(one, this.#rounds.signal);
  }

  #figure(style) {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `The painting, in the style of ${style.title}`);
    const caption = document.createElement("figcaption");
    caption.textContent = style.title;
    figure.append(canvas, caption);
    return { style, figure, canvas, caption };
  }

  #later(one, signal) {
    const { style, canvas, caption } = one;
    this.#turns.later(async () => {
      if (signal.aborted) return; // others were chosen meanwhile
      try {
        const bitmap = await this.#paint(style, SIDE, signal);
        if (signal.aborted) return;
        draw(canvas, bitmap);
        canvas.dataset.painted = "yes";
        caption.textContent = style.title;
        caption.className = "";
      } catch (error) {
        if (signal.aborted) return;
        this.#failed.add(one);
        caption.textContent = `${style.title}: ${this.#words(error)}`;
        caption.className = "error";
      }
    });
  }
}
