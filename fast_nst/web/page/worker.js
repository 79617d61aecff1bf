// A web worker that stylizes pictures one after the other, with ONNX Runtime and its sessions.

import { mix, paintingShare } from "./mixing.js";
import {
  addDetail, blend, compose, enlarge, fitMask, join, keepColors, resize, scaled, split,
} from "./pixels.js";

const MAX_SESSIONS = 12;
const RUNTIME_EXCEPTION = "6"; // such as out of memory; other codes mean a bad model
let ort;
let settings;
const files = new Map();
const sessions = new Map();

/** A missing or damaged file, which does not affect other styles. */
class FileError extends Error {}

/** A model file, and its parameters' offsets, which are checked to lie inside it. */
async function modelFile(file, parameters) {
  if (!files.has(file)) files.set(file, await loaded(file));
  const bytes = files.get(file);
  const ends = Object.values(parameters ?? {}).map(([offset, length]) => offset + length);
  if (bytes.length < Math.max(1, ...ends)) throw damaged(file);
  return { bytes, parameters };
}

async function loaded(file) {
  const address = file.split("/").map(encodeURIComponent).join("/");
  try {
    const response = await fetch(address);
    if (!response.ok) throw new Error(response.status);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw new FileError(`the file ${file} cannot be loaded (${error.message})`);
  }
}

function damaged(...names) {
  for (const name of names) files.delete(name); // to be loaded again
  return new FileError(`the file ${names.join(" or ")} is damaged`);
}

async function modelOf(styles, strength) {
  const found = await Promise.all(styles.map(async ({ name, share }) => {
    const { file, parameters } = settings.files[name];
    return { ...await modelFile(file, parameters), share };
  }));
  if (styles.length === 1 && strength === 1) return found[0].bytes;
  const { file, parameters } = settings.roots[settings.files[styles[0].name].network];
  return mix(await modelFile(file, parameters), found, strength);
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

async function opened(model, styles) {
  try {
    return await ort.InferenceSession.create(model, {
      executionProviders: ["wasm"],
      enableMemPattern: false,
    });
  } catch (error) {
    const [, code] = /ERROR_CODE: (\d+)/.exec(error.message) ?? [];
    if (!code || code === RUNTIME_EXCEPTION) throw error;
    throw damaged(...styles.map(({ name }) => settings.files[name].file));
  }
}

async function network(picture, styles, strength) {
  const session = await sessionOf(styles, strength);
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

async function work({ bitmap, options, type, quality }) {
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
  const begun = performance.now();
  const painting = await (options.region ? paintRegion : paint)(rgb, options);
  const milliseconds = performance.now() - begun;
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

async function start(given) {
  settings = given;
  ort = await import(`./${settings.runtime}`);
  ort.env.wasm.numThreads = 1; // threads need headers that static hosts do not send
  ort.env.logLevel = "error";
}

let ready;
let last = Promise.resolve();

self.addEventListener("message", ({ data }) => {
  last = last.then(async () => {
    try {
      if (data.settings) ready = start(data.settings);
      await ready; // if it failed, every picture gets its error
      const done = data.settings ? null : await work(data);
      self.postMessage({ id: data.id, done }, done?.bitmap ? [done.bitmap] : []);
    } catch (error) {
      const isOfFile = error instanceof FileError;
      self.postMessage({ id: data.id, error: String(error?.message ?? error), isOfFile });
    }
  });
});
