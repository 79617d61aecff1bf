// The camera's controls, and its frames on the stage.

import { Camera } from "./camera.js";
import { messageOf, say } from "./words.js";

const byId = (id) => document.getElementById(id);

export class CameraPanel {
  #camera = new Camera();
  #sources;
  #paint;
  #onStart;
  #onSwitch;
  #onLeave;

  /**
   * @param sources The photographs' `Latest`: starting the camera replaces one that is loading.
   * @param paint (frame, signal) Paints a frame and shows it.
   * @param onStart Called when the camera has started.
   * @param onSwitch Called when it was switched on or off.
   * @param onLeave Called when it was stopped for the photograph from before.
   */
  constructor({ sources, paint, onStart, onSwitch, onLeave }) {
    this.#sources = sources;
    this.#paint = paint;
    this.#onStart = onStart;
    this.#onSwitch = onSwitch;
    this.#onLeave = onLeave;
    byId("camera").addEventListener("click", () => this.#start());
    byId("stop").addEventListener("click", () => this.#leave());
    byId("turn-camera").addEventListener("click", () => {
      this.#camera.stop(); // many phones have one camera on at a time
      this.#camera.turn();
      this.#start();
    });
  }

  get isOn() {
    return this.#camera.isOn;
  }

  still() {
    return this.#camera.still();
  }

  stop() {
    this.#camera.stop();
    this.#show();
  }

  async #start() {
    const signal = this.#sources.next();
    byId("photo-error").textContent = "";
    byId("camera").disabled = true;
    byId("status").textContent = say("startingCamera");
    try {
      await this.#camera.start(signal, {
        onFrame: (frame, stopped) => this.#onFrame(frame, stopped),
        onRate: (rate) => this.#showRate(rate.toFixed(1)),
        onEnd: (error) => this.#failed(error),
      });
      if (this.isOn) this.#onStart();
      byId("turn-camera").hidden = !(this.isOn && await Camera.canTurn());
    } catch (error) {
      if (!signal.aborted) {
        byId("photo-error").textContent = messageOf(error);
        byId("status").textContent = "";
      }
    }
    this.#show();
  }

  /** Show the rate, and remember it beside the name of what paints, for comparison. */
  #showRate(rate) {
    byId("status").textContent = say("frameRate", { rate });
    const place = byId("where").selectedOptions[0];
    place.textContent = say("rateOf", { place: say(place.dataset.word), rate });
  }

  async #onFrame(frame, signal) {
    try {
      await this.#paint(frame, signal);
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    }
  }

  #failed(error) {
    this.#leave();
    byId("photo-error").textContent = say("cameraStopped", { reason: messageOf(error) });
  }

  #leave() {
    this.stop();
    byId("status").textContent = "";
    this.#onLeave();
  }

  #show() {
    for (const id of ["snap", "stop"]) byId(id).hidden = !this.isOn;
    if (!this.isOn) byId("turn-camera").hidden = true;
    byId("camera").disabled = this.isOn;
    this.#onSwitch();
  }
}
