// Who paints: the service, or this browser. Both take a photograph (see photo.js) and a look:
// { styles: [{ name, share }], strength, detail, strokeScale, keepColors, size }. What is shown comes
// with a signal: once that is aborted, nobody waits for the answer any more.

import { fileWithin, longerSide, sideWithin } from "./bitmaps.js";
import { scaled } from "./pixels.js";

const TYPES = { png: "image/png", jpg: "image/jpeg" };
const QUALITY = 95; // of JPEG files, as `fast-nst infer` has it
const TRIES = 4;
const MOST_PIXELS = 40e6; // of a picture that a browser paints: some 50 bytes of memory each

/** An error whose words are for the one who reads the page. */
export class Said extends Error {}

/** A look as the service's parameters. */
function queryOf(look) {
  const query = new URLSearchParams();
  for (const { name, share } of look.styles) query.append("style", `${name}:${share}`);
  query.set("strength", look.strength);
  query.set("detail", look.detail);
  query.set("stroke_scale", look.strokeScale);
  query.set("keep_colors", look.keepColors);
  if (look.size) query.set("size", look.size);
  return query;
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
const megapixels = ({ width, height }) => ((width * height) / 1e6).toFixed(1);

export class ServicePainter {
  #limits;
  #files = new WeakMap(); // bitmap -> its file, made once

  constructor(limits) {
    this.#limits = limits;
  }

  /** What the longer side of a photograph's painting can be, without being enlarged. */
  mostSide(photo) {
    return sideWithin(photo.bitmap, this.#limits.max_pixels);
  }

  /** What to say of a photograph that is too large; "" for others. */
  note(photo) {
    const { max_bytes: bytes, max_pixels: pixels } = this.#limits;
    if (this.mostSide(photo) < photo.longer) {
      return `The photograph has ${megapixels(photo.bitmap)} million pixels, and the service takes ` +
        `${(pixels / 1e6).toFixed(1)}: a smaller copy of it is painted.`;
    }
    if (photo.blob.size <= bytes) return "";
    return `The photograph's file has ${megabytes(photo.blob.size)} MB, and the service takes ` +
      `${megabytes(bytes)}: a copy of it in a smaller file is painted.`;
  }

  /** A picture to look at: an ImageBitmap and the milliseconds that painting took. */
  async show(bitmap, look, signal) {
    const { blob } = await this.#fileOf(bitmap);
    const { answer, milliseconds } = await this.#ask(blob, look, "jpg", signal);
    return { bitmap: await createImageBitmap(answer), milliseconds };
  }

  /**
   * The file to keep, of the photograph's own file; or of a copy, if that is too large.
   *
   * @returns The file as `blob`, and of a copy `copied`, its width and height.
   */
  async save(photo, look, format) {
    if (!this.note(photo)) return { blob: (await this.#ask(photo.blob, look, format)).answer };
    const side = Math.min(look.size ?? photo.longer, this.mostSide(photo));
    const { blob, width, height } = await this.#fileOf(await photo.atMost(side));
    return { blob: (await this.#ask(blob, look, format)).answer, copied: { width, height } };
  }

  /** A photograph that this browser cannot read, as one that it can. */
  async read(blob, signal) {
    const { max_bytes: most } = this.#limits;
    if (blob.size > most) {
      throw new Said(`This browser cannot read that file, and the service, which may, takes ` +
        `${megabytes(most)} MB, not ${megabytes(blob.size)}: choose a smaller one.`);
    }
    const look = { styles: [], strength: 0, detail: 0, strokeScale: 1, keepColors: false };
    return (await this.#ask(blob, look, "jpg", signal)).answer;
  }

  #fileOf(bitmap) {
    if (!this.#files.has(bitmap)) {
      this.#files.set(bitmap, fileWithin(bitmap, this.#limits.max_bytes));
    }
    return this.#files.get(bitmap);
  }

  async #ask(blob, look, format, signal) {
    const query = queryOf(look);
    query.set("format", format);
    query.set("quality", QUALITY);
    for (let tried = 1; ; tried++) {
      let answer;
      try {
        answer = await fetch(`api/stylize?${query}`, { method: "POST", body: blob, signal });
      } catch {
        signal?.throwIfAborted();
        throw new Said("The service does not answer: is fast-nst serve still running?");
      }
      if (answer.ok) {
        const timing = /dur=([\d.]+)/.exec(answer.headers.get("Server-Timing") ?? "");
        return { answer: await answer.blob(), milliseconds: timing ? Number(timing[1]) : 0 };
      }
      const said = await answer.json().catch(() => ({}));
      if (answer.status !== 503 || tried === TRIES) {
        throw new Said(sentence(said.error ?? `the service says ${answer.status}`));
      }
      await new Promise((wake) => {
        setTimeout(wake, 1000 * (Number(answer.headers.get("Retry-After")) || 1));
        signal?.addEventListener("abort", wake);
      });
      signal?.throwIfAborted();
    }
  }
}

export class BrowserPainter {
  #settings;
  #worker;
  #waiting = new Map();
  #next = 0;

  constructor(settings) {
    this.#settings = settings;
  }

  mostSide(photo) {
    return sideWithin(photo.bitmap, MOST_PIXELS);
  }

  note(photo) {
    const side = this.mostSide(photo);
    return side === photo.longer ? "" :
      `The photograph has ${megapixels(photo.bitmap)} million pixels, and a browser paints ` +
        `${MOST_PIXELS / 1e6}: a copy of ${side} px is painted.`;
  }

  /** What nobody waits for is painted all the same: a worker is not interrupted. */
  async show(bitmap, look) {
    return this.#ask({ bitmap, look });
  }

  async save(photo, look, format) {
    const longer = (look.size ?? photo.longer) * Math.max(1 / look.strokeScale, 1);
    const [width, height] = scaled(photo.bitmap.width, photo.bitmap.height, longer / photo.longer);
    if (width * height > MOST_PIXELS) {
      throw new Said(`This takes ${width} × ${height} px, and a browser paints ` +
        `${MOST_PIXELS / 1e6} million at most: choose a smaller size or larger strokes.`);
    }
    const isCopied = Boolean(this.note(photo));
    const bitmap = isCopied ? await photo.atMost(look.size ?? this.mostSide(photo)) : photo.bitmap;
    const request = { bitmap, look, type: TYPES[format], quality: QUALITY / 100 };
    const { blob } = await this.#ask(request);
    return { blob, ...isCopied && { copied: { width: bitmap.width, height: bitmap.height } } };
  }

  async read() {
    throw new Said("This browser cannot read that file: choose a JPEG, PNG or WebP picture.");
  }

  async #ask(request) {
    if (!this.#worker) this.#start();
    const worker = this.#worker;
    try {
      return await this.#send(request);
    } catch (error) {
      if (error.isOfFile) {
        throw new Said(sentence(`${error.message}: choose another style, or load the page again`));
      }
      // Out of memory it cannot go on: the next picture gets a new one.
      this.#stop(worker, error);
      const size = request.look.size ?? longerSide(request.bitmap);
      throw new Said(`This browser could not paint ${size} px (${error.message}): ` +
        "choose a smaller size, or load the page again.");
    }
  }

  #start() {
    const worker = new Worker("worker.js", { type: "module" });
    this.#worker = worker;
    worker.addEventListener("message", ({ data }) => {
      const asked = this.#waiting.get(data.id);
      if (!asked) return; // it was stopped meanwhile
      this.#waiting.delete(data.id);
      if (!("error" in data)) asked.resolve(data.done);
      else asked.reject(Object.assign(new Error(data.error), { isOfFile: data.isOfFile }));
    });
    worker.addEventListener("error", (event) => {
      this.#stop(worker, new Error(event.message || "the painter cannot be loaded"));
    });
    this.#send({ settings: this.#settings }).catch(() => {}); // the picture's own request says it
  }

  #stop(worker, error) {
    if (this.#worker !== worker) return;
    worker.terminate();
    this.#worker = undefined;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #send(request) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ...request });
    });
  }
}

/** With a capital, and a full stop. */
export function sentence(text) {
  const words = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}
