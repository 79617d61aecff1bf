// Who paints next, and whose answer still counts.

/** One wish at a time, so that the newest never waits for old ones. */
export class Turns {
  #wishes = new Map(); // kind -> work; only the newest of a kind is kept
  #queue = []; // what may wait: thumbnails
  #isBusy = false; // with a wish
  #isFilling = false; // the time between wishes

  /** Do this as soon as the wish at work is done, in place of an earlier one of its kind. */
  soon(kind, work) {
    this.#wishes.delete(kind);
    this.#wishes.set(kind, work);
    this.#go();
  }

  /** Begin this when nothing else is wished for. */
  later(work) {
    this.#queue.push(work);
    this.#fill();
  }

  /** Forget what may wait and has not begun. */
  clear() {
    this.#queue.length = 0;
  }

  async #go() {
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (this.#wishes.size) {
      const [[kind, work]] = this.#wishes;
      this.#wishes.delete(kind);
      await done(work);
    }
    this.#isBusy = false;
    this.#fill();
  }

  async #fill() {
    if (this.#isFilling) return;
    this.#isFilling = true;
    while (!this.#isBusy && this.#queue.length) await done(this.#queue.shift());
    this.#isFilling = false;
  }
}

/** Whatever becomes of it, the next one has its turn. */
async function done(work) {
  try {
    await work();
  } catch (error) {
    reportError(error);
  }
}

/** Wishes of which only the newest counts: what answers an older one finds its signal aborted. */
export class Newest {
  #controller = new AbortController();

  /** The newest wish's signal. */
  get signal() {
    return this.#controller.signal;
  }

  /** Give up what was wished for until now; the signal of the new wish. */
  next() {
    this.#controller.abort();
    this.#controller = new AbortController();
    return this.signal;
  }
}
