// The result at full size: to a file, the clipboard, or another app; and of all photographs, a zip.

import { UserError, messageOf, say } from "./words.js";
import { zipped } from "./zip.js";

const URL_LIFETIME = 60_000; // ms in which a download has to begin

/** Download a blob as a file of this name. */
export function saveFile(blob, name) {
  const address = URL.createObjectURL(blob);
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), URL_LIFETIME);
}

export class ResultExporter {
  #paint;
  #onBusy;
  isBusy = false;

  /**
   * @param paint (format) -> { blob, copied, name } of the result; see a stylizer's `save`.
   * @param onBusy Called when an export begins and when it ends.
   */
  constructor({ paint, onBusy }) {
    this.#paint = paint;
    this.#onBusy = onBusy;
    const probe = new File([], "probe.png", { type: "image/png" });
    document.getElementById("share-result").hidden = !navigator.canShare?.({ files: [probe] });
  }

  /** Clear the error of an earlier export. */
  clear() {
    if (!this.isBusy) document.getElementById("result-error").textContent = "";
  }

  download(format) {
    return this.#export("downloaded", async () => {
      const made = await this.#paint(format);
      saveFile(made.blob, `${made.name}.${format}`);
      return made;
    });
  }

  share(format) {
    return this.#export("shared", async () => {
      const made = await this.#paint(format);
      const file = new File([made.blob], `${made.name}.${format}`, { type: made.blob.type });
      try {
        await navigator.share({ files: [file] });
      } catch (error) {
        // The click permits it for some seconds only; the result is kept for the next one.
        if (error.name === "NotAllowedError") throw new UserError(say("shareAgain"));
        throw error;
      }
      return made;
    });
  }

  copy() {
    return this.#export("copied", async () => {
      if (!navigator.clipboard?.write) throw new UserError(say("copyInsecure"));
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

  /**
   * Download a zip of several results.
   *
   * @param count How many.
   * @param paint (i, format) -> the same as the constructor's, of each.
   * @param names (i) -> the photograph's name, for messages.
   */
  downloadAll(count, paint, names, format) {
    return this.#export("", async () => {
      const files = [];
      const failed = [];
      for (let i = 0; i < count; i++) {
        const values = { number: i + 1, total: count, name: names(i) };
        document.getElementById("result-status").textContent = say("zipProgress", values);
        try {
          const { blob, name } = await paint(i, format);
          files.push({ name: `${name}.${format}`, blob });
        } catch (error) {
          if (error.name === "AbortError") throw error;
          failed.push(`${names(i)} (${messageOf(error)})`);
        }
      }
      if (files.length) saveFile(await zipped(files), "paintings.zip");
      const values = { count: files.length, failed: failed.join(", ") };
      return { done: say(failed.length ? "zippedSome" : "zipped", values) };
    });
  }

  async #export(word, job) {
    this.isBusy = true;
    this.#onBusy();
    this.#show("", "");
    try {
      const { copied, done = say(word) } = await job();
      this.#show(copied ? `${done} ${say("fromCopy", copied)}` : done, "");
    } catch (error) {
      if (error.name === "AbortError") this.#show(say("cancelled"), "");
      else this.#show("", messageOf(error));
    }
    this.isBusy = false;
    this.#onBusy();
  }

  #show(status, error) {
    document.getElementById("result-status").textContent = status;
    document.getElementById("result-error").textContent = error;
  }
}
