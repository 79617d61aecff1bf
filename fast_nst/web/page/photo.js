// A photograph: its file, its pixels, and its smaller copies.

import { longerSide, resizeBitmap } from "./bitmaps.js";
import { UserError } from "./stylizers.js";

export class Photo {
  #copies = new Map();

  /**
   * @param blob The file.
   * @param bitmap Its pixels, upright.
   * @param name Its name, for that of the result.
   */
  constructor(blob, bitmap, name) {
    Object.assign(this, { blob, bitmap, name });
  }

  get longer() {
    return longerSide(this.bitmap);
  }

  /** A copy with a longer side of at most `side` px. */
  async atMost(side) {
    if (side >= this.longer) return this.bitmap;
    if (!this.#copies.has(side)) this.#copies.set(side, resizeBitmap(this.bitmap, side));
    return this.#copies.get(side);
  }
}

/** Open a file; one that this browser cannot decode goes to the stylizer. */
export async function openPhoto(blob, name, stylizer, signal) {
  if (!blob.size) throw new UserError("That file is empty. Please choose an image.");
  const options = { imageOrientation: "from-image" };
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, options);
  } catch {
    bitmap = await createImageBitmap(await stylizer.decode(blob, signal), options);
  }
  return new Photo(blob, bitmap, name.replace(/\.[^.]*$/, "") || "photograph");
}

/** The first image among dropped or pasted files, else the first file, else null. */
function pictureIn(transfer) {
  const files = [...(transfer?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null;
}

/**
 * Listen for files that are dropped or pasted anywhere on the page.
 *
 * @param onPicture Called with a file.
 * @param onNothing Called when something else was dropped.
 */
export function listenForFiles(onPicture, onNothing) {
  document.addEventListener("paste", ({ clipboardData }) => {
    const picture = pictureIn(clipboardData);
    if (picture) onPicture(picture);
  });
  const dropping = (is) => document.body.classList.toggle("dropping", is);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    dropping(true);
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || dropping(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    dropping(false);
    const picture = pictureIn(event.dataTransfer);
    if (picture) onPicture(picture);
    else onNothing();
  });
}
