// Starts the page, and connects its controls.

import { Cropper } from "./crop.js";
import { Films } from "./film.js";
import { install } from "./installation.js";
import { fromAddress, isSameLook, plainLook } from "./look.js";
import { paintOptions, withoutModel } from "./paint_options.js";
import { listenForFiles } from "./photo.js";
import { loadFiles, loadSample, replacePhoto, resume, uncropped } from "./photographs.js";
import { SavedLooks } from "./saved_looks.js";
import { listenForKeys } from "./shortcuts.js";
import {
  begin, currentLook, downloadAll, dropStyle, exporter, gallery, masks, panel, refresh,
  rememberLook, saveMask, setOwnLook, showLook, showPhoto, snap, stage, state, styleNamed,
  titlesOf, travel, visit,
} from "./studio.js";
import { ask } from "./service.js";
import { forget, kept } from "./store.js";
import { BrowserStylizer, ServiceStylizer } from "./stylizers.js";
import { keptVisit } from "./visit.js";
import { LANGUAGES, fillWords, keepLanguage, messageOf, preferredLanguage, say, speak } from "./words.js";

const byId = (id) => document.getElementById(id);
const stylizers = {}; // service, browser
let config;
let films;
let training = null; // where the service trains

function chooseStylizer(where) {
  byId("where").value = where;
  state.stylizer = stylizers[where];
  byId("privacy").textContent = privacyWords(where).map((word) => say(word, { host: location.host })).join(" ");
}

/** What is said of where a photograph goes, and of what is stored there. */
function privacyWords(where) {
  if (where !== "service") return ["neverLeaves"];
  if (["localhost", "127.0.0.1", "[::1]"].includes(location.hostname)) return ["staysHere"];
  const { training: trains, videos } = config.service;
  return [trains?.allowed ? "sentToTrain" : "sentTo", ...(videos?.allowed ? ["filmsDeleted"] : [])];
}

function listenToSources() {
  byId("file").addEventListener("change", ({ target }) => {
    if (target.files.length) takeFiles([...target.files]);
    target.value = ""; // allows choosing the same file again
  });
  byId("snap").addEventListener("click", snap);
  byId("where").addEventListener("change", async ({ target }) => {
    if (target.value === "gpu" && !await isGpuExact()) return;
    chooseStylizer(target.value);
    if (state.photo) showPhoto();
  });
  listenForFiles(takeFiles, () => {
    byId("photo-error").textContent = say("notAFile");
  });
  const cropper = new Cropper({ onApply: replacePhoto });
  byId("crop").addEventListener("click", () => cropper.open(uncropped()));
  byId("own-look").addEventListener("change", ({ target }) => setOwnLook(target.checked));
}

/** Whether the graphics card paints as WebAssembly does; if not, it is no longer offered. */
async function isGpuExact() {
  if (stylizers.gpu) return true;
  byId("status").textContent = say("checkingGpu");
  const stylizer = new BrowserStylizer(config.browser, Boolean(config.service), "webgpu");
  const { ok, reason, difference } = await stylizer.check().catch(({ message }) => ({ reason: message }));
  byId("status").textContent = "";
  if (ok) {
    stylizers.gpu = stylizer;
    return true;
  }
  stylizer.stop();
  byId("where").querySelector("[value=gpu]").remove();
  chooseStylizer("browser");
  byId("paint-error").textContent = say("gpuDiffers", { reason: reason ?? `${difference} / 255` });
  return false;
}

function takeFiles(files) {
  const photographs = films.take(files);
  if (photographs.length) loadFiles(photographs);
}

/** Offer what the service does besides photographs. */
async function beginJobs() {
  films = new Films({
    limits: config.service?.videos,
    look: () => ({ options: paintOptions(currentLook(), config.styles), titles: titlesOf(currentLook()) }),
    paintStill: async (frame, options) => (await state.stylizer.stylize(frame, options)).bitmap,
    isNamed: (name) => styleNamed(name).named,
  });
  if (!config.service?.training?.allowed) return;
  const { Training } = await import("./training.js"); // which static sites do not have
  training = new Training({
    service: config.service,
    stylizer: stylizers.service,
    photograph: () => state.photo,
    styles: () => config.styles,
    onStyle: addStyle,
  });
}

