// The camera: its frames one by one, as fast as they are stylized.

import { UserError } from "./stylizers.js";

const SIDE = 512; // longer side of a frame, in px

export class Camera {
  #stream;
  #stopped; // AbortController, aborted when the camera stops
  #video = document.getElementById("video");

  get isOn() {
    return Boolean(this.#stream);
  }

  /**
   * Start the camera.
   *
   * @param signal Aborted when the visitor chooses something else before the camera has started.
   * @param onFrame (frame, signal) -> a promise, which is awaited before the next frame; the frame
   *   is an ImageBitmap, and the signal is aborted when the camera stops.
   * @param onRate Called once a second with the frames per second.
   * @param onEnd Called with an error when the camera ends by itself.
   */
  async start(signal, { onFrame, onRate, onEnd }) {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new UserError("Browsers allow the camera on https and localhost only.");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 1280 }, facingMode: "user" }, audio: false,
      });
    } catch (error) {
      const messages = {
        NotAllowedError: "The camera was not allowed. Please allow it for this page and try again.",
        NotFoundError: "This machine has no camera. Please choose a photograph.",
        NotReadableError: "The camera is in use. Please close the other program and try again.",
      };
      throw new UserError(messages[error.name] ?? `The camera cannot be started: ${error.message}.`);
    }
    if (signal.aborted) {
      for (const track of stream.getTracks()) track.stop();
      return;
    }
    this.stop();
    const stopped = new AbortController();
    this.#video.srcObject = stream;
    this.#stream = stream;
    this.#stopped = stopped;
    const end = (error) => {
      if (stopped.signal.aborted) return;
      this.stop();
      onEnd(error);
    };
    for (const track of stream.getTracks()) {
      track.addEventListener("ended", () => end(new Error("it was switched off")));
    }
    this.#video.play()
      .then(() => this.#run(stopped.signal, onFrame, onRate))
      .catch(end);
  }

  /** The current picture at the camera's full size, as a PNG file. */
  async still() {
    const bitmap = await createImageBitmap(this.#video);
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }

  stop() {
    this.#stopped?.abort();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
    this.#video.srcObject = null;
  }

  async #run(stopped, onFrame, onRate) {
    let frames = 0;
    let since = performance.now();
    while (!stopped.aborted) {
      const { videoWidth: width, videoHeight: height } = this.#video;
      const scale = Math.min(1, SIDE / Math.max(width, height));
      const frame = await createImageBitmap(this.#video, {
        resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale),
        resizeQuality: "medium",
      });
      if (stopped.aborted) return;
      await onFrame(frame, stopped);
      frame.close();
      frames++;
      const passed = performance.now() - since;
      if (passed >= 1000 && !stopped.aborted) {
        onRate((1000 * frames) / passed);
        frames = 0;
        since = performance.now();
      }
    }
  }
}
