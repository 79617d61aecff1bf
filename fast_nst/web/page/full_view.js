// The stage at full resolution, once the visitor has zoomed in and rests.

import { Latest } from "./job_queue.js";
import { messageOf, say } from "./words.js";

const DELAY = 350; // ms from the last zoom or pan

const byId = (id) => document.getElementById(id);

export class FullView {
  #latest = new Latest();
  #timer = 0;
  #stage;
  #paint;

  /**
   * @param stage The stage.
   * @param paint () -> { photo, result }: the photograph, and a promise of `{ blob }`, its result;
   *   null where none is to be shown.
   */
  constructor({ stage, paint }) {
    this.#stage = stage;
    this.#paint = paint;
  }

  /** Hide it: the look has changed. */
  drop() {
    this.#latest.next();
    this.#stage.hideFull();
  }

  /** Paint it once the view has rested, if it is larger than what was painted. */
  changed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#show(), DELAY);
  }

  async #show() {
    const { signal } = this.#latest;
    const asked = this.#stage.needsFull && this.#paint();
    if (!asked) return;
    try {
      const { blob } = await asked.result;
      const bitmap = await createImageBitmap(blob);
      if (signal.aborted) {
        bitmap.close();
        return;
      }
      this.#stage.showFull(asked.photo.bitmap, bitmap);
      byId("paint-error").textContent = "";
      byId("status").textContent = say("fullShown");
    } catch (error) {
      if (!signal.aborted && error.name !== "AbortError") {
        byId("paint-error").textContent = messageOf(error);
      }
    }
  }
}
