// The page: what was chosen, and what follows from it.

import { Camera } from "./camera.js";
import { commandOf, hintOf } from "./command.js";
import { Comparison } from "./compare.js";
import { Gallery } from "./gallery.js";
import { Keeper } from "./keeper.js";
import { BrowserPainter, Said, ServicePainter, sentence } from "./painters.js";
import { listenForFiles, openPhoto } from "./photo.js";
import { Stage } from "./stage.js";
import { Newest, Turns } from "./turns.js";

const PREVIEW = 1024; // longer side, in px
const PATIENCE = 1000; // ms that a preview may take after another look was wished for

const at = (id) => document.getElementById(id);
const turns = new Turns();
const camera = new Camera();
const stage = new Stage();
const keeper = new Keeper({ paint: result, words, onBusy: enableResult });
const wishes = { photo: null, style: null, painter: null, compared: [] };
const sources = new Newest(); // of photographs: a file, a sample, the camera
const previews = new Newest();
const painters = {}; // each keeps what it has loaded
let config;
let gallery;
let comparison;
let previewBegan = 0;

/** What an error says, to the one who reads the page. */
function words(error) {
  return error instanceof Said ? error.message : sentence(`This did not work: ${error.message}`);
}

const round = (value) => Math.round(100 * value) / 100;
const strokeScale = () => round(2 ** at("strokes").valueAsNumber);
const isSize = () => at("size").validity.valid; // or empty
const sizeAsked = () => (isSize() && at("size").valueAsNumber) || null;
const sideOfResult = (photo) => sizeAsked() ?? wishes.painter.mostSide(photo);
const sideOfPreview = (photo) => (
  Math.min(PREVIEW, sideOfResult(photo), wishes.painter.mostSide(photo)));

/** How a picture is to be painted; in another style than what was chosen, if given. */
function look(style = null) {
  const chosen = style ?? wishes.style;
  const second = style ? "" : at("second").value;
  const share = round(at("share").valueAsNumber / 100);
  const styles = second
    ? [{ name: chosen.name, share: round(1 - share) }, { name: second, share }]
    : [{ name: chosen.name, share: 1 }];
  const strength = at("strength").valueAsNumber;
  return {
    styles,
    strength: chosen.mixes ? strength : Math.min(strength, 1),
    detail: at("detail").valueAsNumber,
    strokeScale: strokeScale(),
    keepColors: at("colors").checked,
    size: null,
  };
}

/** The same for the camera: without detail, and by the styles' models for it, if all have one. */
function lookOfCamera() {
  const said = { ...look(), detail: 0 };
  const live = said.styles.map(({ name }) => named(name).live);
  if (!live.every(Boolean)) return said;
  return { ...said, styles: said.styles.map(({ share }, i) => ({ name: live[i], share })) };
}

const named = (name) => config.styles.find((style) => style.name === name);

/** Whether a style blends with another one: networks of two kinds do not. */
function mixesWith(style, name) {
  return style.name !== name && style.network === named(name).network;
}

/** The same for the file to keep: at its own size, with strokes as large as were seen. */
function lookOfResult(photo) {
  const result = sideOfResult(photo);
  const factor = at("same").checked ? result / sideOfPreview(photo) : 1;
  const [least, most] = config.stroke_scale;
  const scale = Math.min(Math.max(round(strokeScale() * factor), least), most);
  const size = sizeAsked() ?? (result < photo.longer ? result : null);
  return { ...look(), strokeScale: scale, size };
}

function showCommand() {
  const said = lookOfResult(wishes.photo);
  const isNamed = (name) => named(name).named;
  at("line").textContent = commandOf(said, { usual: config.detail, isNamed, format: at("format").value });
  at("line-hint").textContent = hintOf(said, isNamed);
}

function enableResult() {
  const isThere = wishes.photo || camera.isOn;
  for (const id of ["download", "copy"]) at(id).disabled = !isThere || !isSize() || keeper.isBusy;
}

/** Show what the controls say, and paint the preview anew. */
function refresh() {
  const { style, photo } = wishes;
  const strength = at("strength");
  strength.max = style.mixes ? config.most_strength : 1;
  at("strength-value").textContent = strength.valueAsNumber.toFixed(2);
  at("strokes-value").textContent = `${strokeScale()} ×`;
  at("detail-value").textContent = at("detail").valueAsNumber.toFixed(2);
  at("share-value").textContent = `${at("share").value} %`;
  at("mix-hint").hidden = style.mixes;
  const second = at("second");
  second.disabled = !style.mixes;
  for (const option of second.options) {
    option.hidden = option.disabled = Boolean(option.value) && !mixesWith(style, option.value);
  }
  if (!style.mixes || second.selectedOptions[0]?.disabled) second.value = "";
  at("share-label").hidden = !second.value;
  enableResult();
  keeper.clear();
  at("size-error").textContent = isSize() ? "" : "Give a whole number of pixels, 1 or more.";
  if (!photo) return;
  showCommand();
  if (!camera.isOn) paintPreview();
}

