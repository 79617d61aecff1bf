// Several styles side by side.

import { drawBitmap } from "./bitmaps.js";
import { Latest } from "./job_queue.js";
import { messageOf, say } from "./words.js";

export class Comparison {
  #shown = new Latest();
  #failed = new Set();
  #jobs;
  #paint;

  /**
   * @param jobs The job queue.
   * @param paint (style, signal) -> an ImageBitmap of the photograph in that style.
   */
  constructor({ jobs, paint }) {
    this.#jobs = jobs;
    this.#paint = paint;
  }

  /** Show these styles instead of the previous ones. */
  show(styles) {
    const signal = this.#shown.next();
    this.#failed.clear();
    const figures = styles.map((style) => this.#figure(style));
    const shown = figures.map(({ figure }) => figure);
    document.getElementById("compare").replaceChildren(...(shown.length ? shown : [say("compareHint")]));
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
    canvas.setAttribute("aria-label", say("inTheStyle", { styles: style.title }));
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
        const bitmap = await this.#paint(style, signal);
        if (signal.aborted) return;
        drawBitmap(canvas, bitmap);
        canvas.dataset.painted = "yes";
        caption.textContent = style.title;
        caption.className = "";
      } catch (error) {
        if (signal.aborted) return;
        this.#failed.add(entry);
        caption.textContent = `${style.title}: ${messageOf(error)}`;
        caption.className = "error";
      }
    });
  }
}
