// The dialog that crops and rotates a photograph.

import { ARROWS, clamp } from "./numeric.js";
import { say } from "./words.js";

const byId = (id) => document.getElementById(id);
const SIDE = 900; // of the picture in the dialog, in px
const LEAST = 0.02; // of a side that is kept
const STEP = 0.02; // by an arrow key
const QUALITY = 0.95;
const EDGE = 24; // px around a border of the box that drag it


/** A bitmap, rotated to the right by so many quarters. */
function rotated(bitmap, quarters) {
  const isLying = quarters % 2 === 1;
  const [width, height] = isLying ? [bitmap.height, bitmap.width] : [bitmap.width, bitmap.height];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.translate(width / 2, height / 2);
  context.rotate((quarters * Math.PI) / 2);
  context.drawImage(bitmap, -bitmap.width / 2, -bitmap.height / 2);
  return canvas;
}

export class Cropper {
  #dialog = byId("crop-dialog");
  #area = byId("crop-area");
  #handle = byId("crop-box");
  #box = { left: 0, top: 0, right: 1, bottom: 1 }; // of the rotated picture, in 0..1
  #quarters = 0;
  #photo;
  #drag = null;

  /** @param onApply Called with the new picture as { blob, name }. */
  constructor({ onApply }) {
    byId("rotate-left").addEventListener("click", () => this.#rotate(3));
    byId("rotate-right").addEventListener("click", () => this.#rotate(1));
    byId("aspect").addEventListener("change", () => this.#applyAspect());
    this.#area.addEventListener("pointerdown", (event) => this.#down(event));
    this.#area.addEventListener("pointermove", (event) => this.#move(event));
    this.#area.addEventListener("pointerup", () => { this.#drag = null; });
    this.#handle.addEventListener("keydown", (event) => this.#key(event));
    this.#dialog.addEventListener("close", async () => {
      if (this.#dialog.returnValue === "apply") onApply(await this.#result());
    });
  }

  open(photo) {
    this.#photo = photo;
    this.#quarters = 0;
    byId("aspect").value = "";
    this.#reset();
    this.#dialog.returnValue = "";
    this.#dialog.showModal();
  }

  #rotate(quarters) {
    this.#quarters = (this.#quarters + quarters) % 4;
    this.#reset();
    this.#applyAspect();
  }

  get #size() {
    const { width, height } = this.#photo.bitmap;
    return this.#quarters % 2 ? { width: height, height: width } : { width, height };
  }

  #reset() {
    this.#box = { left: 0, top: 0, right: 1, bottom: 1 };
    const { width, height } = this.#size;
    const scale = Math.min(1, SIDE / Math.max(width, height));
    const canvas = byId("crop-canvas");
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    const picture = rotated(this.#photo.bitmap, this.#quarters);
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    this.#render();
  }

  /** Width / height of the box in its own units, for the chosen proportions; null for any. */
  get #aspect() {
    const wanted = Number(byId("aspect").value);
    return wanted ? (wanted * this.#size.height) / this.#size.width : null;
  }

