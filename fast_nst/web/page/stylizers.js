// Stylizers: the service, or this browser. Both take a photograph (see photo.js) and paint options:
// { styles: [{ name, share }], strength, detail, strokeScale, keepColors, size, region }, where the
// region is { mask, outside } of mask.js; without one, all of the picture is painted. An aborted
// signal means that the result is no longer needed.

import { encodeWithin, hasClearParts, longerSide, maxSideFor } from "./bitmaps.js";
import { megabytes } from "./numeric.js";
import { scaled } from "./pixels.js";
import { newIdentifier } from "./service.js";
import { UserError, say, sentence } from "./words.js";

const TYPES = { png: "image/png", jpg: "image/jpeg", webp: "image/webp" };
const QUALITY = 95; // of JPEG and WebP files, the default of `fast-nst infer`
const MAX_ATTEMPTS = 4;
const FORM_BYTES = 1000; // around the files of a form, at most
const POLL = 400; // ms between two questions for a job's progress
const MAX_PIXELS = 40e6; // in a browser, at some 50 bytes of memory per pixel
let threads; // of each worker: 1 once more of them could not be started; until then, its choice

/** The paint options as the service's parameters. */
function queryOf(options) {
  const query = new URLSearchParams();
  for (const { name, share } of options.styles) query.append("style", `${name}:${share}`);
  query.set("strength", options.strength);
  query.set("detail", options.detail);
  query.set("stroke_scale", options.strokeScale);
  query.set("keep_colors", options.keepColors);
  if (options.size) query.set("size", options.size);
  if (options.region?.outside) query.set("outside", options.region.outside);
  return query;
}

function formOf(image, mask) {
  const form = new FormData();
  form.append("image", image, "image");
  form.append("mask", mask, "mask.png");
  return form;
}

const megapixels = ({ width, height }) => ((width * height) / 1e6).toFixed(1);

