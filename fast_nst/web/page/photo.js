// A photograph: its file, its pixels, and its smaller copies.

import { longerSide, resizeBitmap } from "./bitmaps.js";
import { UserError, say } from "./words.js";

let count = 0;

class Photo {
  #copies = new Map();

  /**
   * @param blob The file.
   * @param bitmap Its pixels, upright.
   * @param name Its name, for that of the result.
   */
  constructor(blob, bitmap, name) {
    Object.assign(this, { blob, bitmap, name, id: count++ });
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
  if (!blob.size) throw new UserError(say("emptyFile", { name }));
  const options = { imageOrientation: "from-image" };
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, options);
  } catch {
    bitmap = await createImageBitmap(await stylizer.decode(blob, signal), options);
  }
  return new Photo(blob, bitmap, name.replace(/\.[^.]*$/, "") || "photograph");
}

/** Whether a file is a film. */
export function isFilm({ type, name }) {
  return type.startsWith("video/") || (!type && /\.(mp4|m4v|mov|mkv|webm|avi|mts|m2ts)$/i.test(name));
}

/** Fetch a sample photograph. */
export async function fetchSample(path, signal) {
  try {
    const response = await fetch(path, { signal });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return await response.blob();
  } catch (error) {
    throw new UserError(say("sampleFailed", { reason: error.message }));
  }
}

/** The images and films among dropped or pasted files, else all of them. */
function picturesIn(transfer) {
  const files = [...(transfer?.files ?? [])];
  const pictures = files.filter((file) => file.type.startsWith("image/") || isFilm(file));
  return pictures.length ? pictures : files;
}

/**
 * Listen for files that are dropped or pasted anywhere on the page.
 *
 * @param onFiles Called with one file or more.
 * @param onNothing Called when something else was dropped.
 */
export function listenForFiles(onFiles, onNothing) {
  document.addEventListener("paste", ({ clipboardData }) => {
    const files = picturesIn(clipboardData);
    if (files.length) onFiles(files);
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
    const files = picturesIn(event.dataTransfer);
    if (files.length) onFiles(files);
    else onNothing();
  });
}
