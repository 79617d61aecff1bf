// The styles as cards, whose thumbnails of the photograph are painted when they come into view.

import { sentence } from "./stylizers.js";
import { Latest } from "./job_queue.js";

const SIDE = 192; // of a thumbnail, in px

export class Gallery {
  #cards = new Map();
  #failed = new Map(); // card -> error message
  #photographs = new Latest();
  #jobs;
  #paint;
  #watch;

  /**
   * @param styles The styles of config.json.
   * @param jobs The job queue.
   * @param paint (style, side, signal) -> an ImageBitmap of the photograph in that style.
   * @param onStyle Called with the chosen style.
   * @param onCompare Called with the styles to show side by side.
   */
  constructor(styles, { jobs, paint, onStyle, onCompare }) {
    this.#jobs = jobs;
    this.#paint = paint;
    this.#watch = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.#thumbnail(this.#cards.get(target.dataset.name));
      }
    }, { rootMargin: "200px" });
    const list = document.getElementById("gallery");
    for (const style of styles) {
      const card = this.#card(style);
      this.#cards.set(style.name, card);
      list.append(card.item);
      card.radio.addEventListener("change", () => onStyle(style));
      card.compare.addEventListener("change", () => {
        onCompare(styles.filter(({ name }) => this.#cards.get(name).compare.checked));
      });
    }
    document.getElementById("search").addEventListener("input", (event) => {
      this.#search(event.target.value);
    });
  }

  choose(name) {
    this.#cards.get(name).radio.checked = true;
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

  #card(style) {
    const item = document.createElement("li");
    item.dataset.name = style.name;
    const label = document.createElement("label");
    label.className = "card";
    const radio = Object.assign(document.createElement("input"), {
      type: "radio", name: "style", value: style.name, className: "unseen",
    });
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: 144 });
    canvas.setAttribute("aria-hidden", "true");
    const title = Object.assign(document.createElement("span"), { textContent: style.title });
    const credit = [style.artist, style.year].filter(Boolean).join(", ");
    const small = document.createElement("small");
    small.textContent = style.own ? `yours: ${style.name}` : credit;
    label.append(radio, canvas, title, small);
    const check = document.createElement("label");
    check.className = "check";
    const compare = Object.assign(document.createElement("input"), { type: "checkbox" });
    compare.setAttribute("aria-label", `${style.title} side by side with others`);
    check.append(compare, "side by side");
    item.append(label, check);
    return { style, item, radio, canvas, compare, isPainted: false };
  }

  #thumbnail(card) {
    if (card.isPainted || card.item.hidden) return;
    card.isPainted = true;
    const { signal } = this.#photographs;
    this.#jobs.runIdle(async () => {
      if (signal.aborted) return;
      try {
        const bitmap = await this.#paint(card.style, SIDE, signal);
        if (signal.aborted) return;
        draw(card.canvas, bitmap);
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
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { style, item } of this.#cards.values()) {
      const about = `${style.name} ${style.title} ${style.artist} ${style.year}`.toLowerCase();
      item.hidden = !words.every((word) => about.includes(word));
      count += item.hidden ? 0 : 1;
    }
    const found = document.getElementById("found");
    found.textContent = words.length ? `${count || "No"} style${count === 1 ? "" : "s"} found.` : "";
  }
}

/** Draw a bitmap on a canvas and give that its size. */
export function draw(canvas, bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}
