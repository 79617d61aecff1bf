// The page's state and controls.

import { Camera } from "./camera.js";
import { commandFor, hintFor } from "./command.js";
import { Comparison } from "./compare.js";
import { Gallery } from "./gallery.js";
import { install } from "./installation.js";
import { ResultExporter } from "./result_exporter.js";
import { BrowserStylizer, ServiceStylizer, UserError, sentence } from "./stylizers.js";
import { listenForFiles, openPhoto } from "./photo.js";
import { Viewer } from "./viewer.js";
import { JobQueue, Latest } from "./job_queue.js";

const PREVIEW = 1024; // longer side, in px
const PREVIEW_PATIENCE = 1000; // ms after which new options cancel a running preview

const byId = (id) => document.getElementById(id);
const jobs = new JobQueue();
const camera = new Camera();
const viewer = new Viewer();
const exporter = new ResultExporter({ paint: result, messageOf, onBusy: enableResult });
const state = { photo: null, style: null, stylizer: null, compared: [] };
const sources = new Latest(); // photographs from files, samples and the camera
const previews = new Latest();
const stylizers = {}; // service, browser
let config;
let gallery;
let comparison;
let previewStarted = 0;

/** An error's message for the visitor. */
function messageOf(error) {
  return error instanceof UserError ? error.message : sentence(`Unexpected error: ${error.message}`);
}

const round = (value) => Math.round(100 * value) / 100;
const strokeScale = () => round(2 ** byId("strokes").valueAsNumber);
const isSize = () => byId("size").validity.valid; // empty is valid
const sizeAsked = () => (isSize() && byId("size").valueAsNumber) || null;
const sideOfResult = (photo) => sizeAsked() ?? state.stylizer.maxSide(photo);
const sideOfPreview = (photo) => (
  Math.min(PREVIEW, sideOfResult(photo), state.stylizer.maxSide(photo)));

/** The paint options of the controls, in the chosen style or another one; see stylizers.js. */
function paintOptions(style = null) {
  const chosen = style ?? state.style;
  const second = style ? "" : byId("second").value;
  const share = round(byId("share").valueAsNumber / 100);
  const styles = second
    ? [{ name: chosen.name, share: round(1 - share) }, { name: second, share }]
    : [{ name: chosen.name, share: 1 }];
  const strength = byId("strength").valueAsNumber;
  return {
    styles,
    strength: chosen.mixes ? strength : Math.min(strength, 1),
    detail: byId("detail").valueAsNumber,
    strokeScale: strokeScale(),
    keepColors: byId("colors").checked,
    size: null,
  };
}

/** The same for the camera: without detail, and with the styles' fast models if all have one. */
function cameraOptions() {
  const options = { ...paintOptions(), detail: 0 };
  const live = options.styles.map(({ name }) => styleNamed(name).live);
  if (!live.every(Boolean)) return options;
  return { ...options, styles: options.styles.map(({ share }, i) => ({ name: live[i], share })) };
}

const styleNamed = (name) => config.styles.find((style) => style.name === name);
const titlesOf = ({ styles }) => styles.map(({ name }) => styleNamed(name).title);

/** Whether a style blends with another one, which takes two of one architecture. */
function mixesWith(style, name) {
  return style.name !== name && style.network === styleNamed(name).network;
}

/** The same for the result: at its own size, with strokes scaled as in the preview. */
function resultOptions(photo) {
  const result = sideOfResult(photo);
  const factor = byId("same").checked ? result / sideOfPreview(photo) : 1;
  const [least, most] = config.stroke_scale;
  const scale = Math.min(Math.max(round(strokeScale() * factor), least), most);
  const size = sizeAsked() ?? (result < photo.longer ? result : null);
  return { ...paintOptions(), strokeScale: scale, size };
}

function showCommand() {
  const options = resultOptions(state.photo);
  const isNamed = (name) => styleNamed(name).named;
  byId("line").textContent = commandFor(options, {
    defaultDetail: config.detail, isNamed, format: byId("format").value,
  });
  byId("line-hint").textContent = hintFor(options, isNamed);
}

function enableResult() {
  const isThere = state.photo || camera.isOn;
  for (const id of ["download", "copy"]) byId(id).disabled = !isThere || !isSize() || exporter.isBusy;
}

/** Update the page after a change of the controls, and repaint the preview. */
function refresh() {
  const { style, photo } = state;
  const strength = byId("strength");
  strength.max = style.mixes ? config.most_strength : 1;
  byId("strength-value").textContent = strength.valueAsNumber.toFixed(2);
  byId("strokes-value").textContent = `${strokeScale()} ×`;
  byId("detail-value").textContent = byId("detail").valueAsNumber.toFixed(2);
  byId("share-value").textContent = `${byId("share").value} %`;
  byId("mix-hint").hidden = style.mixes;
  const second = byId("second");
  second.disabled = !style.mixes;
  for (const option of second.options) {
    option.hidden = option.disabled = Boolean(option.value) && !mixesWith(style, option.value);
  }
  if (!style.mixes || second.selectedOptions[0]?.disabled) second.value = "";
  byId("share-label").hidden = !second.value;
  enableResult();
  exporter.clear();
  byId("size-error").textContent = isSize() ? "" : "Enter a whole number of pixels, 1 or more.";
  if (!photo) return;
  showCommand();
  if (!camera.isOn) paintPreview();
}

