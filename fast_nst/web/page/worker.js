// A web worker that stylizes pictures one after the other, with ONNX Runtime and its sessions.

import { checkDevice } from "./device_check.js";
import { fetchKept, forget, keep } from "./kept_files.js";
import { mix, paintingShare } from "./mixing.js";
import {
  addDetail, blend, compose, enlarge, fitMask, join, keepColors, resize, scaled, split,
} from "./pixels.js";

const MAX_SESSIONS = 12;
const STEPS = 3; // of a file
const MAX_THREADS = 4; // more gain little: networks are small
const PATIENCE = 8000; // ms for threads to start: one whose script is blocked is waited for without end
const WASM = [0, 0x61, 0x73, 0x6d]; // the first bytes of a WebAssembly file
const RUNTIME_EXCEPTION = "6"; // such as out of memory; other codes mean a bad model
let ort;
let settings;
let device;
const files = new Map(); // file -> a promise of its bytes
const sessions = new Map();

/** A missing or damaged file, which does not affect other styles. */
class FileError extends Error {}

/** A model file, and its parameters' offsets, which are checked to lie inside it. */
async function modelFile(file, parameters) {
  if (!files.has(file)) files.set(file, loaded(file));
  const bytes = await files.get(file);
  const ends = Object.values(parameters ?? {}).map(([offset, length]) => offset + length);
  if (bytes.length < Math.max(1, ...ends)) throw damaged(file);
  return { bytes, parameters };
}

const addressOf = (file) => file.split("/").map(encodeURIComponent).join("/");

async function loaded(file) {
  try {
    const response = await fetchKept(addressOf(file));
    if (!response.ok) throw new Error(response.status);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    files.delete(file);
    throw new FileError(`the file ${file} cannot be loaded (${error.message})`);
  }
}

function damaged(...names) {
  for (const name of names) { // to be loaded again
    files.delete(name);
    forget(addressOf(name));
  }
  return new FileError(`the file ${names.join(" or ")} is damaged`);
}

/** The files of styles at a strength, and that of the identity model where it takes part. */
async function partsOf(styles, strength) {
  const parts = await Promise.all(styles.map(async ({ name, share }) => {
    if (!settings.files[name]) throw new FileError(`the style ${name} is not in this browser`);
    const { file, parameters } = settings.files[name];
    return { ...await modelFile(file, settings.layouts[parameters]), share };
  }));
  if (styles.length === 1 && strength === 1) return { parts, identity: null };
  const { file, parameters } = settings.roots[settings.files[styles[0].name].network];
  return { parts, identity: await modelFile(file, parameters) };
}

async function modelOf(styles, strength) {
  const { parts, identity } = await partsOf(styles, strength);
  return identity ? mix(identity, parts, strength) : parts[0].bytes;
}

async function sessionOf(styles, strength) {
  const key = JSON.stringify([styles, strength]);
  let session = sessions.get(key);
  sessions.delete(key); // and set again below: the oldest comes first
  if (!session) {
    session = await opened(await modelOf(styles, strength), styles);
    if (sessions.size >= MAX_SESSIONS) {
      const [oldest, unused] = sessions.entries().next().value;
      sessions.delete(oldest);
      await unused.release();
    }
  }
  sessions.set(key, session);
  return session;
}

async function opened(model, styles, provider = device) {
  try {
    const session = await ort.InferenceSession.create(model, {
      executionProviders: [provider],
      enableMemPattern: false,
      logSeverityLevel: 3, // errors
    });
    self.postMessage({ isRunning: true });
    return session;
  } catch (error) {
    const [, code] = /ERROR_CODE: (\d+)/.exec(error.message) ?? [];
    if (!code || code === RUNTIME_EXCEPTION) throw error;
    throw damaged(...styles.map(({ name }) => settings.files[name].file));
  }
}

async function network(picture, styles, strength) {
  return run(await sessionOf(styles, strength), picture);
}

async function run(session, picture) {
  const data = new Uint8Array(picture.data.buffer, picture.data.byteOffset, picture.data.length);
  const image = new ort.Tensor("uint8", data, [1, picture.height, picture.width, 3]);
  const { stylized } = await session.run({ image });
  const painted = new Uint8ClampedArray(stylized.data);
  stylized.dispose();
  return { ...picture, data: painted };
}

