// The painting over its photograph: a divider between the two, zoom, and full resolution.

import { drawBitmap } from "./bitmaps.js";
import { fit, fitScale, pan, visible, zoom } from "./view.js";
import { say } from "./words.js";

const WHEEL = 0.0015; // in powers of e for each px of the wheel
const STEP = 1.5; // factor of a key or button
const DOUBLE_TAP = 300; // ms
const STILL = 6; // px that a finger may move in a tap
const KEY_PAN = 60; // px

export class Stage {
  #tool = null;
  #stage = document.getElementById("stage");
  #picture = document.getElementById("picture");
  #before = document.getElementById("before");
  #after = document.getElementById("after");
  #sharp = document.getElementById("sharp");
  #divider = document.getElementById("divider");
  #split = document.getElementById("split");
  #size = { width: 600, height: 400 }; // of the result, in px
  #view = { scale: 1, x: 0, y: 0 };
  #isFitted = true;
  #isHeld = false; // the photograph is shown while a key is held
  #shown = null; // the photograph on the canvas
  #full = null; // { photo, painting }: bitmaps at full resolution
  #pointers = new Map();
  #lastTap = { time: 0, x: 0, y: 0 };
  #onView;

  /** @param onView Called when the view has changed. */
  constructor({ onView }) {
    this.#onView = onView;
    this.#split.addEventListener("input", () => this.#render());
    this.#listen();
    new ResizeObserver(() => this.#resized()).observe(this.#stage);
    this.clear();
  }

  get tool() {
    return this.#tool;
  }

  /**
   * A tool that takes the pointer: { down(point), move(point), up(), cancel() }, with points in 0..1
   * of the picture; or null. All of the painting is shown, at the preview's size.
   */
  set tool(tool) {
    this.#tool = tool;
    this.#split.disabled = Boolean(tool);
    this.hideFull();
    this.#onView();
  }

  /** Show a new photograph without a painting. */
  showPhoto(photo, bitmap) {
    if (photo === this.#shown) return;
    this.#shown = photo;
    drawBitmap(this.#before, bitmap);
    this.clear();
  }

  /** Show a photograph and its painting; for a frame of the camera, `photo` is null. */
  showPainting(photo, bitmap, painted, titles) {
    this.#shown = photo;
    drawBitmap(this.#before, bitmap);
    drawBitmap(this.#after, painted);
    this.#after.setAttribute("aria-label", say("inTheStyle", { styles: titles.join(say("and")) }));
    this.#render();
  }

  /** Show a part of the painting: { image, left, top }, an ImageData and its place. */
  showPart({ image, left, top }) {
    this.#after.getContext("2d").putImageData(image, left, top);
  }

  /** Remove the painting. */
  clear() {
    const { width, height } = this.#before;
    Object.assign(this.#after, { width, height });
    this.#after.setAttribute("aria-label", say("noPainting"));
    this.hideFull();
  }

  /** Remove the painting and the photograph. */
  empty() {
    this.#shown = null;
    this.#before.width = this.#before.width; // setting its size clears a canvas
    this.clear();
  }

  /** The result's size in px, to which zoom refers. */
  setSize(width, height) {
    if (width === this.#size.width && height === this.#size.height) return;
    const isLarger = width / this.#size.width;
    const isSameShape = Math.abs(height / this.#size.height - isLarger) < 0.01 * isLarger;
    this.#size = { width, height };
    if (isSameShape && !this.#isFitted) {
      this.#change({ ...this.#view, scale: this.#view.scale / isLarger });
    } else {
      this.fit();
    }
  }

  /** Whether the painting is shown larger than it was painted. */
  get needsFull() {
    const painted = this.#after.width;
    return !this.#tool && !this.#isFitted && painted < this.#size.width
      && this.#view.scale * this.#size.width * devicePixelRatio > 1.05 * painted;
  }

  /** Show bitmaps of the photograph and the painting at full resolution, until `hideFull`. */
  showFull(photo, painting) {
    this.hideFull();
    this.#full = { photo, painting };
    this.#render();
  }

  hideFull() {
    this.#full?.painting.close();
    this.#full = null;
    this.#render();
  }

  fit() {
    this.#isFitted = true;
    this.#change(fit(this.#room(), this.#size));
  }

  /** One pixel of the result for each of the screen's. */
  full() {
    this.#zoomTo(this.#fullScale(), this.#middle());
  }

  zoomIn() {
    this.#zoomTo(this.#view.scale * STEP, this.#middle());
  }

  zoomOut() {
    this.#zoomTo(this.#view.scale / STEP, this.#middle());
  }

  /** Show the photograph alone, as long as `isHeld`. */
  hold(isHeld) {
    this.#isHeld = isHeld;
    this.#render();
  }

  /** The point of the picture below a pointer, in 0..1. */
  #pointOf({ clientX, clientY }) {
    const { x, y } = this.#local(clientX, clientY);
    const { scale } = this.#view;
    return {
      x: (x - this.#view.x) / (scale * this.#size.width),
      y: (y - this.#view.y) / (scale * this.#size.height),
    };
  }

  #room() {
    return { width: this.#stage.clientWidth, height: this.#stage.clientHeight };
  }

  #middle() {
    const { width, height } = this.#room();
    return { x: width / 2, y: height / 2 };
  }

  #local(clientX, clientY) {
    const box = this.#stage.getBoundingClientRect();
    return { x: clientX - box.left, y: clientY - box.top };
  }

  #fullScale() {
    return 1 / devicePixelRatio;
  }

  #zoomTo(scale, point) {
    const room = this.#room();
    const view = zoom(this.#view, scale, point, room, this.#size, this.#fullScale());
    this.#isFitted = Math.abs(view.scale / fitScale(room, this.#size) - 1) < 0.001;
    this.#change(this.#isFitted ? fit(room, this.#size) : view);
  }

  #resized() {
    if (this.#isFitted) this.fit();
    else this.#change(pan(this.#view, 0, 0, this.#room(), this.#size));
  }

  #change(view) {
    this.#view = view;
    this.#render();
    this.#onView();
  }

  #render() {
    const { scale } = this.#view;
    const corner = this.#firstPixel();
    const snapped = (at, first) => ( // to whole pixels of the screen, or it blurs
      first + Math.round((at - first) * devicePixelRatio) / devicePixelRatio);
    const [x, y] = [snapped(this.#view.x, corner.x), snapped(this.#view.y, corner.y)];
    const room = this.#room();
    const style = this.#picture.style;
    [style.left, style.top] = [`${x}px`, `${y}px`];
    style.width = `${scale * this.#size.width}px`;
    style.height = `${scale * this.#size.height}px`;
    const percent = this.#isHeld ? 100 : this.#tool ? 0 : this.#split.valueAsNumber;
    const seen = visible(this.#view, room, this.#size);
    const edge = seen.left + ((seen.right - seen.left) * percent) / 100;
    this.#after.style.clipPath = `inset(0px 0px 0px ${edge - x}px)`;
    this.#divider.style.left = `${edge}px`;
    this.#divider.hidden = this.#isHeld || Boolean(this.#tool);
    this.#stage.classList.toggle("tooled", Boolean(this.#tool));
    this.#stage.classList.toggle("zoomed", !this.#isFitted);
    const values = { percent: Math.round(percent), rest: Math.round(100 - percent) };
    this.#split.setAttribute("aria-valuetext", say("splitText", values));
    const full = Math.round((100 * scale) / this.#fullScale());
    const value = document.getElementById("zoom-value"); // screen readers repeat every change
    if (value.textContent !== `${full} %`) value.textContent = `${full} %`;
    this.#drawFull(room, edge, { x: x - corner.x, y: y - corner.y }, corner);
  }

  /** The top left corner of the screen's first whole pixel on the stage, in CSS px. */
  #firstPixel() {
    const { left, top } = this.#stage.getBoundingClientRect();
    const rest = (at) => Math.ceil(at * devicePixelRatio) / devicePixelRatio - at;
    return { x: rest(left), y: rest(top) };
  }

  /** Draw the visible part at full resolution, with the picture's corner at `at` of the canvas. */
  #drawFull(room, edge, at, corner) {
    const sharp = this.#sharp;
    sharp.hidden = !this.#full;
    if (!this.#full) return;
    const ratio = devicePixelRatio;
    sharp.width = Math.floor((room.width - corner.x) * ratio);
    sharp.height = Math.floor((room.height - corner.y) * ratio);
    [sharp.style.left, sharp.style.top] = [`${corner.x}px`, `${corner.y}px`];
    sharp.style.width = `${sharp.width / ratio}px`;
    sharp.style.height = `${sharp.height / ratio}px`;
    const context = sharp.getContext("2d");
    context.imageSmoothingEnabled = this.#view.scale * ratio < 2;
    const draw = (bitmap, left, right) => {
      context.save();
      context.beginPath();
      context.rect(left * ratio, 0, (right - left) * ratio, sharp.height);
      context.clip();
      context.drawImage(bitmap, at.x * ratio, at.y * ratio,
        this.#view.scale * this.#size.width * ratio, this.#view.scale * this.#size.height * ratio);
      context.restore();
    };
    draw(this.#full.painting, edge - corner.x, room.width);
    draw(this.#full.photo, 0, edge - corner.x);
  }

  #setSplit(clientX) {
    const seen = visible(this.#view, this.#room(), this.#size);
    const { x } = this.#local(clientX, 0);
    const percent = Math.round((100 * (x - seen.left)) / (seen.right - seen.left));
    this.#split.value = Math.min(Math.max(percent, 0), 100);
    this.#split.dispatchEvent(new Event("input"));
  }

  #listen() {
    const stage = this.#stage;
    stage.addEventListener("pointerdown", (event) => this.#pointerDown(event));
    stage.addEventListener("pointermove", (event) => this.#pointerMove(event));
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => this.#pointerUp(event));
    }
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      const factor = Math.exp(-event.deltaY * (event.ctrlKey ? 8 : 1) * WHEEL);
      this.#zoomTo(this.#view.scale * factor, this.#local(event.clientX, event.clientY));
    }, { passive: false });
    const buttons = {
      "zoom-in": () => this.zoomIn(),
      "zoom-out": () => this.zoomOut(),
      "zoom-fit": () => this.fit(),
      "zoom-full": () => this.full(),
    };
    for (const [id, act] of Object.entries(buttons)) {
      document.getElementById(id).addEventListener("click", act);
    }
  }

  #pointerDown(event) {
    if (event.button > 0) return;
    this.#stage.setPointerCapture(event.pointerId);
    const { clientX: x, clientY: y } = event;
    const isGrip = this.#divider.contains(event.target);
    this.#pointers.set(event.pointerId, { x, y, startX: x, startY: y, isGrip, isMoved: false });
    if (this.#pointers.size > 1) this.#tool?.cancel();
    else if (this.#tool && !isGrip) this.#tool.down(this.#pointOf(event));
  }

  #pointerMove(event) {
    const pointer = this.#pointers.get(event.pointerId);
    if (!pointer) return;
    const before = { ...pointer };
    Object.assign(pointer, { x: event.clientX, y: event.clientY });
    const [dx, dy] = [pointer.x - before.x, pointer.y - before.y];
    pointer.isMoved ||= Math.hypot(pointer.x - pointer.startX, pointer.y - pointer.startY) > STILL;
    if (this.#pointers.size === 2) this.#pinch(pointer, before);
    else if (pointer.isGrip) this.#setSplit(pointer.x);
    else if (this.#tool) this.#tool.move(this.#pointOf(event));
    else if (!pointer.isMoved) return;
    else if (this.#isFitted) this.#setSplit(pointer.x);
    else this.#change(pan(this.#view, dx, dy, this.#room(), this.#size));
  }

  #pinch(moved, before) {
    const [other] = [...this.#pointers.values()].filter((pointer) => pointer !== moved);
    const distance = (pointer) => Math.hypot(pointer.x - other.x, pointer.y - other.y);
    const middle = (pointer) => this.#local((pointer.x + other.x) / 2, (pointer.y + other.y) / 2);
    const [from, to] = [middle(before), middle(moved)];
    const scale = (this.#view.scale * distance(moved)) / Math.max(distance(before), 1);
    this.#zoomTo(scale, to);
    if (!this.#isFitted) {
      this.#change(pan(this.#view, to.x - from.x, to.y - from.y, this.#room(), this.#size));
    }
  }

  #pointerUp(event) {
    const pointer = this.#pointers.get(event.pointerId);
    if (!pointer) return;
    this.#pointers.delete(event.pointerId);
    if (this.#tool) {
      this.#tool.up();
      return;
    }
    if (pointer.isMoved || pointer.isGrip || event.type === "pointercancel") return;
    const { time, x, y } = this.#lastTap;
    const isDouble = event.timeStamp - time < DOUBLE_TAP
      && Math.hypot(pointer.x - x, pointer.y - y) < 4 * STILL;
    this.#lastTap = { time: isDouble ? 0 : event.timeStamp, x: pointer.x, y: pointer.y };
    if (!isDouble) return;
    if (!this.#isFitted) {
      this.fit();
      return;
    }
    const scale = Math.max(this.#fullScale(), 2 * this.#view.scale); // of small pictures: twice
    this.#zoomTo(scale, this.#local(pointer.x, pointer.y));
  }

  /** Move the view by arrow keys; whether it could. */
  panBy(horizontal, vertical) {
    if (this.#isFitted) return false;
    const room = this.#room();
    this.#change(pan(this.#view, -KEY_PAN * horizontal, -KEY_PAN * vertical, room, this.#size));
    return true;
  }
}
