// The tools that draw a mask on the stage, by pointer and by keyboard.

import { around, drawLine, drawRectangle, filled, inverted } from "./mask.js";
import { MaskPreview } from "./mask_preview.js";
import { ARROWS, clamp } from "./numeric.js";
import { say } from "./words.js";

const byId = (id) => document.getElementById(id);
const STEP = 0.02; // of a side, by an arrow key
const LEAST = 0.02; // of a side of the rectangle that is moved by keys

const isPressed = (id) => byId(id).getAttribute("aria-pressed") === "true";
const wholeOf = ({ width, height }) => ({ left: 0, top: 0, width, height });

export class MaskPanel {
  #preview = new MaskPreview();
  #box = { left: 0.25, top: 0.25, right: 0.75, bottom: 0.75 }; // of the picture, in 0..1
  #drawing = null; // { picture, before, at, dirty } of an unfinished stroke
  #stage;
  #styles;
  #current;
  #size;
  #onChange;

  /**
   * @param stage The stage, whose tool this is while the tools are shown.
   * @param styles () -> the styles of config.json.
   * @param current () -> the photograph's `PhotoMask`.
   * @param size () -> [width, height] in px of a mask of the photograph.
   * @param onChange Called when the mask, or what is outside, has changed.
   */
  constructor({ stage, styles, current, size, onChange }) {
    this.#stage = stage;
    this.#styles = styles;
    this.#current = current;
    this.#size = size;
    this.#onChange = onChange;
    byId("mask").addEventListener("click", () => this.open(!this.isOpen));
    this.#group("mask-brush", "mask-rectangle");
    this.#group("mask-paint", "mask-leave");
    byId("mask-invert").addEventListener("click", () => this.#set(inverted(this.#copy(255))));
    byId("mask-fill").addEventListener("click", () => this.#set(this.#filled(255)));
    byId("mask-clear").addEventListener("click", () => this.#set(this.#filled(0)));
    byId("outside").addEventListener("change", ({ target }) => {
      this.#current().outside = target.value;
      this.#onChange();
    });
    byId("mask-box").addEventListener("keydown", (event) => this.#key(event));
    byId("mask-box").addEventListener("focus", () => {
      stage.fit();
      this.#showBox();
    });
    for (const id of ["mask-bar", "mask-box"]) {
      byId(id).addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        this.open(false);
        byId("mask").focus();
      });
    }
    this.#followPointer();
  }

  get isOpen() {
    return isPressed("mask");
  }

  /** Show or hide the tools. */
  open(isOpen) {
    if (isOpen === this.isOpen) return;
    byId("mask").setAttribute("aria-pressed", isOpen);
    byId("mask-bar").hidden = !isOpen;
    document.body.classList.toggle("masking", isOpen); // on a phone, the tools replace the panels
    this.#cancel();
    this.#stage.tool = isOpen ? {
      down: (point) => this.#down(point),
      move: (point) => this.#move(point),
      up: () => this.#up(),
      cancel: () => this.#cancel(),
    } : null;
    this.fill();
    this.#onChange(); // of what undo would do
  }

  /** Whether there is a photograph on the stage to draw on. */
  allow(isAllowed) {
    byId("mask").disabled = !isAllowed;
    if (!isAllowed && this.isOpen) this.open(false);
  }

  /** Fill the list of styles, and update the controls to the photograph's mask. */
  fill() {
    const options = this.#styles().map(({ name, title }) => new Option(title, name));
    byId("outside").replaceChildren(new Option(say("outsidePhotograph"), ""), ...options);
    this.refresh();
  }

  /** Update the controls to the photograph's mask. */
  refresh() {
    const { current, outside } = this.#current() ?? {};
    const button = byId("mask");
    button.dataset.word = current ? "maskSet" : "mask";
    button.textContent = say(button.dataset.word);
    byId("outside").value = outside ?? "";
    byId("outside-label").hidden = byId("save-mask").hidden = !current;
    byId("mask-size").disabled = !isPressed("mask-brush");
    byId("mask-box").hidden = !this.isOpen || isPressed("mask-brush");
    const percent = current && Math.round(100 * current.share);
    this.#say(current ? say("maskShare", { percent }) : say("maskHint"));
  }

  /**
   * What the stage shows of a painting.
   *
   * @param inside, outside Bitmaps: the painting, and what is outside of the mask.
   */
  shown(inside, outside) {
    this.#preview.take(inside, outside);
    const mask = this.#drawing?.picture ?? this.#current()?.current;
    return mask ? this.#preview.all(mask) : inside;
  }

  /** Whether there is a stroke to undo, and the tools are shown. */
  get canUndo() {
    return this.isOpen && Boolean(this.#current()?.canUndo);
  }

  get canRedo() {
    return this.isOpen && Boolean(this.#current()?.canRedo);
  }

  /** Undo a stroke, or with "redo" redo it. */
  travel(direction) {
    this.#cancel();
    this.#current()[direction]();
    this.#changed();
  }

  /** Two buttons of which one is pressed. */
  #group(...ids) {
    for (const id of ids) {
      byId(id).addEventListener("click", () => {
        for (const other of ids) byId(other).setAttribute("aria-pressed", other === id);
        this.refresh();
      });
    }
  }

  /** A copy of the mask to draw on; where there is none, of this level. */
  #copy(level) {
    const mask = this.#current().current;
    return mask ? { ...mask, data: mask.data.slice() } : this.#filled(level);
  }

  #filled(level) {
    const [width, height] = this.#size();
    return filled(level, { width, height });
  }

