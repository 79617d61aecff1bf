// What is painted: the photograph, the look, and everything that follows from a change of them.

import { CameraPanel } from "./camera_panel.js";
import { showCommand } from "./command.js";
import { Comparison, comparedLooks } from "./compare.js";
import { FullView } from "./full_view.js";
import { Gallery } from "./gallery.js";
import { JobQueue, Latest } from "./job_queue.js";
import { History, plainLook, toAddress, withoutStyle } from "./look.js";
import { LookPanel } from "./look_panel.js";
import { MaskPanel } from "./mask_panel.js";
import { cameraOptions, paintOptions, resultOptions, sidesOf, withStyle } from "./paint_options.js";
import { openPhoto } from "./photo.js";
import { scaled } from "./pixels.js";
import { PreviewCache } from "./preview_cache.js";
import { PhotoQueue } from "./queue.js";
import { ResultExporter, saveFile } from "./result_exporter.js";
import { Results } from "./results.js";
import { Stage } from "./stage.js";
import { keep } from "./store.js";
import { VisitKeeper } from "./visit.js";
import { UserError, messageOf, say } from "./words.js";

const PREVIEW_PATIENCE = 1000; // ms after which a new look cancels a running preview

const RETRY = 4000; // ms, after which a service that did not respond is asked again

const byId = (id) => document.getElementById(id);
const jobs = new JobQueue();
const sources = new Latest(); // photographs from files, samples and the camera
const previews = new Latest();
const painted = new PreviewCache();
export const state = { photo: null, look: null, stylizer: null, compared: null };
let config;
let camera;
let results;
let sharedHistory;
let comparison;
let fullView;
export let gallery;
export let panel;
export let exporter;
export let masks;
export let queue;
export let visit;
export let stage;
let previewStarted = 0;
let retryTimer = 0;

const isSize = () => byId("size").validity.valid; // empty is valid
const sizeAsked = () => (isSize() && byId("size").valueAsNumber) || null;
const settings = () => ({
  stylizer: state.stylizer, size: sizeAsked(), isSame: byId("same").checked,
});
const sizeOf = ({ bitmap, longer }, side) => scaled(bitmap.width, bitmap.height, side / longer);
export const styleNamed = (name) => config.styles.find((style) => style.name === name);
export const titlesOf = ({ styles }) => styles.map(({ name }) => styleNamed(name).title);

/** The look of the current photograph: its own, or that of all; and that look's history. */
export const currentLook = () => queue.current?.look ?? state.look;
const history = () => queue.current?.history ?? sharedHistory;

/** Give the current photograph a look of its own, or that of all again. */
export function setOwnLook(isOwn) {
  const look = currentLook();
  Object.assign(queue.current, isOwn ? { look, history: new History(look) } : { look: null, history: null });
  showLook(currentLook(), false);
}

/** Take a style that is gone out of all looks; `fallback` is that of looks without another one. */
export function dropStyle(gone, fallback) {
  const change = (look) => withoutStyle(look, gone, fallback);
  state.look = change(state.look);
  sharedHistory.change(change);
  queue.dropStyle(gone, change);
}

function enableResult() {
  const isThere = state.photo || camera.isOn;
  for (const id of ["download", "copy", "share-result", "download-all"]) {
    byId(id).disabled = !isThere || !isSize() || exporter.isBusy;
  }
  byId("crop").disabled = !state.photo || camera.isOn;
  masks.allow(state.photo && !camera.isOn && !state.compared);
}

/** Take over the controls' look; a running preview is still shown while a slider moves. */
function takeLook() {
  panel.refresh();
  byId("look-status").textContent = "";
  const entry = queue.current;
  if (entry && byId("own-look").checked) entry.look = panel.look;
  else state.look = panel.look;
  refresh();
}

/** The same once a control rests: the look can be undone, linked and found on the next visit. */
function settleLook() {
  takeLook();
  history().add(currentLook());
  rememberLook();
}

function enableUndo() {
  byId("undo").disabled = !masks.canUndo && !history().canUndo;
  byId("redo").disabled = !masks.canRedo && !history().canRedo;
}

export function rememberLook() {
  const look = currentLook();
  enableUndo();
  window.history.replaceState(null, "", `#${toAddress(look)}`);
  keep("look", look);
  compare();
}

/** Show a look in the controls, and paint it. */
export function showLook(look, isNew = true) {
  const gone = look.styles.find(({ name }) => !styleNamed(name));
  if (gone) {
    byId("look-status").textContent = say("unknownLook", { name: gone.name });
    return;
  }
  panel.look = look;
  gallery.choose(look.styles[0].name);
  previews.next();
  takeLook();
  if (isNew) history().add(currentLook());
  rememberLook();
}

