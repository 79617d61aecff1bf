// The styles as a strip of cards, whose thumbnails of the photograph are painted when they come
// into view.

import { resizeBitmap, drawBitmap, longerSide } from "./bitmaps.js";
import { Latest } from "./job_queue.js";
import { say, sentence } from "./words.js";

const SIDE = 320; // of a thumbnail, in px
const SEARCH_ABOVE = 20; // styles
const MAX_COMPARED = 6;

export class Gallery {
  onRemove; // called with a removable style, whose button was clicked
  #cards = new Map();
  #failed = new Map(); // card -> error message
  #photographs = new Latest();
  #isComparing = false;
  #jobs;
  #paint;
  #watch;
  #onStyle;
  #onCompare;

  /**
   * @param jobs The job queue.
   * @param paint (style, signal) -> an ImageBitmap of the photograph in that style, at the
   *   preview's size: strokes have the same proportion in the thumbnail.
   * @param onStyle Called with the chosen style.
   * @param onCompare Called with the styles to show side by side; null when that mode ends.
   */
  constructor({ jobs, paint, onStyle, onCompare }) {
    this.#jobs = jobs;
    this.#paint = paint;
    this.#onStyle = onStyle;
    this.#onCompare = onCompare;
    this.#watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.#thumbnail(this.#cards.get(target.dataset.name));
      }
    }, { rootMargin: "100px" });
    document.getElementById("search").addEventListener("input", (event) => {
      this.#search(event.target.value);
    });
    document.getElementById("compare-mode").addEventListener("click", () => {
      this.compare(!this.#isComparing);
    });
  }

  /** Show these styles of config.json, in place of others. */
  setStyles(styles) {
    if (this.#isComparing) this.compare(false);
    const chosen = this.#chosen?.style.name;
    this.#cards.clear();
    for (const style of styles) this.#cards.set(style.name, this.#card(style));
    const items = [...this.#cards.values()].map(({ item }) => item);
    document.getElementById("gallery").replaceChildren(...items);
    document.getElementById("search-label").hidden = styles.length <= SEARCH_ABOVE;
    this.#search(document.getElementById("search").value);
    if (this.#cards.has(chosen)) this.choose(chosen);
  }

  get #chosen() {
    return [...this.#cards.values()].find(({ radio }) => radio.checked);
  }

  choose(name) {
    const card = this.#cards.get(name);
    card.radio.checked = true;
    card.item.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Choose the next style in the strip, or with -1 the one before. */
  step(by) {
    const shown = [...this.#cards.values()].filter(({ item }) => !item.hidden);
    if (!shown.length) return;
    const next = shown[(shown.indexOf(this.#chosen) + by + shown.length) % shown.length];
    this.choose(next.style.name);
    this.#onStyle(next.style);
  }

  /** Clear all thumbnails, and repaint those in view; for another photograph. */
  refresh() {
    this.#photographs.next();
    this.#failed.clear();
    this.#showError();
    this.#watch.disconnect();
    for (const card of this.#cards.values()) {
      card.isPainted = false;
      card.canvas.width = SIDE; // setting its size clears a canvas
      delete card.canvas.dataset.painted;
      this.#watch.observe(card.item);
    }
  }

  /** Repeat what failed. */
  retry() {
    for (const card of this.#failed.keys()) this.#thumbnail(card);
  }

  /** Begin or end the mode in which several styles are shown side by side. */
  compare(isComparing) {
    this.#isComparing = isComparing;
    document.body.classList.toggle("comparing", isComparing);
    document.getElementById("compare-mode").setAttribute("aria-pressed", isComparing);
    for (const { label, radio, check } of this.#cards.values()) {
      label.htmlFor = isComparing ? check.id : radio.id;
      radio.hidden = isComparing;
      check.hidden = !isComparing;
    }
    const chosen = this.#chosen;
    if (isComparing && chosen && !this.#compared.length) chosen.check.checked = true;
    this.#onCompare(isComparing ? this.#compared : null);
  }

  get #compared() {
    const cards = [...this.#cards.values()];
    return cards.filter(({ check }) => check.checked).map(({ style }) => style);
  }

  #card(style) {
    const item = document.createElement("li");
    item.dataset.name = style.name;
    const radio = Object.assign(document.createElement("input"), {
      type: "radio", name: "style", value: style.name, id: `style-${style.name}`, className: "unseen",
    });
    const check = Object.assign(document.createElement("input"), {
      type: "checkbox", id: `compare-${style.name}`, className: "unseen", hidden: true,
    });
    check.setAttribute("aria-label", style.title);
    const label = Object.assign(document.createElement("label"), { className: "card", htmlFor: radio.id });
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: 240 });
    canvas.setAttribute("aria-hidden", "true");
    const title = Object.assign(document.createElement("span"), { textContent: style.title });
    const credit = [style.artist, style.year].filter(Boolean).join(", ");
    const small = document.createElement("small");
    small.textContent = style.own ? say("yours", { name: style.name }) : credit;
    label.append(canvas, title, small);
    item.append(radio, check, label);
    if (style.removable) {
      const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "×" });
      remove.className = "remove";
      remove.setAttribute("aria-label", say("removeStyle", style));
      remove.addEventListener("click", () => this.onRemove(style));
      item.append(remove);
    }
    radio.addEventListener("change", () => this.#onStyle(style));
    check.addEventListener("change", () => {
      if (this.#compared.length > MAX_COMPARED) check.checked = false;
      else this.#onCompare(this.#compared);
    });
    return { style, item, label, radio, check, canvas, isPainted: false };
  }

  #thumbnail(card) {
    if (card.isPainted || card.item.hidden) return;
    card.isPainted = true;
    const { signal } = this.#photographs;
    this.#jobs.runIdle(async () => {
      if (signal.aborted) return;
      try {
        const bitmap = await this.#paint(card.style, signal);
        const small = longerSide(bitmap) > SIDE ? await resizeBitmap(bitmap, SIDE) : bitmap;
        if (signal.aborted) return;
        drawBitmap(card.canvas, small);
        card.canvas.dataset.painted = "yes";
        this.#failed.delete(card);
      } catch (reason) {
        if (signal.aborted) return;
        card.isPainted = false;
        this.#failed.set(card, sentence(`${card.style.title}: ${reason.message}`));
      }
      this.#showError();
    });
  }

  #showError() {
    const [first = ""] = this.#failed.values();
    const error = document.getElementById("gallery-error");
    if (error.textContent !== first) error.textContent = first; // screen readers repeat every change
  }

  #search(text) {
    const words = plain(text).split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { style, item } of this.#cards.values()) {
      const about = plain(`${style.name} ${style.title} ${style.artist} ${style.year}`);
      item.hidden = !words.every((word) => about.includes(word));
      count += item.hidden ? 0 : 1;
    }
    const key = { 0: "noneFound", 1: "oneFound" }[count] ?? "found";
    document.getElementById("found").textContent = words.length ? say(key, { count }) : "";
  }
}

/** Lower case without accents, for search. */
function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}
