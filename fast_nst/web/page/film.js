// Films, which the service paints in the current look while photographs go on.

import { drawBitmap } from "./bitmaps.js";
import { copyText } from "./clipboard.js";
import { commandFor } from "./command.js";
import { firstFrame } from "./film_still.js";
import { megabytes } from "./numeric.js";
import { isFilm } from "./photo.js";
import { saveFile } from "./result_exporter.js";
import { Poller, ask, newIdentifier, refusal } from "./service.js";
import { keep, kept } from "./store.js";
import { UserError, messageOf, say, sentence, timeLeft } from "./words.js";

const EVERY = 1000; // ms between two questions for the state
const KEY = "film"; // of what is kept, so that the page finds its film again

const byId = (id) => document.getElementById(id);

/** Send a file; unlike fetch, this tells of its progress. */
function send(address, file, { signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded }) => onProgress(loaded));
    request.addEventListener("load", () => {
      if (request.status === 202) resolve(request.response);
      else reject(refusal(request.status, request.response));
    });
    request.addEventListener("error", () => reject(new UserError(say("filmNotSent", file))));
    request.addEventListener("abort", () => reject(signal.reason));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** The paint options that films have, as the service's parameters. */
function queryOf({ styles, strength, detail, keepColors }) {
  const query = new URLSearchParams();
  for (const { name, share } of styles) query.append("style", `${name}:${share}`);
  return new URLSearchParams([...query, ["strength", strength], ["detail", detail], ["keep_colors", keepColors]]);
}

export class Films {
  #limits; // null where no service paints films
  #look;
  #paintStill;
  #isNamed;
  #poller;
  #film = null; // { name, titles, target, id }: of its file, of its styles, of the result, for the service
  #finished = null; // the film before, which is painted: kept until this one is painted, too
  #file = null; // of the latest film
  #state = { state: "none" }; // of the film; while it is sent, { state: "sending", loaded, total }
  #sending = null; // an AbortController
  #isAdvised = false; // whether the command is shown
  #note = "";

