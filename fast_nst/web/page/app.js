// The page: what was chosen, and what follows from it.

import { Camera } from "./camera.js";
import { Gallery, draw } from "./gallery.js";
import { BrowserPainter, Said, ServicePainter, sentence } from "./painters.js";
import { listenForFiles, openPhoto } from "./photo.js";
import { Turns } from "./turns.js";

const PREVIEW = 1024; // longer side, in px
const BESIDE = 512; // of each of several, side by side

const at = (id) => document.getElementById(id);
const turns = new Turns();
const camera = new Camera();
const wishes = { photo: null, style: null, painter: null, compared: [] };
let config;
let gallery;
let taken = 0; // photographs so far

/** What an error says, to the one who reads the page. */
function words(error) {
  return error instanceof Said ? error.message : sentence(`This did not work: ${error.message}`);
}

const round = (value) => Math.round(100 * value) / 100;
const strokeScale = () => round(2 ** at("strokes").valueAsNumber);
const isSize = () => at("size").validity.valid; // or empty
const sizeAsked = () => (isSize() && at("size").valueAsNumber) || null;
const sideOfResult = () => sizeAsked() ?? wishes.photo.longer;

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
function lookOfResult() {
  const result = sideOfResult();
  const seen = Math.min(PREVIEW, result, wishes.photo.longer);
  const factor = at("same").checked ? result / seen : 1;
  const [least, most] = config.stroke_scale;
  const scale = Math.min(Math.max(round(strokeScale() * factor), least), most);
  return { ...look(), strokeScale: scale, size: sizeAsked() };
}

function command() {
  const said = lookOfResult();
  const quoted = (text) => (/^[\w.:-]+$/.test(text) ? text : `"${text}"`);
  const parts = ["fast-nst infer PHOTO"];
  for (const { name, share } of said.styles) {
    const given = said.styles.length > 1 ? `:${share}` : "";
    parts.push(named(name).named ? `--style ${quoted(name + given)}` : `-m ${quoted(`${name}.onnx${given}`)}`);
  }
  if (said.strength !== 1) parts.push(`--strength ${said.strength}`);
  if (said.detail !== config.detail) parts.push(`--detail ${said.detail}`);
  if (said.strokeScale !== 1) parts.push(`--stroke-scale ${said.strokeScale}`);
  if (said.keepColors) parts.push("--keep-colors");
  if (said.size) parts.push(`--size ${said.size}`);
  return [...parts, `-o painting.${at("format").value}`].join(" ");
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
  for (const id of ["download", "copy"]) at(id).disabled = !photo || !isSize();
  at("size-error").textContent = isSize() ? "" : "Give a whole number of pixels, 1 or more.";
  if (!photo) return;
  at("line").textContent = command();
  if (!camera.isOn) turns.soon("preview", preview);
}

async function preview() {
  const { photo } = wishes;
  at("status").textContent = "Painting …";
  try {
    const wanted = look();
    const titles = wanted.styles.map(({ name }) => named(name).title);
    const small = await photo.atMost(Math.min(PREVIEW, sideOfResult()));
    const { bitmap, milliseconds } = await wishes.painter.show(small, wanted);
    draw(at("before"), small);
    draw(at("after"), bitmap);
    at("after").setAttribute("aria-label", `The painting, in the style of ${titles.join(" and ")}`);
    at("paint-error").textContent = "";
    at("status").textContent = `${titles.join(" + ")}, ${bitmap.width} × ${bitmap.height} px in ` +
      `${milliseconds.toFixed(0)} ms`;
  } catch (error) {
    at("status").textContent = "";
    at("paint-error").textContent = words(error);
  }
}

async function take(blob, name) {
  const error = at("photo-error");
  const turn = ++taken;
  stopCamera();
  let photo;
  try {
    photo = await openPhoto(blob, name, wishes.painter);
  } catch (reason) {
    if (turn === taken) error.textContent = words(reason);
    return;
  }
  if (turn !== taken) return; // another was given meanwhile
  error.textContent = "";
  wishes.photo = photo;
  showPhoto();
}

/** Everything anew: another photograph, or another painter. */
function showPhoto() {
  turns.clear();
  refresh();
  gallery.refresh();
  compare();
}

function compare() {
  at("compare-section").hidden = !wishes.compared.length || !wishes.photo;
  if (at("compare-section").hidden) return;
  at("compare").replaceChildren();
  for (const style of wishes.compared) {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `The painting, in the style of ${style.title}`);
    const caption = document.createElement("figcaption");
    caption.textContent = style.title;
    figure.append(canvas, caption);
    at("compare").append(figure);
    turns.later(async () => {
      if (!figure.isConnected) return; // others were chosen meanwhile
      try {
        const small = await wishes.photo.atMost(BESIDE);
        draw(canvas, (await wishes.painter.show(small, look(style))).bitmap);
        canvas.dataset.painted = "yes";
      } catch (error) {
        caption.textContent = `${style.title}: ${words(error)}`;
        caption.className = "error";
      }
    });
  }
}

/** The full painting, as a file in the format that was chosen, or as a PNG. */
function result(format = at("format").value) {
  const { photo, painter } = wishes;
  const wanted = lookOfResult();
  at("result-error").textContent = "";
  at("result-status").textContent = `Painting ${sideOfResult()} px …`;
  return new Promise((resolve, reject) => {
    turns.soon("result", () => painter.save(photo, wanted, format).then(resolve, reject));
  });
}

