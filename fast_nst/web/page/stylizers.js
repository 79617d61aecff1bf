// Stylizers: the service, or this browser. Both take a photograph (see photo.js) and paint options:
// { styles: [{ name, share }], strength, detail, strokeScale, keepColors, size }. An aborted signal
// means that the result is no longer needed.

import { encodeWithin, longerSide, maxSideFor } from "./bitmaps.js";
import { scaled } from "./pixels.js";

const TYPES = { png: "image/png", jpg: "image/jpeg" };
const QUALITY = 95; // of JPEG files, the default of `fast-nst infer`
const MAX_ATTEMPTS = 4;
const MAX_PIXELS = 40e6; // in a browser, at some 50 bytes of memory per pixel

/** An error whose message is for the visitor. */
export class UserError extends Error {}

/** The paint options as the service's parameters. */
function queryOf(options) {
  const query = new URLSearchParams();
  for (const { name, share } of options.styles) query.append("style", `${name}:${share}`);
  query.set("strength", options.strength);
  query.set("detail", options.detail);
  query.set("stroke_scale", options.strokeScale);
  query.set("keep_colors", options.keepColors);
  if (options.size) query.set("size", options.size);
  return query;
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
const megapixels = ({ width, height }) => ((width * height) / 1e6).toFixed(1);

export class ServiceStylizer {
  #limits;
  #files = new WeakMap(); // bitmap -> its encoded file

  constructor(limits) {
    this.#limits = limits;
  }

  /** The longer side, in px, of the largest result without enlarging the photograph. */
  maxSide(photo) {
    return maxSideFor(photo.bitmap, this.#limits.max_pixels);
  }

  /** A note on a photograph that is too large; "" for others. */
  note(photo) {
    const { max_bytes: bytes, max_pixels: pixels } = this.#limits;
    if (this.maxSide(photo) < photo.longer) {
      return `The photograph has ${megapixels(photo.bitmap)} megapixels, and the service accepts ` +
        `${(pixels / 1e6).toFixed(1)}. A smaller copy of it is painted.`;
    }
    if (photo.blob.size <= bytes) return "";
    return `The photograph's file has ${megabytes(photo.blob.size)} MB, and the service accepts ` +
      `${megabytes(bytes)}. A copy of it in a smaller file is painted.`;
  }

  /** Stylize a bitmap for display: { bitmap, milliseconds }. */
  async stylize(bitmap, options, signal) {
    const { blob } = await this.#fileOf(bitmap);
    const { result, milliseconds } = await this.#request(blob, options, "jpg", signal);
    return { bitmap: await createImageBitmap(result), milliseconds };
  }

  /**
   * Stylize the photograph's own file, or a copy if that is too large.
   *
   * @returns { blob, copied }: the result's file, and the copy's width and height, if there is one.
   */
  async save(photo, options, format) {
    if (!this.note(photo)) return { blob: (await this.#request(photo.blob, options, format)).result };
    const side = Math.min(options.size ?? photo.longer, this.maxSide(photo));
    const { blob, width, height } = await this.#fileOf(await photo.atMost(side));
    return { blob: (await this.#request(blob, options, format)).result, copied: { width, height } };
  }

  /** Convert a file that this browser cannot decode to JPEG. */
  async decode(blob, signal) {
    const { max_bytes: limit } = this.#limits;
    if (blob.size > limit) {
      throw new UserError("This browser cannot read that file, and the service accepts at most " +
        `${megabytes(limit)} MB, not ${megabytes(blob.size)}. Please choose a smaller one.`);
    }
    const options = { styles: [], strength: 0, detail: 0, strokeScale: 1, keepColors: false };
    return (await this.#request(blob, options, "jpg", signal)).result;
  }

  #fileOf(bitmap) {
    if (!this.#files.has(bitmap)) {
      this.#files.set(bitmap, encodeWithin(bitmap, this.#limits.max_bytes));
    }
    return this.#files.get(bitmap);
  }

  async #request(blob, options, format, signal) {
    const query = queryOf(options);
    query.set("format", format);
    query.set("quality", QUALITY);
    for (let attempt = 1; ; attempt++) {
      let response;
      try {
        response = await fetch(`api/stylize?${query}`, { method: "POST", body: blob, signal });
      } catch {
        signal?.throwIfAborted();
        throw new UserError("The service does not respond. Is fast-nst serve still running?");
      }
      if (response.ok) {
        const timing = /dur=([\d.]+)/.exec(response.headers.get("Server-Timing") ?? "");
        return { result: await response.blob(), milliseconds: timing ? Number(timing[1]) : 0 };
      }
      const { error } = await response.json().catch(() => ({}));
      if (response.status !== 503 || attempt === MAX_ATTEMPTS) {
        throw new UserError(sentence(error ?? `the service responded with ${response.status}`));
      }
      await new Promise((wake) => {
        setTimeout(wake, 1000 * (Number(response.headers.get("Retry-After")) || 1));
        signal?.addEventListener("abort", wake);
      });
      signal?.throwIfAborted();
    }
  }
}

export class BrowserStylizer {
  #settings;
  #worker;
  #pending = new Map();
  #next = 0;

  constructor(settings) {
    this.#settings = settings;
  }

  maxSide(photo) {
    return maxSideFor(photo.bitmap, MAX_PIXELS);
  }

  note(photo) {
    const side = this.maxSide(photo);
    return side === photo.longer ? "" :
      `The photograph has ${megapixels(photo.bitmap)} megapixels, and a browser can process ` +
        `${MAX_PIXELS / 1e6}. A copy of ${side} px is painted.`;
  }

  /** As above, but it cannot be aborted: a worker is not interrupted. */
  async stylize(bitmap, options) {
    return this.#request({ bitmap, options });
  }

  async save(photo, options, format) {
    const longer = (options.size ?? photo.longer) * Math.max(1 / options.strokeScale, 1);
    const [width, height] = scaled(photo.bitmap.width, photo.bitmap.height, longer / photo.longer);
    if (width * height > MAX_PIXELS) {
      throw new UserError(`This needs ${width} × ${height} px, and a browser can process ` +
        `${MAX_PIXELS / 1e6} megapixels. Please choose a smaller size or larger strokes.`);
    }
    const isCopied = Boolean(this.note(photo));
    const bitmap = isCopied ? await photo.atMost(options.size ?? this.maxSide(photo)) : photo.bitmap;
    const request = { bitmap, options, type: TYPES[format], quality: QUALITY / 100 };
    const { blob } = await this.#request(request);
    return { blob, ...isCopied && { copied: { width: bitmap.width, height: bitmap.height } } };
  }

  async decode() {
    throw new UserError("This browser cannot read that file. Please choose a JPEG, PNG or WebP image.");
  }

  async #request(request) {
    if (!this.#worker) this.#start();
    const worker = this.#worker;
    try {
      return await this.#send(request);
    } catch (error) {
      if (error.isOfFile) {
        throw new UserError(
          `${sentence(error.message)} Please choose another style, or load the page again.`);
      }
      // It may be out of memory: the next picture gets a new worker.
      this.#stop(worker, error);
      const size = request.options.size ?? longerSide(request.bitmap);
      throw new UserError(`This browser could not process ${size} px (${error.message}). ` +
        "Please choose a smaller size, or load the page again.");
    }
  }

  #start() {
    const worker = new Worker("worker.js", { type: "module" });
    this.#worker = worker;
    worker.addEventListener("message", ({ data }) => {
      const pending = this.#pending.get(data.id);
      if (!pending) return; // rejected by #stop
      this.#pending.delete(data.id);
      if (!("error" in data)) pending.resolve(data.done);
      else pending.reject(Object.assign(new Error(data.error), { isOfFile: data.isOfFile }));
    });
    worker.addEventListener("error", (event) => {
      this.#stop(worker, new Error(event.message || "the worker cannot be loaded"));
    });
    this.#send({ settings: this.#settings }).catch(() => {}); // the picture's request fails too
  }

  #stop(worker, error) {
    if (this.#worker !== worker) return;
    worker.terminate();
    this.#worker = undefined;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  #send(request) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ...request });
    });
  }
}

/** Text with a capital letter and a full stop. */
export function sentence(text) {
  const words = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}
