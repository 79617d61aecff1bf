// Results at full size: those that are being painted, with their progress, and the latest one.

import { say } from "./words.js";

const byId = (id) => document.getElementById(id);

export class Results {
  #running = new Map(); // key -> { promise, controller, isExport }
  #latest = null; // { key, result }

  constructor() {
    byId("cancel").addEventListener("click", () => {
      for (const { controller } of this.#running.values()) controller.abort();
    });
  }

  /**
   * The result of a photograph: `{ blob, copied }` of a stylizer's `save`.
   *
   * @param isExport Whether the visitor waits for its file: a mere view is dropped by `dropViews`.
   */
  get(stylizer, photo, options, format, isExport) {
    const key = JSON.stringify([stylizer.place, photo.id, options, format]);
    if (this.#latest?.key === key) return Promise.resolve(this.#latest.result);
    const known = this.#running.get(key);
    if (known) {
      known.isExport ||= isExport;
      return known.promise;
    }
    const job = { isExport, controller: new AbortController() };
    this.#running.set(key, job);
    const side = options.size ?? photo.longer;
    this.#show({ side });
    job.promise = (async () => {
      try {
        const result = await stylizer.save(photo, options, format, {
          signal: job.controller.signal,
          onProgress: (done, total) => this.#running.has(key) && this.#show({ side, done, total }),
        });
        this.#latest = { key, result };
        return result;
      } finally {
        this.#running.delete(key);
        byId("progress-row").hidden = !this.#running.size;
      }
    })();
    return job.promise;
  }

  /** Cancel what is only to be looked at, since the look has changed. */
  dropViews() {
    for (const { isExport, controller } of this.#running.values()) {
      if (!isExport) controller.abort();
    }
  }

  #show({ side, done, total }) {
    byId("progress-row").hidden = false;
    const progress = byId("progress");
    if (total) Object.assign(progress, { max: total, value: done });
    else progress.removeAttribute("value");
    byId("progress-text").textContent = say(total ? "paintingTiles" : "paintingFull", { side, done, total });
  }
}
