// Starts the page, and connects its controls.

import { Cropper } from "./crop.js";
import { fromAddress, isSameLook, plainLook, toAddress } from "./look.js";
import { listenForFiles } from "./photo.js";
import { SavedLooks } from "./saved_looks.js";
import { listenForKeys } from "./shortcuts.js";
import {
  begin, currentLook, downloadAll, exporter, gallery, loadFiles, loadPhoto, loadSample, masks,
  panel, queue, refresh, rememberLook, saveMask, showLook, showPhoto, snap, stage, state, titlesOf, travel,
} from "./studio.js";
import { forget, kept } from "./store.js";
import { BrowserStylizer, ServiceStylizer } from "./stylizers.js";
import { LANGUAGES, fillWords, keepLanguage, preferredLanguage, say, speak } from "./words.js";

const byId = (id) => document.getElementById(id);
const stylizers = {}; // service, browser
let config;

function chooseStylizer(where) {
  state.stylizer = stylizers[where];
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const word = where === "browser" ? "neverLeaves" : isLocal ? "staysHere" : "sentTo";
  byId("privacy").textContent = say(word, { host: location.host });
}

function listenToSources() {
  byId("file").addEventListener("change", ({ target }) => {
    if (target.files.length) loadFiles([...target.files]);
    target.value = ""; // allows choosing the same file again
  });
  byId("snap").addEventListener("click", snap);
  byId("where").addEventListener("change", ({ target }) => {
    chooseStylizer(target.value);
    if (state.photo) showPhoto();
  });
  listenForFiles(loadFiles, () => {
    byId("photo-error").textContent = say("notAFile");
  });
  const cropper = new Cropper({ onApply: ({ blob, name }) => loadPhoto(name, () => blob) });
  byId("crop").addEventListener("click", () => cropper.open(state.photo));
  byId("own-look").addEventListener("change", ({ target }) => {
    queue.current.look = target.checked ? currentLook() : null;
    showLook(currentLook());
  });
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
    await forget();
    saved.clear();
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

function fill() {
  for (const path of config.samples) {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const name = path.split("/").pop().replace(/\.\w+$/, "");
    button.append(Object.assign(new Image(), { src: path, alt: name }));
    button.addEventListener("click", () => loadSample(path));
    byId("samples").append(button);
  }
  byId("where-label").hidden = !(config.service && config.browser);
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
    chooseStylizer(state.stylizer === stylizers.browser ? "browser" : "service");
    gallery.setStyles(config.styles);
    panel.fill();
    masks.fill();
    showLook(currentLook(), false);
    gallery.refresh();
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
  // The browser blends files whose parameters' offsets are known.
  const mixesHere = (name) => config.service || config.browser.files[name].parameters !== null;
  for (const style of config.styles) style.mixes &&= mixesHere(style.name);
  if (config.service) stylizers.service = new ServiceStylizer(config.service);
  if (config.browser) stylizers.browser = new BrowserStylizer(config.browser);
  chooseStylizer(config.service ? "service" : "browser");
  fill();
  offerLanguages(language);
  begin(config, lookOfAddress() ?? await keptLook() ?? plainLook(firstStyle(), config.detail));
  listenToSources();
  listenToLooks();
  listenToResults();
  rememberLook();
  byId("loading").remove();
  const photograph = await kept("photograph");
  const isOpen = photograph && await loadPhoto(photograph.name, () => photograph.blob);
  if (!isOpen && !state.photo) await loadSample(config.samples[0]);
}

start().catch((error) => {
  byId("loading").textContent = `The page did not start (${error.message}). Please load it again.`;
  byId("loading").className = "error";
});