/** Undo or redo: strokes of the mask while its tools are shown, else looks. */
export function travel(direction) {
  const isOfMask = direction === "undo" ? masks.canUndo : masks.canRedo;
  if (isOfMask) masks.travel(direction);
  else showLook(history()[direction](), false);
}

/** Update the page after a change of the controls, and repaint the preview. */
export function refresh() {
  const { photo } = state;
  clearTimeout(retryTimer);
  enableResult();
  exporter.clear();
  byId("size-error").textContent = isSize() ? "" : say("sizeError");
  results.dropViews();
  fullView.drop();
  masks.refresh();
  enableUndo();
  visit.changed();
  if (!photo) return;
  const region = camera.isOn ? null : queue.current.mask.region;
  showCommand(resultOptions(photo, currentLook(), region, settings(), config), config, byId("format").value);
  if (camera.isOn) return;
  stage.setSize(...sizeOf(photo, sidesOf(photo, settings()).result));
  byId("status").textContent = say("paintingStyle", { styles: titlesOf(currentLook()).join(" + ") });
  if (performance.now() - previewStarted > PREVIEW_PATIENCE) previews.next();
  jobs.runNext("preview", preview);
}

async function preview() {
  if (camera.isOn) return;
  const { photo, stylizer } = state;
  const { signal } = previews;
  previewStarted = performance.now();
  try {
    const outside = queue.current.mask.region?.outside;
    const options = paintOptions(currentLook(), config.styles, outside);
    const titles = titlesOf(options);
    const side = sidesOf(photo, settings()).preview;
    const small = await photo.atMost(side);
    if (signal.aborted) return;
    stage.showPhoto(photo, small);
    const { bitmap, milliseconds } = await painted.stylize(stylizer, photo, side, options, signal);
    if (signal.aborted) return;
    const around = !outside ? small
      : (await painted.stylize(stylizer, photo, side, withStyle(options, outside), signal)).bitmap;
    if (signal.aborted) return;
    stage.showPainting(photo, small, masks.shown(bitmap, around), titles);
    byId("paint-error").textContent = "";
    const { width, height } = bitmap;
    const ms = milliseconds.toFixed(0);
    byId("status").textContent = say("painted", { styles: titles.join(" + "), width, height, ms });
    gallery.retry();
    comparison.retry();
    fullView.changed();
  } catch (error) {
    if (signal.aborted) return;
    stage.clear(); // the painting does not match the look
    if (error.isUnreachable) retryTimer = setTimeout(refresh, RETRY);
    byId("status").textContent = "";
    byId("paint-error").textContent = messageOf(error);
  }
}

/** The result for the stage at full resolution; null where there is none to show. */
function fullResult() {
  const { photo, stylizer } = state;
  if (!photo || camera.isOn || state.compared) return null;
  const options = resultOptions(photo, currentLook(), queue.current.mask.region, settings(), config);
  return { photo, result: results.get(stylizer, photo, options, byId("format").value, false) };
}

/**
 * Load a photograph, unless another one is chosen meanwhile.
 *
 * @param name The file's name.
 * @param load (signal) -> the file.
 * @param entry Its entry of the queue; a new one, if null.
 * @param entries Those of the queue from then on.
 * @returns The photograph; null if it was not loaded, undefined if another one was chosen.
 */
export async function loadPhoto(name, load, entry = null, entries = null) {
  const signal = sources.next();
  byId("photo-error").textContent = "";
  byId("status").textContent = say("opening", { name });
  try {
    const blob = await load(signal);
    const photo = await openPhoto(blob, name, state.stylizer, signal);
    if (signal.aborted) return undefined;
    camera.stop();
    const shown = entry ?? queue.entryOf({ blob, name });
    queue.show(entries ?? queue.with([shown]), shown);
    state.photo = photo;
    visit.keep();
    showPhoto();
    return photo;
  } catch (reason) {
    if (signal.aborted) return undefined;
    byId("photo-error").textContent = messageOf(reason);
    if (!camera.isOn && state.photo) refresh();
    else byId("status").textContent = "";
    return null;
  }
}

/** Load the first of these entries that can be opened, in a queue of `entries`; returns it. */
export async function loadFirst(choice, entries) {
  for (const entry of choice) {
    const photo = await loadPhoto(entry.name, () => entry.blob, entry, entries);
    if (photo !== null) return photo;
  }
  return null;
}

