// Several paintings of the photograph side by side.

import { drawBitmap } from "./bitmaps.js";
import { Latest } from "./job_queue.js";
import { messageOf, say } from "./words.js";

/** The compared styles in a look, after the look itself, if that is a blend. */
export function comparedLooks(look, titles, compared) {
  const single = compared.map(({ name, title }) => (
    { title, look: { ...look, styles: [{ name, share: 1 }] } }));
  return look.styles.length > 1 ? [{ title: titles.join(" + "), look }, ...single] : single;
}

export class Comparison {
  #shown = new Latest();
  #failed = new Set();
  #jobs;
  #paint;

  /**
   * @param jobs The job queue.
   * @param paint (look, signal) -> an ImageBitmap of the photograph in that look.
   */
  constructor({ jobs, paint }) {
    this.#jobs = jobs;
    this.#paint = paint;
  }

  /** Show these instead of the stage: a `look` and its `title` each; null shows the stage. */
  show(looks) {
    const signal = this.#shown.next();
    this.#failed.clear();
    document.getElementById("compare").hidden = !looks;
    for (const id of ["stage", "view-bar"]) document.getElementById(id).hidden = Boolean(looks);
    if (!looks) return;
    const figures = looks.map((each) => this.#figure(each));
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

  #figure({ look, title }) {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", say("inTheStyle", { styles: title }));
    const caption = document.createElement("figcaption");
    caption.textContent = title;
    figure.append(canvas, caption);
    return { look, title, figure, canvas, caption };
  }

  #paintLater(entry, signal) {
    const { look, title, canvas, caption } = entry;
    this.#jobs.runIdle(async () => {
      if (signal.aborted) return; // others are shown now
      try {
        const bitmap = await this.#paint(look, signal);
        if (signal.aborted) return;
        drawBitmap(canvas, bitmap);
        canvas.dataset.painted = "yes";
        caption.textContent = title;
        caption.className = "";
      } catch (error) {
        if (signal.aborted) return;
        this.#failed.add(entry);
        caption.textContent = `${title}: ${messageOf(error)}`;
        caption.className = "error";
      }
    });
  }
}