/** Show the styles that the service has now, with the one of this name; or choose it, too. */
async function addStyle(name, isChosen) {
  if (!isChosen && styleNamed(name)) return;
  await updateStyles();
  const isThere = Boolean(styleNamed(name));
  if (!isThere && !isChosen) return; // it was removed
  const look = currentLook();
  const isNew = isThere && isChosen;
  showStyles(isNew ? { ...look, styles: [{ name, share: 1 }] } : look, isNew);
}

/** Show other styles than before, and a look. */
function showStyles(look, isNew = false) {
  gallery.setStyles(config.styles);
  panel.fill();
  masks.fill();
  showLook(look, isNew);
  gallery.refresh();
}

/** Remove a style of the visitor's own from the service, and from all looks but the saved ones. */
async function removeStyle({ name, title }) {
  if (!confirm(say("removeStyleSure", { title }))) return;
  byId("gallery-error").textContent = "";
  try {
    await ask(`api/styles/${encodeURIComponent(name)}`, { method: "DELETE" });
  } catch (error) {
    if (error.status !== 404) { // of one that another tab has removed
      byId("gallery-error").textContent = messageOf(error);
      return;
    }
  }
  config.styles = withoutModel(config.styles, name);
  dropStyle(name, firstStyle());
  showStyles(currentLook());
  byId("found").textContent = say("styleRemoved", { title });
  document.querySelector("#gallery input[type=radio]:checked").focus();
}

/** What is not in config.json: styles trained since the start, and which this visitor may remove. */
async function updateStyles() {
  try {
    config.styles = await ask("api/styles");
  } catch {
    // They are there when the page is loaded again.
  }
}

function listenToLooks() {
  const saved = new SavedLooks({
    current: () => ({ look: currentLook(), proposal: titlesOf(currentLook()).join(" + ") }),
    onChoose: (look) => showLook(look),
  });
  saved.load();
  byId("undo").addEventListener("click", () => travel("undo"));
  byId("redo").addEventListener("click", () => travel("redo"));
  byId("link-look").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      byId("look-status").textContent = say("linkCopied");
    } catch {
      byId("look-status").textContent = say("linkInAddress");
    }
  });
  byId("forget").addEventListener("click", async () => {
    visit.stop();
    await forget();
    saved.clear();
    window.history.replaceState(null, "", location.pathname);
    byId("look-status").textContent = "";
    byId("result-status").textContent = say("forgotten");
  });
  window.addEventListener("hashchange", () => {
    const look = lookOfAddress();
    if (look && !isSameLook(look, currentLook())) showLook(look);
  });
}

function listenToResults() {
  for (const id of ["size", "same", "format"]) byId(id).addEventListener("input", refresh);
  const format = () => byId("format").value;
  byId("download").addEventListener("click", () => exporter.download(format()));
  byId("share-result").addEventListener("click", () => exporter.share(format()));
  byId("copy").addEventListener("click", () => exporter.copy());
  byId("download-all").addEventListener("click", downloadAll);
  byId("save-mask").addEventListener("click", saveMask);
  for (const button of document.querySelectorAll("#panels button")) {
    button.addEventListener("click", () => {
      masks.open(false);
      showPanel(button.dataset.panel);
    });
  }
  listenForKeys({
    open: () => byId("file").click(),
    next: () => gallery.step(1),
    previous: () => gallery.step(-1),
    mask: () => byId("mask").click(),
    hold: (isHeld) => stage.hold(isHeld),
    zoomIn: () => stage.zoomIn(),
    zoomOut: () => stage.zoomOut(),
    fit: () => stage.fit(),
    full: () => stage.full(),
    pan: (horizontal, vertical) => stage.panBy(horizontal, vertical),
    undo: () => travel("undo"),
    redo: () => travel("redo"),
    download: () => byId("download").click(),
  });
}