/** A running preview is still shown while a slider moves, unless it takes too long. */
function paintPreview() {
  if (performance.now() - previewStarted > PREVIEW_PATIENCE) previews.next();
  jobs.runNext("preview", preview);
}

/** The same, but a running preview is cancelled. */
function refreshAtOnce() {
  previews.next();
  refresh();
}

async function preview() {
  if (camera.isOn) return;
  const { photo, stylizer } = state;
  const { signal } = previews;
  previewStarted = performance.now();
  byId("status").textContent = "Painting …";
  try {
    const options = paintOptions();
    const titles = titlesOf(options);
    const small = await photo.atMost(sideOfPreview(photo));
    if (signal.aborted) return;
    viewer.showPhoto(photo, small);
    const { bitmap, milliseconds } = await stylizer.stylize(small, options, signal);
    if (signal.aborted) return;
    viewer.showPainting(photo, small, bitmap, titles);
    byId("paint-error").textContent = "";
    byId("status").textContent = `${titles.join(" + ")}, ${bitmap.width} × ${bitmap.height} px in ` +
      `${milliseconds.toFixed(0)} ms`;
    gallery.retry();
    comparison.retry();
  } catch (error) {
    if (signal.aborted) return;
    viewer.clear(); // the painting does not match the options
    byId("status").textContent = "";
    byId("paint-error").textContent = messageOf(error);
  }
}

/**
 * Load a photograph, unless another one is chosen meanwhile.
 *
 * @param name The file's name.
 * @param load (signal) -> the file.
 * @returns The photograph; null if it was not loaded.
 */
async function loadPhoto(name, load) {
  const signal = sources.next();
  byId("photo-error").textContent = "";
  try {
    const photo = await openPhoto(await load(signal), name, state.stylizer, signal);
    if (signal.aborted) return null;
    stopCamera();
    state.photo = photo;
    showPhoto();
    return photo;
  } catch (reason) {
    if (!signal.aborted) byId("photo-error").textContent = messageOf(reason);
    return null;
  }
}

const loadFile = (file) => loadPhoto(file.name, () => file);

