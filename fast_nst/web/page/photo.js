// A photograph: its file, its pixels, and smaller copies of it.

import { longerSide, shrunk } from "./bitmaps.js";
import { Said } from "./painters.js";

export class Photo {
  #copies = new Map();

  /**
   * @param blob The file.
   * @param bitmap Its pixels, upright.
   * @param name To call its painting by.
   */
  constructor(blob, bitmap, name) {
    Object.assign(this, { blob, bitmap, name });
  }

  get longer() {
    return longerSide(this.bitmap);
  }

  /** A copy with so many pixels on its longer side at most. */
  async atMost(side) {
    if (side >= this.longer) return this.bitmap;
    if (!this.#copies.has(side)) this.#copies.set(side, shrunk(this.bitmap, side));
    return this.#copies.get(side);
  }
}

/** Read a file; what this browser cannot read goes to the painter, which may. */
export async function openPhoto(blob, name, painter, signal) {
  if (!blob.size) throw new Said("That file is empty: choose a picture.");
  const options = { imageOrientation: "from-image" };
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, options);
  } catch {
    bitmap = await createImageBitmap(await painter.read(blob, signal), options);
  }
  return new Photo(blob, bitmap, name.replace(/\.[^.]*$/, "") || "photograph");
}

/** The first picture among what was dropped or pasted; null if there is none. */
function pictureIn(transfer) {
  const files = [...(transfer?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0] ?? null;
}

/**
 * Take what is dropped or pasted anywhere on the page.
 *
 * @param onPicture Called with a file.
 * @param onNothing Called when what was dropped is no file.
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
