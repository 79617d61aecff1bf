// The camera, painted as fast as this machine can, with the frames a second.

import { Said } from "./painters.js";

const SIDE = 512; // longer side of a frame, in px

export class Camera {
  #stream;
  #off; // aborted when it goes off
  #video = document.getElementById("video");

  get isOn() {
    return Boolean(this.#stream);
  }

  /**
   * Start it.
   *
   * @param wish Aborted when something else was wished for before the camera was there.
   * @param each Called with a frame, an ImageBitmap, and a signal, aborted once the camera is off;
   *   the next frame is taken when its promise is kept.
   * @param count Called once a second with the frames of it.
   * @param onEnd Called with an error when the camera goes away by itself.
   */
  async start(wish, { each, count, onEnd }) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Said("Browsers give the camera to https and localhost only: open this page there.");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
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
    if (wish.aborted) {
      for (const track of stream.getTracks()) track.stop();
      return;
    }
    this.stop();
    const off = new AbortController();
    this.#video.srcObject = stream;
    this.#stream = stream;
    this.#off = off;
    const end = (error) => {
      if (off.signal.aborted) return;
      this.stop();
      onEnd(error);
    };
    for (const track of stream.getTracks()) {
      track.addEventListener("ended", () => end(new Error("it was switched off")));
    }
    this.#video.play()
      .then(() => this.#run(off.signal, each, count))
      .catch(end);
  }

  /** The picture at this moment, at the camera's full size, as a file. */
  async still() {
    const bitmap = await createImageBitmap(this.#video);
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }

  stop() {
    this.#off?.abort();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
    this.#video.srcObject = null;
  }

  async #run(off, each, count) {
    let frames = 0;
    let since = performance.now();
    while (!off.aborted) {
      const { videoWidth: width, videoHeight: height } = this.#video;
      const scale = Math.min(1, SIDE / Math.max(width, height));
      const frame = await createImageBitmap(this.#video, {
        resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale),
        resizeQuality: "medium",
      });
      if (off.aborted) return;
      await each(frame, off);
      frame.close();
      frames++;
      const passed = performance.now() - since;
      if (passed >= 1000 && !off.aborted) {
        count((1000 * frames) / passed);
        frames = 0;
        since = performance.now();
      }
    }
  }
}