function loadSample(path) {
  return loadPhoto(path.split("/").pop(), async (signal) => {
    try {
      const response = await fetch(path, { signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      return await response.blob();
    } catch (error) {
      throw new UserError(`The sample cannot be loaded (${error.message}). Please load the page again.`);
    }
  });
}

/** Repaint everything, for another photograph or stylizer. */
function showPhoto() {
  jobs.clearIdle();
  previews.next();
  byId("photo-note").textContent = state.stylizer.note(state.photo);
  refresh();
  gallery.refresh();
  compare();
}

/** A painting of the photograph with a longer side of at most `side` px. */
async function paintSmall(side, options, signal) {
  const { photo, stylizer } = state;
  const picture = await photo.atMost(Math.min(side, stylizer.maxSide(photo)));
  return (await stylizer.stylize(picture, options, signal)).bitmap;
}

function compare() {
  comparison.show(state.photo ? state.compared : []);
}

/**
 * The result as a file; with the camera on, of its current picture.
 *
 * @returns { blob, copied } of a stylizer's `save`, and a `name` of photograph and styles.
 */
async function result(format) {
  const photo = camera.isOn ? await snap() : state.photo;
  if (!photo) throw new UserError("No picture was taken. Please try again.");
  const { stylizer } = state;
  const options = resultOptions(photo);
  byId("result-status").textContent = `Painting ${sideOfResult(photo)} px …`;
  const saved = await new Promise((resolve, reject) => {
    jobs.runNext("result", () => stylizer.save(photo, options, format).then(resolve, reject));
  });
  return { ...saved, name: [photo.name, ...options.styles.map(({ name }) => name)].join("-") };
}

async function startCamera() {
  const signal = sources.next();
  byId("photo-error").textContent = "";
  byId("camera").disabled = true;
  try {
    await camera.start(signal, {
      onFrame: paintFrame,
      onRate: (rate) => {
        byId("status").textContent = `${rate.toFixed(1)} frames per second`;
      },
      onEnd: cameraFailed,
    });
    if (camera.isOn) previews.next();
  } catch (error) {
    if (!signal.aborted) byId("photo-error").textContent = messageOf(error);
  }
  showCamera();
}

async function paintFrame(frame, signal) {
  try {
    const { bitmap } = await state.stylizer.stylize(frame, cameraOptions(), signal);
    if (signal.aborted) return;
    viewer.showPainting(null, frame, bitmap, titlesOf(paintOptions()));
    byId("paint-error").textContent = "";
  } catch (error) {
    if (!signal.aborted) cameraFailed(error);
  }
}

function cameraFailed(error) {
  leaveCamera();
  byId("photo-error").textContent = `The camera was stopped. ${messageOf(error)}`;
}

/** Stop the camera, and show the photograph from before. */
function leaveCamera() {
  stopCamera();
  byId("status").textContent = "";
  if (!state.photo) viewer.empty();
  refresh();
}

function stopCamera() {
  camera.stop();
  showCamera();
}

function showCamera() {
  for (const id of ["snap", "stop"]) byId(id).hidden = !camera.isOn;
  byId("camera").disabled = camera.isOn;
  enableResult();
}

const snap = () => loadPhoto("camera.png", () => camera.still());

function chooseStylizer(where) {
  const isService = where === "service";
  state.stylizer = stylizers[where];
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const service = isLocal ? "Your photograph stays on this machine."
    : `Your photograph is sent to ${location.host}, which does not store it.`;
  byId("privacy").textContent = isService ? service : "Your photograph never leaves this browser.";
}

function listen() {
  for (const id of ["strength", "share", "strokes", "detail", "size", "same", "format"]) {
    byId(id).addEventListener("input", refresh);
  }
  for (const id of ["colors", "second"]) byId(id).addEventListener("input", refreshAtOnce);
  for (const id of ["strength", "strokes", "detail", "colors"]) byId(id).addEventListener("change", compare);
  byId("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) loadFile(target.files[0]);
    target.value = ""; // allows choosing the same file again
  });
  byId("camera").addEventListener("click", startCamera);
  byId("snap").addEventListener("click", snap);
  byId("stop").addEventListener("click", leaveCamera);
  byId("download").addEventListener("click", () => exporter.download(byId("format").value));
  byId("copy").addEventListener("click", () => exporter.copy());
  byId("where").addEventListener("change", ({ target }) => {
    chooseStylizer(target.value);
    if (state.photo) showPhoto();
  });
  listenForFiles(loadFile, () => {
    byId("photo-error").textContent = "That is not a file. Please drop an image file.";
  });
}

function fill() {
  for (const [i, path] of config.samples.entries()) {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const name = path.split("/").pop().replace(/\.\w+$/, "");
    button.append(Object.assign(new Image(), { src: config.sample_thumbnails[i], alt: name }));
    button.addEventListener("click", () => loadSample(path));
    byId("samples").append(button);
  }
  for (const { name, title, mixes } of config.styles) {
    if (mixes) byId("second").append(new Option(title, name));
  }
  byId("strength").max = config.most_strength;
  byId("detail").value = config.detail;
  byId("where-label").hidden = !(config.service && config.browser);
  byId("footer").textContent = `fast_nst ${config.version}`;
  if (config.service) {
    const link = Object.assign(document.createElement("a"), { href: "api.html" });
    link.textContent = "API";
    byId("footer").append(" · ", link);
  }
}

async function start() {
  config = await (await fetch("config.json")).json();
  // The browser blends files whose parameters' offsets are known.
  const mixesHere = (name) => config.service || config.browser.files[name].parameters !== null;
  for (const style of config.styles) style.mixes &&= mixesHere(style.name);
  if (config.service) stylizers.service = new ServiceStylizer(config.service);
  if (config.browser) stylizers.browser = new BrowserStylizer(config.browser);
  chooseStylizer(config.service ? "service" : "browser");
  fill();
  gallery = new Gallery(config.styles, {
    jobs,
    paint: (style, side, signal) => {
      const plain = { strength: 1, detail: 0, strokeScale: 1, keepColors: false, size: null };
      return paintSmall(side, { ...plain, styles: [{ name: style.name, share: 1 }] }, signal);
    },
    onStyle: (style) => {
      state.style = style;
      refreshAtOnce();
    },
    onCompare: (styles) => {
      state.compared = styles;
      compare();
    },
  });
  comparison = new Comparison({
    jobs, messageOf, paint: (style, side, signal) => paintSmall(side, paintOptions(style), signal),
  });
  state.style = config.styles.find(({ name }) => name === config.default) ?? config.styles[0];
  gallery.choose(state.style.name);
  listen();
  refresh();
  byId("loading").remove();
  await loadSample(config.samples[0]);
  await install(offerUpdate);
}

function offerUpdate(reload) {
  const button = Object.assign(document.createElement("button"), { type: "button", id: "update" });
  button.textContent = "A new version is ready: load it";
  button.addEventListener("click", reload);
  byId("update")?.remove();
  byId("footer").append(" · ", button);
}

start().catch((error) => {
  byId("loading").textContent = `The page did not start (${error.message}). Please load it again.`;
  byId("loading").className = "error";
});
