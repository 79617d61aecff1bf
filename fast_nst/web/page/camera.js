// The camera, painted as fast as this machine can, with the frames a second.

import { Said } from "./painters.js";

const SIDE = 512; // longer side of a frame, in px

export class Camera {
  #stream;
  #video = document.getElementById("video");

  get isOn() {
    return Boolean(this.#stream);
  }

  /**
   * Start it.
   *
   * @param each Called with a frame, an ImageBitmap; the next is taken when its promise is kept.
   * @param count Called once a second with the frames of it.
   */
  async start(each, count) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Said("Browsers give the camera to https and localhost only: open this page there.");
    }
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 1280 }, facingMode: "user" }, audio: false,
      });
    } catch (error) {
      const words = {
        NotAllowedError: "The camera was not allowed: allow it for this page, and try again.",
        NotFoundError: "This machine has no camera: choose a photograph.",
        NotReadableError: "The camera is in use: close what uses it, and try again.",
      };
      throw new Said(words[error.name] ?? `The camera does not start: ${error.message}.`);
    }
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    this.#run(each, count);
  }

  /** The picture at this moment, at the camera's full size. */
  still() {
    return createImageBitmap(this.#video);
  }

  stop() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
    this.#video.srcObject = null;
  }

  async #run(each, count) {
    const stream = this.#stream;
    const isOn = () => this.#stream === stream;
    let frames = 0;
    let since = performance.now();
    while (isOn()) {
      const { videoWidth: width, videoHeight: height } = this.#video;
      const scale = Math.min(1, SIDE / Math.max(width, height));
      let frame;
      try {
        frame = await createImageBitmap(this.#video, {
          resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale),
          resizeQuality: "medium",
        });
      } catch (error) {
        if (isOn()) throw error;
        return; // it was stopped meanwhile
      }
      await each(frame);
      frame.close();
      frames++;
      const passed = performance.now() - since;
      if (passed >= 1000) {
        count((1000 * frames) / passed);
        frames = 0;
        since = performance.now();
      }
    }
  }
}