export class ServiceStylizer {
  place = "service";
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
      return say("tooManyPixelsService", {
        pixels: megapixels(photo.bitmap), most: (pixels / 1e6).toFixed(1),
      });
    }
    if (photo.blob.size <= bytes) return "";
    return say("tooManyBytes", { size: megabytes(photo.blob.size), most: megabytes(bytes) });
  }

  /** Stylize a bitmap for display: { bitmap, milliseconds }. */
  async stylize(bitmap, options, signal) {
    const { blob, isClear } = await this.#fileOf(bitmap);
    const format = isClear ? "webp" : "jpg"; // JPEG has no transparency
    const { result, milliseconds } = await this.#request(blob, options, { format, signal });
    return { bitmap: await createImageBitmap(result), milliseconds };
  }

  /**
   * Stylize the photograph's own file, or a copy if that is too large.
   *
   * @param signal Aborted to cancel it.
   * @param onProgress Called with the steps that are done and their total number, if it is known.
   * @returns { blob, copied }: the result's file, and the copy's width and height, if there is one.
   */
  async save(photo, options, format, { signal, onProgress }) {
    let source = photo.blob;
    let copied;
    const mask = await options.region?.mask.png();
    const taken = mask ? mask.size + FORM_BYTES : 0; // of the bytes that the service accepts
    if (this.note(photo) || photo.blob.size + taken > this.#limits.max_bytes) {
      const side = Math.min(options.size ?? photo.longer, this.maxSide(photo));
      const copy = await photo.atMost(side);
      const { blob, width, height } = await (taken
        ? encodeWithin(copy, Math.max(this.#limits.max_bytes - taken, FORM_BYTES))
        : this.#fileOf(copy));
      [source, copied] = [blob, { width, height }];
    }
    const job = newIdentifier();
    const polling = setInterval(() => this.#progress(job, onProgress), POLL);
    try {
      const body = mask ? formOf(source, mask) : source;
      return { blob: (await this.#request(body, options, { format, signal, job })).result, copied };
    } finally {
      clearInterval(polling);
    }
  }

  /** Convert a file that this browser cannot decode to JPEG. */
  async decode(blob, signal) {
    const { max_bytes: limit } = this.#limits;
    if (blob.size > limit) {
      const values = { most: megabytes(limit), size: megabytes(blob.size) };
      throw new UserError(say("unreadableTooLarge", values));
    }
    const options = { styles: [], strength: 0, detail: 0, strokeScale: 1, keepColors: false };
    return (await this.#request(blob, options, { format: "jpg", signal })).result;
  }

  #fileOf(bitmap) {
    if (!this.#files.has(bitmap)) {
      const isClear = hasClearParts(bitmap);
      const encoded = encodeWithin(bitmap, this.#limits.max_bytes);
      this.#files.set(bitmap, encoded.then((file) => ({ ...file, isClear })));
    }
    return this.#files.get(bitmap);
  }

  async #progress(job, onProgress) {
    try {
      const response = await fetch(`api/progress/${job}`);
      if (!response.ok) return; // not begun, or done
      const { done, total } = await response.json();
      if (total) onProgress(done, total);
    } catch {
      // The request itself tells what is wrong.
    }
  }

  async #request(body, options, { format, signal, job }) {
    const query = queryOf(options);
    query.set("format", format);
    query.set("quality", QUALITY);
    if (job) query.set("job", job);
    for (let attempt = 1; ; attempt++) {
      let response;
      try {
        response = await fetch(`api/stylize?${query}`, { method: "POST", body, signal });
      } catch {
        signal?.throwIfAborted();
        throw Object.assign(new UserError(say("noResponse")), { isUnreachable: true });
      }
      if (response.ok) {
        const timing = /dur=([\d.]+)/.exec(response.headers.get("Server-Timing") ?? "");
        return { result: await response.blob(), milliseconds: timing ? Number(timing[1]) : 0 };
      }
      const { error } = await response.json().catch(() => ({}));
      if (response.status !== 503 || attempt === MAX_ATTEMPTS) {
        throw new UserError(sentence(error ?? say("serviceStatus", { status: response.status })));
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
  #worker;

  /**
   * @param settings The `browser` object of config.json.
   * @param hasService Whether a service paints, too.
   * @param device "wasm" or "webgpu"; see `check`.
   */
  constructor(settings, hasService, device = "wasm") {
    this.place = device;
    this.#worker = new PaintWorker(settings, hasService, device);
  }

  /** Whether the device paints what WebAssembly does; see device_check.js. */
  check() {
    return this.#worker.request({ check: true });
  }

  /** End the worker; the next picture starts another one. */
  stop() {
    this.#worker.stop(new Error("stopped"));
  }

  maxSide(photo) {
    return maxSideFor(photo.bitmap, MAX_PIXELS);
  }

  note(photo) {
    const side = this.maxSide(photo);
    if (side === photo.longer) return "";
    return say("tooManyPixelsBrowser", {
      pixels: megapixels(photo.bitmap), most: MAX_PIXELS / 1e6, side,
    });
  }

  /** As above, but it cannot be aborted: a worker is not interrupted. */
  async stylize(bitmap, options) {
    return this.#worker.request({ bitmap, options });
  }

  /** As above. It has a worker of its own: previews go on, and cancelling ends it. */
  async save(photo, { region, ...given }, format, { signal, onProgress }) {
    const options = { ...given, region: region && { ...region, mask: { ...region.mask } } };
    const longer = (options.size ?? photo.longer) * Math.max(1 / options.strokeScale, 1);
    const [width, height] = scaled(photo.bitmap.width, photo.bitmap.height, longer / photo.longer);
    if (width * height > MAX_PIXELS) {
      throw new UserError(say("needsPixels", { width, height, most: MAX_PIXELS / 1e6 }));
    }
    const isCopied = Boolean(this.note(photo));
    const bitmap = isCopied ? await photo.atMost(options.size ?? this.maxSide(photo)) : photo.bitmap;
    const worker = this.#worker.another();
    try {
      signal?.throwIfAborted(); // while the copy was made
      signal?.addEventListener("abort", () => worker.stop(signal.reason));
      const type = TYPES[format];
      const request = { bitmap, options, type, quality: QUALITY / 100 };
      const { blob } = await worker.request(request, onProgress);
      if (blob.type !== type) throw new UserError(say("noFormat", { format: format.toUpperCase() }));
      return { blob, ...isCopied && { copied: { width: bitmap.width, height: bitmap.height } } };
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      worker.stop(new Error("done"));
    }
  }

  async decode() {
    throw new UserError(say("unreadable"));
  }
}

/** Sends pictures to a worker (worker.js), which is started again after it has failed. */
class PaintWorker {
  #settings;
  #hasService;
  #device;
  #worker;
  #pending = new Map(); // id -> { resolve, reject, onProgress }
  #next = 0;

  constructor(settings, hasService, device) {
    this.#settings = settings;
    this.#hasService = hasService;
    this.#device = device;
  }

  /** One that works at the same time. */
  another() {
    return new PaintWorker(this.#settings, this.#hasService, this.#device);
  }

  async request(request, onProgress) {
    const { files } = this.#settings;
    const isHere = ({ name }) => name in files;
    if (!(request.options?.styles ?? []).every(isHere)) throw new UserError(say("onlyByService"));
    if (!this.#worker) this.#start();
    const worker = this.#worker;
    try {
      return await this.#send(request, onProgress);
    } catch (error) {
      if (error.isOfFile) {
        throw new UserError(say("workerFile", { reason: sentence(error.message) }));
      }
      // It may be out of memory: the next picture gets a new worker.
      if (worker === this.#worker) this.#end(error);
      if (!worker.isStopped && !worker.isRunning && worker.threads !== 1) {
        threads = 1;
        return this.request(request, onProgress);
      }
      if (request.check) throw error;
      throw new UserError(this.#words(worker, error, request));
    }
  }

  #words({ isRunning }, { message: reason }, { options, bitmap }) {
    if (isRunning) return say("workerFailed", { side: options.size ?? longerSide(bitmap), reason });
    return say(this.#hasService ? "workerNotStartedService" : "workerNotStarted", { reason });
  }

  #start() {
    const worker = Object.assign(new Worker("worker.js", { type: "module" }), { threads });
    this.#worker = worker;
    worker.addEventListener("message", ({ data }) => {
      if (data.isRunning) worker.isRunning = true;
      const pending = this.#pending.get(data.id);
      if (!pending || worker !== this.#worker) return; // rejected by `#end`
      if (data.progress) {
        pending.onProgress?.(...data.progress);
        return;
      }
      this.#pending.delete(data.id);
      if (!("error" in data)) pending.resolve(data.done);
      else pending.reject(Object.assign(new Error(data.error), { isOfFile: data.isOfFile }));
    });
    worker.addEventListener("error", (event) => {
      if (worker === this.#worker) this.#end(new Error(event.message || "the worker cannot be loaded"));
    });
    // If it fails, the picture's request does, too.
    this.#send({ settings: this.#settings, device: this.#device, threads }).catch(() => {});
  }

  /** End the worker; what it has not done is rejected. */
  stop(error) {
    if (this.#worker) this.#worker.isStopped = true;
    this.#end(error);
  }

  #end(error) {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  #send(request, onProgress) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onProgress });
      this.#worker.postMessage({ id, ...request });
    });
  }
}