/** Repaint everything, for another photograph or stylizer. */
export function showPhoto() {
  jobs.clearIdle();
  previews.next();
  painted.clear();
  byId("photo-note").textContent = state.stylizer.note(state.photo);
  panel.look = currentLook();
  gallery.choose(currentLook().styles[0].name);
  refresh();
  gallery.refresh();
  rememberLook();
}

/** A painting of the photograph at the preview's size. */
async function paintSmall(look, signal) {
  const { photo, stylizer } = state;
  const side = sidesOf(photo, settings()).preview;
  return (await painted.stylize(stylizer, photo, side, paintOptions(look, config.styles), signal)).bitmap;
}

function compare() {
  const { photo, compared } = state;
  const look = currentLook();
  enableResult();
  comparison.show(compared && (photo ? comparedLooks(look, titlesOf(look), compared) : []));
}

/**
 * The result as a file; with the camera on, of its current picture.
 *
 * @returns { blob, copied } of a stylizer's `save`, and a `name` of photograph and styles.
 */
async function result(format) {
  const photo = camera.isOn ? await snap() : state.photo;
  if (!photo) throw new UserError(say("noPicture"));
  return resultOf(photo, currentLook(), queue.current.mask.region, settings(), format);
}

async function resultOf(photo, look, region, given, format) {
  const options = resultOptions(photo, look, region, given, config);
  const saved = await results.get(given.stylizer, photo, options, format, true);
  return { ...saved, name: [photo.name, ...options.styles.map(({ name }) => name)].join("-") };
}

export function downloadAll() {
  // As they are now: the visitor may go on to other looks.
  const given = settings();
  const entries = queue.entries.map(({ blob, name, look, mask }) => (
    { blob, name, look: look ?? state.look, region: mask.region }));
  const paint = async (i, format) => {
    const { blob, name, look, region } = entries[i];
    const photo = await openPhoto(blob, name, given.stylizer);
    try {
      return await resultOf(photo, look, region, given, format);
    } finally {
      photo.bitmap.close();
    }
  };
  exporter.downloadAll(entries.length, paint, (i) => entries[i].name, byId("format").value);
}

/** Download the mask, for the command. */
export async function saveMask() {
  saveFile(await queue.current.mask.current.png(), `${state.photo.name}-mask.png`);
}

/** Photograph what the camera sees. */
export const snap = () => loadPhoto("camera.png", () => camera.still());

async function paintFrame(frame, signal) {
  const options = cameraOptions(currentLook(), config.styles);
  const { bitmap } = await state.stylizer.stylize(frame, options, signal);
  if (signal.aborted) return;
  stage.setSize(frame.width, frame.height);
  stage.showPainting(null, frame, bitmap, titlesOf(currentLook()));
  bitmap.close();
  byId("paint-error").textContent = "";
}

/**
 * Create the page's parts.
 *
 * @param given The page's config.json.
 * @param look The first look.
 */
export function begin(given, look) {
  config = given;
  state.look = look;
  sharedHistory = new History(look);
  results = new Results();
  stage = new Stage({ onView: () => fullView.changed() });
  fullView = new FullView({ stage, paint: fullResult });
  exporter = new ResultExporter({ paint: result, onBusy: enableResult });
  queue = new PhotoQueue({
    onChoose: (entry) => loadFirst([entry], queue.entries),
    onRemove: (choice, left) => {
      visit.changed();
      loadFirst(choice, left);
    },
  });
  visit = new VisitKeeper(() => (
    { entries: queue.entries, current: queue.current, look: state.look, size: byId("size").value }));
  masks = new MaskPanel({
    stage,
    styles: () => config.styles,
    current: () => queue.current?.mask,
    size: () => sizeOf(state.photo, sidesOf(state.photo, settings()).mask),
    onChange: refresh,
  });
  panel = new LookPanel(config, { onInput: takeLook, onChange: settleLook });
  gallery = new Gallery({
    jobs,
    paint: (style, signal) => paintSmall(plainLook(style.name, config.detail), signal),
    onStyle: ({ name }) => {
      panel.choose(name);
      previews.next();
      settleLook();
    },
    onCompare: (styles) => {
      state.compared = styles;
      compare();
      if (!styles) refresh();
    },
  });
  comparison = new Comparison({
    jobs,
    paint: paintSmall,
  });
  camera = new CameraPanel({
    sources,
    paint: paintFrame,
    onStart: () => previews.next(),
    onSwitch: enableResult,
    onLeave: () => {
      if (!state.photo) stage.empty();
      refresh();
    },
  });
  gallery.setStyles(config.styles);
  panel.look = look;
  state.look = panel.look; // within the controls' steps
  gallery.choose(look.styles[0].name);
}
