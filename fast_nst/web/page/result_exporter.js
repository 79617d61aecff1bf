// The result at full size: to a file, or to the clipboard.

import { UserError } from "./stylizers.js";

const URL_LIFETIME = 60_000; // ms in which a download has to begin

export class ResultExporter {
  #paint;
  #messageOf;
  #onBusy;
  isBusy = false;

  /**
   * @param paint (format) -> { blob, copied, name } of the result; see a stylizer's `save`.
   * @param messageOf (error) -> its message for the visitor.
   * @param onBusy Called when an export begins and when it ends.
   */
  constructor({ paint, messageOf, onBusy }) {
    this.#paint = paint;
    this.#messageOf = messageOf;
    this.#onBusy = onBusy;
  }

  /** Clear the error of an earlier export. */
  clear() {
    if (!this.isBusy) document.getElementById("result-error").textContent = "";
  }

  download(format) {
    return this.#export("Downloaded.", async () => {
      const made = await this.#paint(format);
      const address = URL.createObjectURL(made.blob);
      const download = `${made.name}.${format}`;
      Object.assign(document.createElement("a"), { href: address, download }).click();
      setTimeout(() => URL.revokeObjectURL(address), URL_LIFETIME);
      return made;
    });
  }

  copy() {
    return this.#export("Copied.", async () => {
      if (!navigator.clipboard?.write) {
        throw new UserError("Browsers copy images on https and localhost only. Please download it instead.");
      }
      const made = this.#paint("png");
      const blob = made.then((found) => found.blob);
      try {
        // Before the result is there: the click permits it only for a short time.
        await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
      } catch (error) {
        await made; // throws its own error, which is more specific
        throw error;
      }
      return made;
    });
  }

  async #export(done, job) {
    this.isBusy = true;
    this.#onBusy();
    this.#show("", "");
    try {
      const { copied } = await job();
      const size = copied && `${copied.width} × ${copied.height} px`;
      this.#show(size ? `${done} It was painted from a copy of ${size}.` : done, "");
    } catch (error) {
      this.#show("", this.#messageOf(error));
    }
    this.isBusy = false;
    this.#onBusy();
  }

  #show(status, error) {
    document.getElementById("result-status").textContent = status;
    document.getElementById("result-error").textContent = error;
  }
}