/** A quick painting of an older look is still shown, so that sliders can be watched; a slow one not. */
function paintPreview() {
  if (performance.now() - previewBegan > PATIENCE) previews.next();
  turns.soon("preview", preview);
}

/** Another look, after which nobody waits for the former one. */
function refreshAtOnce() {
  previews.next();
  refresh();
}

async function preview() {
  if (camera.isOn) return;
  const { photo, painter } = wishes;
  const { signal } = previews;
  previewBegan = performance.now();
  at("status").textContent = "Painting …";
  try {
    const wanted = look();
    const titles = wanted.styles.map(({ name }) => named(name).title);
    const small = await photo.atMost(sideOfPreview(photo));
    if (signal.aborted) return;
    stage.photograph(photo, small);
    const { bitmap, milliseconds } = await painter.show(small, wanted, signal);
    if (signal.aborted) return;
    stage.painting(photo, small, bitmap, titles);
    at("paint-error").textContent = "";
    at("status").textContent = `${titles.join(" + ")}, ${bitmap.width} × ${bitmap.height} px in ` +
      `${milliseconds.toFixed(0)} ms`;
    gallery.retry();
    comparison.retry();
  } catch (error) {
    if (signal.aborted) return;
    stage.clear(); // what is there has another look
    at("status").textContent = "";
    at("paint-error").textContent = words(error);
  }
}

/**
 * Take a photograph, unless another is given before it is there.
 *
 * @param name Of its file.
 * @param load (signal) -> its file.
 * @returns It; null if it was not taken.
 */
async function take(name, load) {
  const signal = sources.next();
  at("photo-error").textContent = "";
  try {
    const photo = await openPhoto(await load(signal), name, wishes.painter, signal);
    if (signal.aborted) return null;
    stopCamera();
    wishes.photo = photo;
    showPhoto();
    return photo;
  } catch (reason) {
    if (!signal.aborted) at("photo-error").textContent = words(reason);
    return null;
  }
}

const takeFile = (file) => take(file.name, () => file);

function takeSample(path) {
  return take(path.split("/").pop(), async (signal) => {
    try {
      const answer = await fetch(path, { signal });
      if (!answer.ok) throw new Error(`it says ${answer.status}`);
      return await answer.blob();
    } catch (error) {
      throw new Said(`The sample cannot be loaded (${error.message}): load the page again.`);
    }
  });
}

/** Everything anew: another photograph, or another painter. */
function showPhoto() {
  turns.clear();
  previews.next();
  at("photo-note").textContent = wishes.painter.note(wishes.photo);
  refresh();
  gallery.refresh();
  compare();
}

/** A painting of the photograph, with so many pixels on its longer side at most. */
async function small(side, wanted, signal) {
  const { photo, painter } = wishes;
  const picture = await photo.atMost(Math.min(side, painter.mostSide(photo)));
  return (await painter.show(picture, wanted, signal)).bitmap;
}

function compare() {
  comparison.show(wishes.photo ? wishes.compared : []);
}

/**
 * The full painting, as a file; of the camera's picture at this moment, if it is on.
 *
 * @returns { blob, copied } of a painter's `save`, and the photograph's and styles' `name`.
 */
async function result(format) {
  const photo = camera.isOn ? await snap() : wishes.photo;
  if (!photo) throw new Said("No picture was taken: try again.");
  const { painter } = wishes;
  const wanted = lookOfResult(photo);
  at("result-status").textContent = `Painting ${sideOfResult(photo)} px …`;
  const saved = await new Promise((resolve, reject) => {
    turns.soon("result", () => painter.save(photo, wanted, format).then(resolve, reject));
  });
  return { ...saved, name: [photo.name, ...wanted.styles.map(({ name }) => name)].join("-") };
}

async function startCamera() {
  const wish = sources.next();
  at("photo-error").textContent = "";
  at("camera").disabled = true;
  try {
    await camera.start(wish, {
      each: paintFrame,
      count: (rate) => {
        at("status").textContent = `${rate.toFixed(1)} frames a second`;
      },
      onEnd: cameraFailed,
    });
    if (camera.isOn) previews.next();
  } catch (error) {
    if (!wish.aborted) at("photo-error").textContent = words(error);
  }
  showCamera();
}

