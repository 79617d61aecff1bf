// A triangle in which a point gives the shares of three styles.

import { ARROWS } from "./numeric.js";

const CORNERS = [[50, 0], [100, 87], [0, 87]]; // in the coordinates of the drawing
const STEP = 0.05; // of a share, by an arrow key
const LEAST = 0.01; // of each share: a style with none would not be of the blend

/** The shares of a point: its barycentric coordinates, each at least `LEAST`. */
function sharesAt([x, y]) {
  const [[ax, ay], [bx, by], [cx, cy]] = CORNERS;
  const area = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy);
  const first = ((by - cy) * (x - cx) + (cx - bx) * (y - cy)) / area;
  const second = ((cy - ay) * (x - cx) + (ax - cx) * (y - cy)) / area;
  const inside = [first, second, 1 - first - second].map((share) => Math.max(share, LEAST));
  const sum = inside.reduce((a, b) => a + b);
  return inside.map((share) => share / sum);
}

function pointOf(shares) {
  return [0, 1].map((axis) => shares.reduce((sum, share, i) => sum + share * CORNERS[i][axis], 0));
}

export class BlendPad {
  #pad = document.getElementById("pad");
  #handle = document.getElementById("pad-handle");
  #shares = [1 / 3, 1 / 3, 1 / 3];

  /**
   * @param onInput Called with three shares while the point moves.
   * @param onChange Called when it has moved.
   */
  constructor({ onInput, onChange }) {
    const move = (shares) => {
      this.show(shares);
      onInput(this.#shares);
    };
    const pointer = ({ clientX, clientY }) => {
      const place = new DOMPoint(clientX, clientY).matrixTransform(this.#pad.getScreenCTM().inverse());
      move(sharesAt([place.x, place.y]));
    };
    this.#pad.addEventListener("pointerdown", (event) => {
      this.#pad.setPointerCapture(event.pointerId);
      pointer(event);
    });
    this.#pad.addEventListener("pointermove", (event) => event.buttons && pointer(event));
    this.#pad.addEventListener("pointerup", onChange);
    this.#pad.addEventListener("keydown", (event) => {
      const direction = ARROWS[event.key];
      if (!direction) return;
      event.preventDefault();
      event.stopPropagation();
      move(sharesAt(pointOf(this.#shares).map((at, axis) => at + 100 * STEP * direction[axis])));
      onChange();
    });
  }

  show(shares) {
    this.#shares = shares;
    const [x, y] = pointOf(shares);
    this.#handle.setAttribute("cx", x);
    this.#handle.setAttribute("cy", y);
  }

  /** What the shares are, in words, for screen readers. */
  describe(text, first) {
    this.#pad.setAttribute("aria-valuetext", text);
    this.#pad.setAttribute("aria-valuenow", Math.round(100 * first));
  }
}
