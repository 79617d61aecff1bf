// Who paints: the service, or this browser. Both take a photograph (see photo.js) and a look:
// { styles: [{ name, share }], strength, detail, strokeScale, keepColors, size }.

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

export class ServicePainter {
  constructor(limits) {
    this.limits = limits;
  }

  /** A picture to look at: an ImageBitmap and the milliseconds that painting took. */
  async show(bitmap, look) {
    const blob = await blobOf(bitmap);
    const { answer, milliseconds } = await this.#ask(blob, look, "jpg");
    return { bitmap: await createImageBitmap(answer), milliseconds };
  }

  /** The file to keep, of the photograph's own file. */
  async save(photo, look, format) {
    return (await this.#ask(photo.blob, look, format)).answer;
  }

  /** A photograph that this browser cannot read, as one that it can. */
  async read(blob) {
    const look = { styles: [], strength: 0, detail: 0, strokeScale: 1, keepColors: false };
    return (await this.#ask(blob, look, "jpg")).answer;
  }

  async #ask(blob, look, format) {
    if (blob.size > this.limits.max_bytes) {
      const [has, most] = [blob.size, this.limits.max_bytes].map((n) => (n / 1e6).toFixed(1));
      throw new Said(`The file has ${has} MB, and the service takes ${most}: choose a smaller one.`);
    }
    const query = queryOf(look);
    query.set("format", format);
    query.set("quality", QUALITY);
    for (let tried = 1; ; tried++) {
      let answer;
      try {
        answer = await fetch(`api/stylize?${query}`, { method: "POST", body: blob });
      } catch {
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
      });
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

  async show(bitmap, look) {
    return this.#ask({ bitmap, look });
  }

  async save(photo, look, format) {
    const type = TYPES[format];
    const bitmap = photo.bitmap;
    const longer = (look.size ?? photo.longer) * Math.max(1 / look.strokeScale, 1);
    const [width, height] = scaled(bitmap.width, bitmap.height, longer / photo.longer);
    if (width * height > MOST_PIXELS) {
      throw new Said(`This takes ${width} × ${height} px, and a browser paints ` +
        `${MOST_PIXELS / 1e6} million at most: choose a smaller size or larger strokes.`);
    }
    return (await this.#ask({ bitmap, look, type, quality: QUALITY / 100 })).blob;
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
      // Out of memory it cannot go on: the next picture gets a new one.
      if (this.#worker === worker) this.#stop(error);
      const size = request.look.size ?? Math.max(request.bitmap.width, request.bitmap.height);
      throw new Said(`This browser could not paint ${size} px (${error.message}): ` +
        "choose a smaller size, or load the page again.");
    }
  }

  #start() {
    this.#worker = new Worker("worker.js", { type: "module" });
    this.#worker.addEventListener("message", ({ data }) => {
      const { resolve, reject } = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("error" in data) reject(new Error(data.error));
      else resolve(data.done);
    });
    this.#worker.addEventListener("error", (event) => {
      this.#stop(new Error(event.message || "the painter cannot be loaded"));
    });
    this.#send({ settings: this.#settings }).catch(() => {}); // the picture's own request says it
  }

  #stop(error) {
    this.#worker.terminate();
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

const blobs = new WeakMap();

/** A bitmap as a PNG file, made once. */
function blobOf(bitmap) {
  if (!blobs.has(bitmap)) {
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    blobs.set(bitmap, canvas.convertToBlob({ type: "image/png" }));
  }
  return blobs.get(bitmap);
}

/** With a capital, and a full stop. */
export function sentence(text) {
  const words = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}