  /**
   * @param limits `service.videos` of config.json; undefined without a service.
   * @param look () -> { options, titles } of the current look: its paint options, and its styles.
   * @param paintStill (bitmap, options) -> the painting of a frame, a bitmap.
   * @param isNamed See `commandFor`.
   */
  constructor({ limits, look, paintStill, isNamed }) {
    this.#limits = limits?.allowed ? limits : null;
    this.#look = look;
    this.#paintStill = paintStill;
    this.#isNamed = isNamed;
    this.#poller = new Poller({
      every: EVERY,
      ask: () => ask(`api/videos/${this.#film.id}`),
      onAnswer: (state) => this.#take(state),
      onError: (error) => this.#fail(error),
    });
    byId("film-cancel").addEventListener("click", () => this.#cancel());
    byId("film-again").addEventListener("click", () => {
      this.#note = "";
      this.#paint();
    });
    byId("film-download").addEventListener("click", () => this.#download());
    byId("film-close").addEventListener("click", () => this.#close());
    byId("film-copy").addEventListener("click", () => (
      copyText(byId("film-command").textContent, byId("film-status"))));
    if (this.#limits) byId("file").accept += ",video/*";
    if (this.#limits && !this.#limits.missing) this.#find();
  }

  get #isBusy() {
    return ["sending", "waiting", "painting"].includes(this.#state.state);
  }

  /** Paint the first film among these files; returns the others that are no films. */
  take(files) {
    if (!this.#isBusy) byId("film-error").textContent = "";
    const films = files.filter(isFilm);
    if (films.length) this.#offer(films[0], films.length);
    return files.filter((file) => !isFilm(file));
  }

  /** Say everything again, in another language. */
  speak() {
    this.#show();
  }

  #offer(file, count) {
    this.#note = count > 1 ? say("oneFilm", file) : "";
    if (this.#isBusy) {
      this.#note = say("filmBusy");
      this.#show();
    } else if (!this.#limits || this.#limits.missing) {
      this.#isAdvised = true;
      this.#show();
    } else if (file.size > this.#limits.max_bytes) {
      const values = { name: file.name, size: megabytes(file.size), most: megabytes(this.#limits.max_bytes) };
      byId("film-error").textContent = say("filmTooLarge", values);
    } else if (!file.size) {
      byId("film-error").textContent = say("emptyFile", file);
    } else {
      this.#file = file;
      this.#paint();
    }
  }

  /** Send the latest film, to be painted in the current look. */
  async #paint() {
    const file = this.#file;
    const { options, titles } = this.#look();
    const before = this.#film;
    if (this.#state.state === "done") this.#finished = before;
    const base = file.name.replace(/\.[^.]*$/, "");
    const names = options.styles.map((style) => style.name);
    const id = newIdentifier();
    this.#film = { name: file.name, titles, target: `${[base, ...names].join("-")}.mp4`, id };
    const sending = new AbortController();
    this.#sending = sending;
    this.#showStill(file, options, id);
    this.#set({ state: "sending", loaded: 0, total: file.size });
    // Then the service has room for this one.
    if (before !== this.#finished) await this.#remove(before).catch(() => {});
    await this.#keep(); // it can be cancelled even if the answer never comes
    if (sending.signal.aborted) return;
    const query = queryOf(options);
    query.set("id", id);
    try {
      await send(`api/videos?${query}`, file, {
        signal: sending.signal,
        onProgress: (loaded) => this.#set({ state: "sending", loaded, total: file.size }),
      });
      this.#set({ state: "waiting", done: 0, total: 0, left: null });
      this.#poller.start();
    } catch (error) {
      if (sending.signal.aborted) return; // it was cancelled
      this.#remove().catch(() => {}); // the service may have it, and only its answer was lost
      this.#end({ state: "failed", error: messageOf(error) });
    }
  }

  /** Show the first frame as it is painted. */
  async #showStill(file, options, id) {
    const still = byId("film-still");
    try {
      const painting = await this.#paintStill(await firstFrame(file), { ...options, strokeScale: 1 });
      if (this.#film?.id !== id) return;
      drawBitmap(still, painting);
      still.dataset.id = id;
      this.#show();
    } catch {
      // It is only a picture.
    }
  }

  /** Find the film of an earlier visit. */
  async #find() {
    const film = await kept(KEY);
    if (!film || this.#film) return;
    ({ finished: this.#finished = null, ...this.#film } = film);
    this.#poller.start();
  }

  /** Keep what finds the films on the next visit. */
  #keep() {
    return keep(KEY, this.#film && { ...this.#film, finished: this.#finished });
  }

  #take(state) {
    if (["waiting", "painting"].includes(state.state)) this.#set(state);
    else this.#end(state);
  }

  /** Show the end of a film; one that is not painted leaves the stage to the one before. */
  #end(state) {
    this.#poller.stop();
    const before = this.#finished;
    this.#finished = null;
    if (before && state.state === "done") {
      this.#remove(before).catch(() => {});
      this.#keep();
    } else if (before) {
      this.#film = before;
      this.#keep();
      if (state.state === "cancelled") this.#note = say("cancelled");
      this.#set({ state: "done", error: state.error });
      return;
    }
    this.#set(state);
  }

  #fail(error) {
    const isGone = error.status === 404;
    if (isGone && !this.#isBusy && !this.#finished) {
      this.#poller.stop();
      this.#film = null; // of an earlier visit
      this.#keep();
    } else if (isGone) {
      if (!this.#finished) keep(KEY, null);
      this.#end({ state: "failed", error: error.message });
    } else {
      this.#show();
      byId("film-error").textContent = error.message;
    }
  }

  async #cancel() {
    byId("film-status").textContent = say("cancelling");
    const isSending = this.#state.state === "sending";
    if (isSending) this.#sending.abort();
    try {
      const state = isSending ? null : await ask(`api/videos/${this.#film.id}`).catch(() => null);
      if (state?.state === "done") { // since the last question
        this.#end(state);
        return;
      }
      await this.#remove();
      this.#end({ state: "cancelled" });
    } catch (error) {
      this.#fail(error);
    }
  }

  /** As a blob, since a link would take the file's name from the service. */
  async #download() {
    const { id, target } = this.#film;
    const status = byId("film-status");
    status.textContent = say("filmFetching");
    byId("film-error").textContent = "";
    try {
      const response = await fetch(`api/videos/${id}/result`);
      if (!response.ok) throw refusal(response.status, await response.json().catch(() => null));
      saveFile(await response.blob(), target);
      status.textContent = say("downloaded");
    } catch (error) {
      status.textContent = "";
      byId("film-error").textContent = error instanceof UserError ? error.message : say("noResponse");
    }
  }

  #close() {
    for (const film of [this.#film, this.#finished]) this.#remove(film).catch(() => {});
    this.#film = this.#finished = null;
    this.#keep();
    this.#note = "";
    this.#isAdvised = false;
    this.#set({ state: "none" });
    byId("file").focus();
  }

  /** Delete a film from the service, in whatever state it is; it may be gone. */
  async #remove(film = this.#film) {
    if (!film) return;
    try {
      await ask(`api/videos/${film.id}`, { method: "DELETE" });
    } catch (error) {
      if (error.status !== 404) throw error;
    }
    if (film === this.#film) keep(KEY, this.#finished);
  }

  #set(state) {
    this.#state = state;
    if (state.state !== "none") this.#isAdvised = false;
    byId("film-error").textContent = state.error ? sentence(state.error) : "";
    this.#show();
  }

  #show() {
    const { state, done, total, loaded } = this.#state;
    const isThere = state !== "none";
    byId("film-section").hidden = !isThere && !this.#isAdvised;
    byId("film-cancel").hidden = !this.#isBusy;
    byId("film-close").hidden = this.#isBusy;
    byId("film-again").hidden = this.#isBusy || !isThere || !this.#file;
    const progress = byId("film-progress");
    progress.hidden = !this.#isBusy;
    if (total) Object.assign(progress, { max: total, value: loaded ?? done });
    else progress.removeAttribute("value");
    const still = byId("film-still");
    still.hidden = !isThere || still.dataset.id !== this.#film?.id;
    still.setAttribute("aria-label", say("filmStill", { name: this.#film?.name }));
    byId("film-text").textContent = this.#text();
    byId("film-download").hidden = state !== "done";
    this.#tell();
    this.#advise();
  }

  /** What changes from frame to frame, which screen readers do not read. */
  #text() {
    const { state, done, total, loaded, left } = this.#state;
    if (state === "sending") {
      return say("filmSending", { name: this.#film.name, done: megabytes(loaded), total: megabytes(total) });
    }
    if (state !== "painting") return "";
    const frames = total ? say("filmFrames", { done, total }) : say("filmFrame", { done });
    return left === null ? frames : `${frames}, ${timeLeft(left)}`;
  }

  /** What they read. */
  #tell() {
    const { state } = this.#state;
    const key = {
      sending: "filmBegun", waiting: "filmWaiting", painting: "filmPainting", done: "filmDone",
      cancelled: "cancelled",
    }[state];
    const { name, titles = [] } = this.#film ?? {};
    const text = key ? say(key, { name, styles: titles.join(" + ") }) : "";
    const status = byId("film-status");
    const told = [this.#note, text].filter(Boolean).join(" ");
    if (status.textContent !== told) status.textContent = told;
  }

  /** Where films are not painted here: the command that does it. */
  #advise() {
    byId("film-advice").hidden = !this.#isAdvised;
    if (!this.#isAdvised) return;
    const { options } = this.#look();
    const missing = this.#limits?.missing;
    const command = commandFor({ ...options, strokeScale: 1, size: null }, {
      command: "video FILM", defaultDetail: 0, isNamed: this.#isNamed, format: "mp4",
    });
    byId("film-hint").textContent = say(missing ? "filmMissing" : "filmByCommand");
    byId("film-command").textContent = missing || command;
  }
}