/** On a phone, one panel is shown below the stage. */
function showPanel(name) {
  document.body.dataset.panel = name;
  for (const button of document.querySelectorAll("#panels button")) {
    button.setAttribute("aria-pressed", button.dataset.panel === name);
  }
}

function fill(hasGpu) {
  for (const [i, path] of config.samples.entries()) {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const name = path.split("/").pop().replace(/\.\w+$/, "");
    button.append(Object.assign(new Image(), { src: config.sample_thumbnails[i], alt: name }));
    button.addEventListener("click", () => loadSample(path));
    byId("samples").append(button);
  }
  const isOffered = { service: config.service, browser: config.browser, gpu: hasGpu };
  const places = byId("where");
  for (const option of [...places.options]) if (!isOffered[option.value]) option.remove();
  byId("where-label").hidden = places.options.length < 2;
  byId("footer").textContent = `fast_nst ${config.version}`;
  if (config.service) {
    const link = Object.assign(document.createElement("a"), { href: "api.html" });
    link.textContent = say("api");
    byId("footer").append(" · ", link);
  }
}

function offerLanguages(language) {
  const select = byId("language");
  select.replaceChildren(...Object.entries(LANGUAGES).map(([name, title]) => new Option(title, name)));
  select.value = language;
  select.addEventListener("change", async () => {
    keepLanguage(select.value);
    await speak(select.value);
    fillWords();
    chooseStylizer(byId("where").value);
    showStyles(currentLook());
    films.speak();
    training?.speak();
  });
}

/** The look that the address asks for; null if it asks for none. */
function lookOfAddress() {
  const names = new Set(config.styles.map(({ name }) => name));
  const fallback = plainLook(firstStyle(), config.detail);
  const { look, unknown } = fromAddress(location.hash, fallback, names);
  byId("look-status").textContent = unknown && say("unknownLook", { name: unknown });
  return look;
}

function firstStyle() {
  return (config.styles.find(({ name }) => name === config.default) ?? config.styles[0]).name;
}

/** The look of the last visit; null if there is none, or a style of it is gone. */
async function keptLook() {
  const look = await kept("look");
  const names = config.styles.map(({ name }) => name);
  return look?.styles.every(({ name }) => names.includes(name)) ? look : null;
}

async function start() {
  const language = preferredLanguage();
  [config] = await Promise.all([fetch("config.json").then((response) => response.json()), speak(language)]);
  fillWords();
  if (config.service?.training?.allowed) await updateStyles();
  // The browser blends files whose parameters' offsets are known.
  const mixesHere = (name) => config.service || config.browser.files[name].parameters !== null;
  for (const style of config.styles) style.mixes &&= mixesHere(style.name);
  if (config.service) stylizers.service = new ServiceStylizer(config.service);
  if (config.browser) stylizers.browser = new BrowserStylizer(config.browser, Boolean(config.service));
  chooseStylizer(config.service ? "service" : "browser");
  fill(config.browser?.runtime.webgpu && await navigator.gpu?.requestAdapter());
  offerLanguages(language);
  const asked = lookOfAddress();
  begin(config, asked ?? await keptLook() ?? plainLook(firstStyle(), config.detail));
  gallery.onRemove = removeStyle;
  beginJobs();
  listenToSources();
  listenToLooks();
  listenToResults();
  rememberLook();
  byId("loading").remove();
  const last = await keptVisit();
  const isOpen = last && await resume(last, asked);
  if (!isOpen && !state.photo) await loadSample(config.samples[0]);
}

/** Offer a new version of the page; see installation.js for `load`. */
function offerUpdate(load) {
  const button = Object.assign(document.createElement("button"), { type: "button", id: "update" });
  button.textContent = say("update");
  button.addEventListener("click", async () => {
    if (!await load()) button.textContent = say("updateElsewhere");
  });
  byId("update")?.remove();
  document.querySelector("header .row").prepend(button);
}

start().then(() => install(offerUpdate), (error) => {
  const place = byId("loading") ?? byId("photo-error");
  place.textContent = `The page did not start (${error.message}). Please load it again.`;
  place.className = "error";
});
