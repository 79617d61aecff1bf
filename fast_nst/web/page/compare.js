// Several styles side by side.

import { draw } from "./gallery.js";
import { Latest } from "./job_queue.js";

const SIDE = 512; // of each, in px

export class Comparison {
  #shown = new Latest();
  #failed = new Set();
  #jobs;
  #paint;
  #messageOf;

  /**
   * @param jobs The job queue.
   * @param paint (style, side, signal) -> an ImageBitmap of the photograph in that style.
   * @param messageOf (error) -> its message for the visitor.
   */
  constructor({ jobs, paint, messageOf }) {
    this.#jobs = jobs;
    this.#paint = paint;
    this.#messageOf = messageOf;
  }

  /** Show these styles instead of the previous ones. */
  show(styles) {
    const signal = this.#shown.next();
    this.#failed.clear();
    document.getElementById("compare-section").hidden = !styles.length;
    const figures = styles.map((style) => this.#figure(style));
    document.getElementById("compare").replaceChildren(...figures.map(({ figure }) => figure));
    for (const entry of figures) this.#paintLater(entry, signal);
  }

  /** Repeat what failed. */
  retry() {
    const failed = [...this.#failed];
    this.#failed.clear();
    for (const entry of failed) this.#paintLater(entry, this.#shown.signal);
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

  #paintLater(entry, signal) {
    const { style, canvas, caption } = entry;
    this.#jobs.runIdle(async () => {
      if (signal.aborted) return; // other styles are shown now
      try {
        const bitmap = await this.#paint(style, SIDE, signal);
        if (signal.aborted) return;
        draw(canvas, bitmap);
        canvas.dataset.painted = "yes";
        caption.textContent = style.title;
        caption.className = "";
      } catch (error) {
        if (signal.aborted) return;
        this.#failed.add(entry);
        caption.textContent = `${style.title}: ${this.#messageOf(error)}`;
        caption.className = "error";
      }
    });
  }
}