/** Stylize with strength, stroke scale, detail and colours as Python's `Stylizer` does. */
async function paint(photo, options) {
  if (options.strength === 0) return photo;
  const mixes = options.styles.every(({ name }) => settings.files[name].parameters);
  const strength = mixes ? options.strength : 1;
  const [width, height] = scaled(photo.width, photo.height, 1 / options.strokeScale);
  let painting;
  if (width === photo.width && height === photo.height) {
    painting = await network(photo, options.styles, strength);
  } else {
    const small = resize(photo, width, height, 3);
    const painted = await network(small, options.styles, strength);
    painting = enlarge(painted, small, photo, settings.lost_detail);
  }
  painting = addDetail(photo, painting, options.detail * Math.min(options.strength, 1));
  if (options.keepColors) painting = keepColors(photo, painting);
  const share = mixes ? paintingShare(options.strength, settings.fade_below) : options.strength;
  return blend(photo, painting, Math.min(share, 1));
}

/** Paint inside a mask and perhaps, in another style, outside of it, as Python's `paint_image`. */
async function paintRegion(photo, options) {
  const mask = fitMask(options.region.mask, photo.width, photo.height);
  const { outside } = options.region;
  const isAround = outside && mask.data.some((level) => level < 255);
  const inside = mask.data.some(Boolean) ? await paint(photo, options) : photo;
  const styles = [{ name: outside, share: 1 }];
  return compose(isAround ? await paint(photo, { ...options, styles }) : photo, inside, mask);
}

/**
 * Paint a picture: a bitmap, or with a type a file.
 *
 * @param onStep Called after each of three steps: read, painted, written.
 */
async function work({ bitmap, options, type, quality }, onStep) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  let { rgb, alpha } = split(context.getImageData(0, 0, bitmap.width, bitmap.height));
  if (options.size) {
    const longer = Math.max(rgb.width, rgb.height);
    const [width, height] = scaled(rgb.width, rgb.height, options.size / longer);
    rgb = resize(rgb, width, height, 3);
    alpha = alpha && resize(alpha, width, height, 1);
  }
  onStep(1);
  const begun = performance.now();
  const painting = await (options.region ? paintRegion : paint)(rgb, options);
  const milliseconds = performance.now() - begun;
  onStep(2);
  const image = join(painting, alpha);
  if (!type) return { bitmap: await createImageBitmap(image), milliseconds };
  canvas.width = image.width;
  canvas.height = image.height;
  context.putImageData(image, 0, 0);
  if (type === "image/jpeg") { // JPEG has no transparency: put the picture on white
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "white";
    context.fillRect(0, 0, image.width, image.height);
  }
  return { blob: await canvas.convertToBlob({ type, quality }), milliseconds };
}

/** The first style of a known network, by the chosen device and by WebAssembly. */
async function check() {
  const [name] = Object.entries(settings.files).find(([, { parameters }]) => parameters) ?? [];
  if (!name) throw new Error("no model can be compared");
  const styles = [{ name, share: 1 }];
  const model = await modelOf(styles, 1);
  return checkDevice(device, async (provider) => {
    const session = await opened(model, styles, provider);
    return { paint: (picture) => run(session, picture), close: () => session.release() };
  });
}

async function start(given) {
  ({ settings, device = "wasm" } = given);
  if (device === "webgpu" && !await navigator.gpu?.requestAdapter()) {
    throw new Error("this browser has no WebGPU");
  }
  const { module, binary } = settings.runtime[device];
  ort = await import(`./${module}`);
  keep(module);
  const threads = given.threads ?? Math.min(navigator.hardwareConcurrency, MAX_THREADS);
  ort.env.wasm.numThreads = self.crossOriginIsolated ? threads : 1;
  ort.env.wasm.initTimeout = ort.env.wasm.numThreads > 1 ? PATIENCE : 0;
  ort.env.wasm.wasmBinary = await loaded(binary);
  if (!WASM.every((byte, i) => ort.env.wasm.wasmBinary[i] === byte)) throw damaged(binary);
  ort.env.logLevel = "error";
}

/** What a message asks for; for { check }, an error is a reason as well. */
async function answer(data) {
  if (data.settings) ready = start(data);
  if (!data.check) {
    await ready; // if it failed, every picture gets its error
    if (data.settings) return null;
    const onStep = (done) => data.type && self.postMessage({ id: data.id, progress: [done, STEPS] });
    return work(data, onStep);
  }
  try {
    await ready;
    return await check();
  } catch (error) {
    return { ok: false, reason: String(error?.message ?? error) };
  }
}

let ready;
let last = Promise.resolve();

self.addEventListener("message", async ({ data }) => {
  if (data.options) {
    // Others are not kept waiting; `answer` gives an error again.
    await partsOf(data.options.styles, data.options.strength).catch(() => {});
  }
  last = last.then(async () => {
    try {
      const done = await answer(data);
      self.postMessage({ id: data.id, done }, done?.bitmap ? [done.bitmap] : []);
    } catch (error) {
      const isOfFile = error instanceof FileError;
      self.postMessage({ id: data.id, error: String(error?.message ?? error), isOfFile });
    }
  });
});
