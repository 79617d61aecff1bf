// The full painting: to a file, or to the clipboard.

import { Said } from "./painters.js";

const KEPT = 60_000; // ms that a download may take to begin

export class Keeper {
  #paint;
  #words;
  #onBusy;
  isBusy = false;

  /**
   * @param paint (format) -> { blob, copied, name } of the painting; see a painter's `save`.
   * @param words (error) -> what it says to the one who reads the page.
   * @param onBusy Called when a painting is begun, and when that has ended.
   */
  constructor({ paint, words, onBusy }) {
    this.#paint = paint;
    this.#words = words;
    this.#onBusy = onBusy;
  }

  /** Forget an error of former wishes. */
  clear() {
    if (!this.isBusy) document.getElementById("result-error").textContent = "";
  }

  download(format) {
    return this.#keep("Downloaded.", async () => {
      const made = await this.#paint(format);
      const address = URL.createObjectURL(made.blob);
      const download = `${made.name}.${format}`;
      Object.assign(document.createElement("a"), { href: address, download }).click();
      setTimeout(() => URL.revokeObjectURL(address), KEPT);
      return made;
    });
  }

  copy() {
    return this.#keep("Copied.", async () => {
      if (!navigator.clipboard?.write) {
        throw new Said("Browsers copy pictures on https and localhost only: download it instead.");
      }
      const made = this.#paint("png");
      const blob = made.then((found) => found.blob);
      try {
        // At once, while the click still allows it.
        await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
      } catch (error) {
        await made; // its own error says more
        throw error;
      }
      return made;
    });
  }

  async #keep(done, work) {
    this.isBusy = true;
    this.#onBusy();
    this.#say("", "");
    try {
      const { copied } = await work();
      const size = copied && `${copied.width} × ${copied.height} px`;
      this.#say(size ? `${done} It was painted from a copy of ${size}.` : done, "");
    } catch (error) {
      this.#say("", this.#words(error));
    }
    this.isBusy = false;
    this.#onBusy();
  }

  #say(status, error) {
    document.getElementById("result-status").textContent = status;
    document.getElementById("result-error").textContent = error;
  }
}