async function paintFrame(frame, off) {
  try {
    const wanted = lookOfCamera();
    const { bitmap } = await wishes.painter.show(frame, wanted, off);
    if (off.aborted) return;
    stage.painting(null, frame, bitmap, look().styles.map(({ name }) => named(name).title));
    at("paint-error").textContent = "";
  } catch (error) {
    if (!off.aborted) cameraFailed(error);
  }
}

function cameraFailed(error) {
  leaveCamera();
  at("photo-error").textContent = `The camera was stopped. ${words(error)}`;
}

/** Back to the photograph that there was before. */
function leaveCamera() {
  stopCamera();
  at("status").textContent = "";
  if (!wishes.photo) stage.empty();
  refresh();
}

function stopCamera() {
  camera.stop();
  showCamera();
}

function showCamera() {
  for (const id of ["snap", "stop"]) at(id).hidden = !camera.isOn;
  at("camera").disabled = camera.isOn;
  enableResult();
}

const snap = () => take("camera.png", () => camera.still());

function choosePainter(where) {
  const isService = where === "service";
  wishes.painter = painters[where];
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const goes = isHere ? "Your photograph stays on this machine."
    : `Your photograph goes to ${location.host}, which does not keep it.`;
  at("privacy").textContent = isService ? goes : "Your photograph never leaves this browser.";
}

function listen() {
  for (const id of ["strength", "share", "strokes", "detail", "size", "same", "format"]) {
    at(id).addEventListener("input", refresh);
  }
  for (const id of ["colors", "second"]) at(id).addEventListener("input", refreshAtOnce);
  for (const id of ["strength", "strokes", "detail", "colors"]) at(id).addEventListener("change", compare);
  at("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) takeFile(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
  at("camera").addEventListener("click", startCamera);
  at("snap").addEventListener("click", snap);
  at("stop").addEventListener("click", leaveCamera);
  at("download").addEventListener("click", () => keeper.download(at("format").value));
  at("copy").addEventListener("click", () => keeper.copy());
  at("where").addEventListener("change", ({ target }) => {
    choosePainter(target.value);
    if (wishes.photo) showPhoto();
  });
  listenForFiles(takeFile, () => {
    at("photo-error").textContent = "That was no file: drop a picture's file.";
  });
}

function fill() {
  for (const path of config.samples) {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const name = path.split("/").pop().replace(/\.\w+$/, "");
    button.append(Object.assign(new Image(), { src: path, alt: name }));
    button.addEventListener("click", () => takeSample(path));
    at("samples").append(button);
  }
  for (const { name, title, mixes } of config.styles) {
    if (mixes) at("second").append(new Option(title, name));
  }
  at("strength").max = config.most_strength;
  at("detail").value = config.detail;
  at("where-label").hidden = !(config.service && config.browser);
  at("footer").textContent = `fast_nst ${config.version}`;
  if (config.service) {
    const link = Object.assign(document.createElement("a"), { href: "api.html" });
    link.textContent = "for programs";
    at("footer").append(" · ", link);
  }
}

async function begin() {
  config = await (await fetch("config.json")).json();
  // In the browser a file mixes whose parameters lie at known places.
  const mixesHere = (name) => config.service || config.browser.files[name].parameters !== null;
  for (const style of config.styles) style.mixes &&= mixesHere(style.name);
  if (config.service) painters.service = new ServicePainter(config.service);
  if (config.browser) painters.browser = new BrowserPainter(config.browser);
  choosePainter(config.service ? "service" : "browser");
  fill();
  gallery = new Gallery(config.styles, {
    turns,
    paint: (style, side, signal) => {
      const plain = { strength: 1, detail: 0, strokeScale: 1, keepColors: false, size: null };
      return small(side, { ...plain, styles: [{ name: style.name, share: 1 }] }, signal);
    },
    onStyle: (style) => {
      wishes.style = style;
      refreshAtOnce();
    },
    onCompare: (styles) => {
      wishes.compared = styles;
      compare();
    },
  });
  comparison = new Comparison({
    turns, paint: (style, side, signal) => small(side, look(style), signal), words,
  });
  wishes.style = config.styles.find(({ name }) => name === config.default) ?? config.styles[0];
  gallery.choose(wishes.style.name);
  listen();
  refresh();
  at("loading").remove();
  await takeSample(config.samples[0]);
}

begin().catch((error) => {
  at("loading").textContent = `The page did not start (${error.message}): load it again.`;
  at("loading").className = "error";
});