  #applyAspect() {
    const aspect = this.#aspect;
    if (aspect) {
      const [width, height] = aspect > 1 ? [1, 1 / aspect] : [aspect, 1];
      const [left, top] = [(1 - width) / 2, (1 - height) / 2];
      this.#box = { left, top, right: left + width, bottom: top + height };
    }
    this.#render();
  }

  #point({ clientX, clientY }) {
    const box = byId("crop-canvas").getBoundingClientRect();
    return { x: (clientX - box.left) / box.width, y: (clientY - box.top) / box.height, box };
  }

  #down(event) {
    event.preventDefault();
    this.#handle.focus();
    this.#area.setPointerCapture(event.pointerId);
    const { x, y, box } = this.#point(event);
    const near = (at, edge, length) => Math.abs(at - edge) * length < EDGE;
    const { left, top, right, bottom } = this.#box;
    const edges = {
      left: near(x, left, box.width), right: near(x, right, box.width),
      top: near(y, top, box.height), bottom: near(y, bottom, box.height),
    };
    if (edges.left && edges.right) edges.left = x < (left + right) / 2;
    if (edges.top && edges.bottom) edges.top = y < (top + bottom) / 2;
    this.#drag = { x, y, edges, box: { ...this.#box } };
  }

  #move(event) {
    if (!this.#drag) return;
    const { x, y } = this.#point(event);
    const { edges, box } = this.#drag;
    const [dx, dy] = [x - this.#drag.x, y - this.#drag.y];
    if (!Object.values(edges).some(Boolean)) {
      this.#moveTo(box, dx, dy);
      return;
    }
    const found = { ...box };
    if (edges.left) found.left = clamp(box.left + dx, 0, box.right - LEAST);
    else if (edges.right) found.right = clamp(box.right + dx, box.left + LEAST, 1);
    if (edges.top) found.top = clamp(box.top + dy, 0, box.bottom - LEAST);
    else if (edges.bottom) found.bottom = clamp(box.bottom + dy, box.top + LEAST, 1);
    this.#set(found, edges);
  }

  #moveTo(box, dx, dy) {
    const x = clamp(dx, -box.left, 1 - box.right);
    const y = clamp(dy, -box.top, 1 - box.bottom);
    this.#set({ left: box.left + x, right: box.right + x, top: box.top + y, bottom: box.bottom + y }, {});
  }

  /** Set the box; with fixed proportions, the side that was not dragged follows. */
  #set(box, edges) {
    const aspect = this.#aspect;
    const isSized = Object.values(edges).some(Boolean);
    if (aspect && isSized) {
      const room = edges.top ? box.bottom : 1 - box.top;
      const widest = edges.left ? box.right : 1 - box.left;
      const asked = edges.left || edges.right ? box.right - box.left : (box.bottom - box.top) * aspect;
      const width = Math.min(asked, widest, room * aspect);
      if (edges.left) box.left = box.right - width;
      else box.right = box.left + width;
      if (edges.top) box.top = box.bottom - width / aspect;
      else box.bottom = box.top + width / aspect;
    }
    this.#box = box;
    this.#render();
  }

  #key(event) {
    const [dx, dy] = (ARROWS[event.key] ?? []).map((part) => STEP * part);
    if (dx === undefined) return;
    event.preventDefault();
    if (!event.shiftKey) {
      this.#moveTo(this.#box, dx, dy);
      return;
    }
    const { left, top, right, bottom } = this.#box;
    const [toRight, toBottom] = [clamp(right + dx, left + LEAST, 1), clamp(bottom + dy, top + LEAST, 1)];
    this.#set({ left, top, right: toRight, bottom: toBottom }, { right: dx !== 0, bottom: dy !== 0 });
  }

  get #pixels() {
    const { width, height } = this.#size;
    const { left, top, right, bottom } = this.#box;
    return {
      x: Math.round(left * width), y: Math.round(top * height),
      width: Math.max(1, Math.round((right - left) * width)),
      height: Math.max(1, Math.round((bottom - top) * height)),
    };
  }

  #render() {
    const { left, top, right, bottom } = this.#box;
    const style = this.#handle.style;
    [style.left, style.top] = [`${100 * left}%`, `${100 * top}%`];
    [style.width, style.height] = [`${100 * (right - left)}%`, `${100 * (bottom - top)}%`];
    byId("crop-status").textContent = say("cropSize", this.#pixels);
  }

  async #result() {
    const { x, y, width, height } = this.#pixels;
    const canvas = new OffscreenCanvas(width, height);
    const picture = rotated(this.#photo.bitmap, this.#quarters);
    canvas.getContext("2d").drawImage(picture, -x, -y);
    const isClear = !/^image\/jpe?g$/.test(this.#photo.blob.type);
    const type = isClear ? "image/png" : "image/jpeg";
    const blob = await canvas.convertToBlob({ type, quality: QUALITY });
    return { blob, name: `${this.#photo.name}.${isClear ? "png" : "jpg"}` };
  }
}
