// The dialog in which the service trains a style on a painting, and the line in the strip that
// tells of it while the dialog is closed.

import { drawBitmap, encodeWithin, maxSideFor, resizeBitmap } from "./bitmaps.js";
import { copyText } from "./clipboard.js";
import { showCurve } from "./loss_curve.js";
import { openPhoto } from "./photo.js";
import { Poller, ask } from "./service.js";
import { keep, kept } from "./store.js";
import { freeTitle, nameOf, styleOf } from "./style_names.js";
import { UserError, messageOf, say, sentence, timeLeft } from "./words.js";

const EVERY = 2000; // ms between two questions for the state
const SHOWN = 480; // px, longer side of the painting in the dialog
const PAINTING = 2048; // px, longer side of what is sent, as the service would reduce it
const PHOTOGRAPH = 1024;
const MINUTES = [5, 10, 20, 30];
const USUAL = 10; // minutes
const KEY = "training"; // of what is kept: the title and the token of the training begun here

const byId = (id) => document.getElementById(id);
const runs = ({ state }) => ["starting", "training", "exporting"].includes(state);
const isKept = ({ state }) => ["done", "stopped"].includes(state);

/** A title from a file's name. */
function proposed(name) {
  const words = name.replace(/\.[^.]*$/, "").replaceAll(/[_-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export class Training {
  #dialog = byId("training-dialog");
  #line = Object.assign(document.createElement("button"), { type: "button", className: "plain" });
  #limits;
  #stylizer;
  #photograph;
  #styles;
  #onStyle;
  #poller;
  #state = { state: "none" };
  #mine = {}; // { title, token } of the training begun here
  #isAsking = false; // whether the form is shown, and not the latest training
  #isStopping = false;
  #problem = ""; // why its state is unknown
  #painting = null; // what is trained on: a Photo
  #opening = 0;
  #shown = ""; // the live painting

  /**
   * @param service The `service` object of config.json.
   * @param stylizer The service's, which decodes what this browser cannot.
   * @param photograph () -> the current photograph; null without one.
   * @param styles () -> the styles that there are.
   * @param onStyle Called with the name of a style that has been trained, and whether its training
   *   was followed here to the end.
   */
  constructor({ service, stylizer, photograph, styles, onStyle }) {
    this.#limits = service;
    this.#stylizer = stylizer;
    this.#photograph = photograph;
    this.#styles = styles;
    this.#onStyle = onStyle;
    this.#poller = new Poller({
      every: EVERY,
      ask: () => ask("api/training"),
      onAnswer: (state) => this.#take(state),
      onError: (error) => this.#fail(error),
    });
    byId("new-style").hidden = false;
    byId("training-install").textContent = service.training.missing;
    byId("training-minutes").append(...MINUTES.map((minutes) => (
      new Option("", minutes, minutes === USUAL, minutes === USUAL))));
    this.#listen();
    this.speak();
    this.#begin();
  }

  async #begin() {
    this.#mine = (await kept(KEY)) ?? {};
    this.#look();
  }

  /** Say everything again, in another language. */
  speak() {
    for (const option of byId("training-minutes").options) {
      option.textContent = say("minutes", { minutes: option.value });
    }
    this.#show();
  }

  #listen() {
    this.#line.addEventListener("click", () => this.#open());
    byId("new-style").addEventListener("click", () => this.#open());
    byId("training-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => {
      if (!runs(this.#state)) this.#forget();
      if (document.activeElement === document.body) byId("new-style").focus();
    });
    byId("training-copy").addEventListener("click", () => (
      copyText(this.#limits.training.missing, byId("training-status"))));
    byId("painting-file").addEventListener("change", ({ target }) => {
      if (target.files.length) this.#choose(target.files[0], target.files[0].name);
      target.value = ""; // allows choosing the same file again
    });
    byId("painting-photograph").addEventListener("click", () => {
      const photo = this.#photograph();
      this.#choose(photo.blob, photo.name);
    });
    document.addEventListener("visibilitychange", () => document.hidden || this.#look());
    this.#listenForDrops();
    byId("training-name").addEventListener("input", ({ target }) => {
      target.dataset.isTyped = target.value && "yes";
      this.#complain(this.#wrongName());
    });
    byId("training-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    byId("training-stop").addEventListener("click", () => {
      this.#isStopping = true;
      this.#show();
      this.#order("stop");
    });
    byId("training-cancel").addEventListener("click", () => {
      if (confirm(say("cancelSure", { title: this.#state.title }))) this.#order("cancel");
    });
    byId("training-another").addEventListener("click", () => {
      this.#forget();
      byId("training-name").focus();
    });
  }

  /** What is dropped or pasted here is a painting; elsewhere on the page, a photograph. */
  #listenForDrops() {
    const marked = (is) => byId("painting-area").classList.toggle("over", is);
    const take = (event, transfer) => {
      event.preventDefault();
      event.stopPropagation();
      marked(false);
      if (byId("training-form").hidden) return;
      if (transfer.files.length) this.#choose(transfer.files[0], transfer.files[0].name);
      else this.#complain(say("notAFile"));
    };
    this.#dialog.addEventListener("dragover", (event) => {
      event.preventDefault();
      event.stopPropagation();
      marked(true);
    });
    this.#dialog.addEventListener("dragleave", () => marked(false));
    this.#dialog.addEventListener("drop", (event) => take(event, event.dataTransfer));
    this.#dialog.addEventListener("paste", (event) => {
      if (event.clipboardData.files.length) take(event, event.clipboardData);
    });
  }

  #open() {
    this.#isAsking = !runs(this.#state) && !this.#line.isConnected;
    this.#complain("");
    this.#show();
    this.#dialog.showModal();
    this.#look();
  }

  /** Ask for the state, since another page may have begun a training; unless one's end is told. */
  #look() {
    if (!this.#limits.training.missing && (runs(this.#state) || !this.#line.isConnected)) {
      this.#poller.start();
    }
  }

  /** Offer another training once this one has ended. */
  #forget() {
    this.#isAsking = true;
    this.#line.remove();
    this.#complain("");
    this.#show();
  }

  async #choose(blob, name) {
    const number = ++this.#opening;
    this.#complain("");
    byId("training-status").textContent = say("opening", { name });
    try {
      const painting = await openPhoto(blob, name, this.#stylizer);
      const small = painting.longer > SHOWN ? await resizeBitmap(painting.bitmap, SHOWN) : painting.bitmap;
      if (number !== this.#opening) return;
      this.#painting = painting;
      drawBitmap(byId("painting-canvas"), small);
      byId("painting-canvas").hidden = false;
      byId("painting-canvas").setAttribute("aria-label", say("chosenPainting", { name }));
      const title = byId("training-name");
      if (!title.dataset.isTyped) title.value = freeTitle(proposed(name), this.#styles());
      byId("training-status").textContent = say("paintingChosen", { name });
      if (this.#wrongName()) this.#complain(this.#wrongName());
    } catch (error) {
      if (number === this.#opening) this.#complain(messageOf(error));
    }
  }

  /** Why a style cannot have the name in the form; "" if it can. */
  #wrongName() {
    const title = byId("training-name").value.trim();
    if (!title) return ""; // the form asks for one
    if (!nameOf(title)) return say("nameWithoutLetters");
    const other = styleOf(title, this.#styles());
    return other ? say("nameTaken", { other: other.title, free: freeTitle(title, this.#styles()) }) : "";
  }

  async #start() {
    const begin = byId("training-begin");
    if (begin.disabled) return;
    this.#complain("");
    try {
      if (!this.#painting) throw new UserError(say("choosePaintingFirst"));
      if (this.#wrongName()) throw new UserError(this.#wrongName());
      begin.disabled = true;
      byId("training-status").textContent = say("trainingSending");
      const form = new FormData();
      form.append("name", byId("training-name").value.trim());
      form.append("minutes", byId("training-minutes").value);
      form.append("image", await this.#fileOf(this.#painting, PAINTING, 0.7), "painting");
      const photo = this.#photograph();
      if (photo) form.append("photo", await this.#fileOf(photo, PHOTOGRAPH, 0.25), "photo");
      const { token, ...state } = await ask("api/training", { method: "POST", body: form });
      this.#mine = { title: state.title, token };
      keep(KEY, this.#mine);
      this.#isAsking = false;
      this.#take(state);
      byId("training-close").focus();
    } catch (error) {
      this.#complain(messageOf(error));
      if (error.status === 409) this.#look();
    } finally {
      begin.disabled = false;
    }
  }

  /** The picture's file, or a copy that fits into this share of the largest upload. */
  async #fileOf(picture, side, share) {
    const { max_bytes: bytes, max_pixels: pixels } = this.#limits;
    const most = Math.floor(share * bytes);
    if (picture.longer <= side && picture.blob.size <= most) return picture.blob;
    const small = await picture.atMost(Math.min(side, maxSideFor(picture.bitmap, pixels)));
    return (await encodeWithin(small, most)).blob;
  }

  async #order(what) {
    try {
      this.#take(await ask(`api/training/${what}?${this.#token}`, { method: "POST" }));
    } catch (error) {
      this.#isStopping = false;
      this.#fail(error);
    }
  }

  #take(state) {
    const before = this.#state;
    this.#state = state;
    this.#problem = "";
    if (runs(state)) {
      this.#isAsking = false;
      if (!runs(before)) this.#poller.start();
    } else {
      this.#poller.stop();
      this.#isStopping = false;
    }
    if (runs(before) && state.state === "none") this.#problem = say("trainingGone", before);
    this.#show(runs(before));
    if (isKept(state) || this.#problem) this.#onStyle(state.name, runs(before));
  }

  /** Whether the training is this visitor's, who alone may stop, cancel and see it. */
  get #isMine() {
    return !this.#limits.training.needs_token || this.#mine.title === this.#state.title;
  }

  get #token() {
    return new URLSearchParams({ token: this.#mine.token ?? "" });
  }

  #fail(error) {
    if (!runs(this.#state)) {
      this.#poller.stop();
      return;
    }
    this.#problem = error.message;
    this.#show();
  }

  #complain(error) {
    byId("training-error").textContent = error;
    byId("training-status").textContent = "";
  }

  /** @param isNew Whether the training has just ended. */
  #show(isNew = false) {
    const { missing } = this.#limits.training;
    const isAsking = this.#isAsking || (this.#state.state === "none" && !this.#problem);
    byId("training-missing").hidden = !missing;
    byId("training-form").hidden = Boolean(missing) || !isAsking;
    byId("training-begin").hidden = byId("training-form").hidden;
    byId("training-run").hidden = Boolean(missing) || isAsking;
    byId("training-title").textContent = isAsking || !this.#state.title
      ? say("newStyle") : say("trainingTitle", this.#state);
    byId("painting-photograph").hidden = !this.#photograph();
    if (missing || isAsking) {
      for (const id of ["stop", "cancel", "another"]) byId(`training-${id}`).hidden = true;
    } else {
      this.#showRun(isNew);
    }
  }

  #showRun(isNew) {
    const state = this.#state;
    const isRunning = runs(state);
    byId("training-stop").hidden = byId("training-cancel").hidden = !isRunning || !this.#isMine;
    byId("training-stop").disabled = this.#isStopping || state.state !== "training";
    byId("training-another").hidden = isRunning;
    const progress = byId("training-progress");
    progress.hidden = !isRunning;
    if (state.left === null || state.left === undefined) progress.removeAttribute("value");
    else progress.value = state.elapsed / (state.elapsed + state.left || 1);
    showCurve(byId("training-curve"), byId("training-loss"), state.losses ?? []);
    this.#showPainting();
    const words = this.#words();
    const error = this.#problem || (state.error ? sentence(state.error) : "");
    set(byId("training-error"), error);
    set(byId("training-status"), error || !words ? "" : sentence(words));
    const isTold = this.#line.isConnected || isRunning || (isNew && !this.#dialog.open);
    if (!isTold || state.state === "cancelled") this.#line.remove();
    else if (!this.#line.isConnected) byId("training-news").append(this.#line);
    const title = state.title ?? "";
    const news = { done: "styleReady", stopped: "styleReady", failed: "trainingFailed" }[state.state];
    set(this.#line, this.#problem || (news ? say(news, { title }) : say("trainingLine", { title, words })));
  }

  #words() {
    const { state, left, title } = this.#state;
    if (this.#isStopping && state !== "exporting") return say("stopping");
    if (state === "training") return left === null ? say("starting") : timeLeft(left);
    const key = {
      starting: "starting", exporting: "savingStyle", done: "styleChosen", stopped: "styleChosen",
      cancelled: "trainingCancelled",
    }[state];
    return key ? say(key, { title }) : "";
  }

  async #showPainting() {
    const { title } = this.#state;
    const painting = this.#isMine && this.#state.painting;
    const image = byId("training-painting");
    const key = `${title} ${painting}`;
    byId("no-painting").hidden = Boolean(painting) || !this.#isMine;
    if (!painting) image.hidden = true;
    if (!painting || this.#shown === key) return;
    this.#shown = key;
    const query = new URLSearchParams([["number", painting], ["title", title], ...this.#token]);
    const next = Object.assign(new Image(), {
      id: image.id, alt: say("livePainting"), src: `api/training/painting?${query}`,
    });
    try {
      await next.decode();
      if (this.#shown === key) byId(image.id).replaceWith(next);
    } catch {
      this.#shown = ""; // the next state tries again
    }
  }
}

/** Set a text; screen readers would read out one that is set again. */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