async function keep(work, done) {
  const buttons = [at("download"), at("copy")];
  for (const button of buttons) button.disabled = true;
  try {
    await work();
    at("result-status").textContent = done;
  } catch (error) {
    at("result-status").textContent = "";
    at("result-error").textContent = words(error);
  }
  for (const button of buttons) button.disabled = !isSize();
}

async function download() {
  const format = at("format").value;
  const name = `${wishes.photo.name}-${look().styles.map((style) => style.name).join("-")}.${format}`;
  const address = URL.createObjectURL(await result());
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

async function copy() {
  if (!navigator.clipboard?.write) {
    throw new Said("Browsers copy pictures on https and localhost only: download it instead.");
  }
  await navigator.clipboard.write([new ClipboardItem({ "image/png": result("png") })]);
}

async function startCamera() {
  at("photo-error").textContent = "";
  at("camera").disabled = true;
  try {
    await camera.start(async (frame) => {
      try {
        const { bitmap } = await wishes.painter.show(frame, lookOfCamera());
        draw(at("before"), frame);
        draw(at("after"), bitmap);
        at("paint-error").textContent = "";
      } catch (error) {
        at("paint-error").textContent = words(error);
        stopCamera();
      }
    }, (rate) => {
      at("status").textContent = `${rate.toFixed(1)} frames a second`;
    });
    for (const id of ["snap", "stop"]) at(id).hidden = false;
  } catch (error) {
    at("camera").disabled = false;
    at("photo-error").textContent = words(error);
  }
}

function stopCamera() {
  camera.stop();
  for (const id of ["snap", "stop"]) at(id).hidden = true;
  at("camera").disabled = false;
}

async function snap() {
  const still = await camera.still();
  const canvas = new OffscreenCanvas(still.width, still.height);
  canvas.getContext("2d").drawImage(still, 0, 0);
  await take(await canvas.convertToBlob({ type: "image/png" }), "camera.png");
}

function setSplit(percent) {
  at("split").value = percent;
  const after = at("after");
  const edge = after.offsetLeft + (after.offsetWidth * percent) / 100;
  at("stage").style.setProperty("--split", `${percent}%`);
  at("divider").style.left = `${edge}px`;
  at("divider").hidden = percent <= 0 || percent >= 100;
}

function choosePainter(where) {
  const isService = where === "service";
  wishes.painter = isService ? new ServicePainter(config.service) : new BrowserPainter(config.browser);
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const goes = isHere ? "Your photograph stays on this machine."
    : `Your photograph goes to ${location.host}, which does not keep it.`;
  at("privacy").textContent = isService ? goes : "Your photograph never leaves this browser.";
}

function listen() {
  for (const id of ["strength", "share", "strokes", "detail", "colors", "second", "size", "same"]) {
    at(id).addEventListener("input", () => refresh());
  }
  for (const id of ["strength", "strokes", "detail", "colors"]) at(id).addEventListener("change", compare);
  at("format").addEventListener("input", () => refresh());
  at("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) take(target.files[0], target.files[0].name);
    target.value = ""; // so that the same file can be chosen again
  });
  at("camera").addEventListener("click", startCamera);
  at("snap").addEventListener("click", snap);
  at("stop").addEventListener("click", () => {
    stopCamera();
    refresh();
  });
  at("download").addEventListener("click", () => keep(download, "Downloaded."));
  at("copy").addEventListener("click", () => keep(copy, "Copied."));
  at("where").addEventListener("change", ({ target }) => {
    choosePainter(target.value);
    if (wishes.photo) showPhoto();
  });
  at("split").addEventListener("input", ({ target }) => setSplit(target.valueAsNumber));
  at("stage").addEventListener("pointerdown", drag);
  at("stage").addEventListener("pointermove", (event) => event.buttons && drag(event));
  window.addEventListener("resize", () => setSplit(at("split").valueAsNumber));
  listenForFiles((picture) => take(picture, picture.name), () => {
    at("photo-error").textContent = "That was no file: drop a picture's file.";
  });
}

function drag(event) {
  const box = at("after").getBoundingClientRect();
  setSplit(Math.min(Math.max(Math.round((100 * (event.clientX - box.left)) / box.width), 0), 100));
}

async function takeSample(path) {
  try {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(`it says ${answer.status}`);
    await take(await answer.blob(), path.split("/").pop());
  } catch (error) {
    at("photo-error").textContent = `The sample cannot be loaded (${error.message}): load the page again.`;
  }
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
  choosePainter(config.service ? "service" : "browser");
  fill();
  gallery = new Gallery(config.styles, {
    turns,
    paint: async (style, side) => {
      const small = await wishes.photo.atMost(side);
      const plain = { strength: 1, detail: 0, strokeScale: 1, keepColors: false, size: null };
      const styles = [{ name: style.name, share: 1 }];
      return (await wishes.painter.show(small, { ...plain, styles })).bitmap;
    },
    onStyle: (style) => {
      wishes.style = style;
      refresh();
    },
    onCompare: (styles) => {
      wishes.compared = styles;
      compare();
    },
  });
  wishes.style = config.styles.find(({ name }) => name === config.default) ?? config.styles[0];
  gallery.choose(wishes.style.name);
  listen();
  setSplit(0);
  refresh();
  at("loading").remove();
  await takeSample(config.samples[0]);
}

begin().catch((error) => {
  at("loading").textContent = `The page did not start (${error.message}): load it again.`;
  at("loading").className = "error";
});