  #set(picture) {
    this.#current().add(picture);
    this.#changed();
  }

  #changed() {
    this.refresh();
    this.#onChange();
  }

  get #tool() {
    const longer = Math.max(this.#drawing.picture.width, this.#drawing.picture.height);
    return {
      radius: (byId("mask-size").valueAsNumber / 200) * longer,
      softness: byId("mask-soft").valueAsNumber / 100,
      isPaint: isPressed("mask-paint"),
    };
  }

  #down(point) {
    this.#begin();
    this.#drawing.at = point;
    this.#move(point);
  }

  /** Begin a stroke. The first one that paints begins with nothing painted, and leaves the rest. */
  #begin() {
    const picture = this.#copy(isPressed("mask-paint") ? 0 : 255);
    const dirty = this.#current().current ? null : wholeOf(picture);
    this.#drawing = { picture, before: picture.data.slice(), at: null, box: null, dirty };
    this.#stage.hideFull();
  }

  #move({ x, y }) {
    if (!this.#drawing) return;
    const { at } = this.#drawing;
    if (isPressed("mask-brush")) {
      const { picture } = this.#drawing;
      const inPixels = (point) => ({ x: point.x * picture.width, y: point.y * picture.height });
      this.#draw(drawLine(picture, inPixels(at), inPixels({ x, y }), this.#tool));
      this.#drawing.at = { x, y };
    } else {
      this.#drawRectangle({
        left: Math.min(at.x, x), right: Math.max(at.x, x),
        top: Math.min(at.y, y), bottom: Math.max(at.y, y),
      });
    }
  }

  /** Draw a rectangle { left, top, right, bottom } in 0..1, instead of that of this stroke. */
  #drawRectangle({ left, top, right, bottom }) {
    const { picture, before, box } = this.#drawing;
    const { width, height } = picture;
    picture.data.set(before);
    const inPixels = { left: left * width, right: right * width, top: top * height, bottom: bottom * height };
    this.#drawing.box = drawRectangle(picture, inPixels, this.#tool);
    this.#draw(around(box, this.#drawing.box));
  }

  /** Show a changed box with the next frame. */
  #draw(box) {
    const { dirty } = this.#drawing;
    this.#drawing.dirty = around(dirty, box);
    if (this.#drawing.isAwaited) return;
    this.#drawing.isAwaited = true;
    const drawing = this.#drawing;
    requestAnimationFrame(() => {
      drawing.isAwaited = false;
      const part = drawing === this.#drawing && drawing.dirty
        && this.#preview.part(drawing.picture, drawing.dirty);
      if (!part) return;
      this.#stage.showPart(part);
      drawing.dirty = null;
    });
  }

  #up() {
    if (!this.#drawing) return;
    const { picture, before } = this.#drawing;
    this.#drawing = null;
    if (picture.data.some((level, i) => level !== before[i])) this.#set(picture);
    else this.#onChange();
  }

  /** Drop an unfinished stroke. */
  #cancel() {
    if (!this.#drawing) return;
    this.#drawing = null;
    this.#onChange();
  }

  #key(event) {
    if (event.key === "Enter") {
      this.#begin();
      this.#drawRectangle(this.#box);
      this.#up();
    } else if (event.key in ARROWS) {
      const [dx, dy] = ARROWS[event.key].map((part) => STEP * part);
      const { left, top, right, bottom } = this.#box;
      if (event.shiftKey) {
        this.#box.right = clamp(right + dx, left + LEAST, 1);
        this.#box.bottom = clamp(bottom + dy, top + LEAST, 1);
      } else {
        const [x, y] = [clamp(dx, -left, 1 - right), clamp(dy, -top, 1 - bottom)];
        this.#box = { left: left + x, right: right + x, top: top + y, bottom: bottom + y };
      }
      this.#showBox();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // arrow keys would move the view
  }

  #showBox() {
    const percents = Object.entries(this.#box).map(([side, at]) => [side, Math.round(100 * at)]);
    const { left, top, right, bottom } = Object.fromEntries(percents);
    Object.assign(byId("mask-box").style, {
      left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%`,
    });
    this.#say(say("maskBoxAt", { left, top, right, bottom }));
  }

  #say(text) {
    const status = byId("mask-status");
    if (status.textContent !== text) status.textContent = text; // screen readers repeat every change
  }

  /** Show the brush's size at the pointer. */
  #followPointer() {
    const [stage, ring] = [byId("stage"), byId("mask-ring")];
    stage.addEventListener("pointermove", ({ clientX, clientY, pointerType }) => {
      ring.hidden = !this.isOpen || !isPressed("mask-brush") || pointerType === "touch";
      if (ring.hidden) return;
      const { left, top } = stage.getBoundingClientRect();
      const { offsetWidth, offsetHeight } = byId("picture");
      const side = (byId("mask-size").valueAsNumber / 100) * Math.max(offsetWidth, offsetHeight);
      Object.assign(ring.style, {
        left: `${clientX - left - side / 2}px`, top: `${clientY - top - side / 2}px`,
        width: `${side}px`, height: `${side}px`,
      });
    });
    stage.addEventListener("pointerleave", () => { ring.hidden = true; });
  }
}
