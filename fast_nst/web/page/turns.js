// Who paints next: one picture at a time, so that the newest wish never waits for old ones.

export class Turns {
  #wishes = new Map(); // kind -> work; only the newest of a kind is kept
  #queue = []; // what may wait: thumbnails
  #isBusy = false;

  /** Do this as soon as what is at work is done, in place of an earlier wish of its kind. */
  soon(kind, work) {
    this.#wishes.delete(kind);
    this.#wishes.set(kind, work);
    this.#go();
  }

  /** Do this when nothing else is wished for. */
  later(work) {
    this.#queue.push(work);
    this.#go();
  }

  /** Forget what may wait and has not begun. */
  clear() {
    this.#queue.length = 0;
  }

  async #go() {
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (;;) {
      const [first] = this.#wishes;
      if (first) this.#wishes.delete(first[0]);
      const work = first ? first[1] : this.#queue.shift();
      if (!work) break;
      await work();
    }
    this.#isBusy = false;
  }
}
