// The camera: its frames one by one, as fast as they are stylized.

import { UserError, say } from "./words.js";

const SIDE = 512; // longer side of a frame, in px

export class Camera {
  #stream;
  #stopped; // AbortController, aborted when the camera stops
  #video = document.getElementById("video");
  #facing = "user"; // the side of the person who holds the device, or "environment"

  get isOn() {
    return Boolean(this.#stream);
  }

  /** Use the camera on the other side from the next start on. */
  turn() {
    this.#facing = this.#facing === "user" ? "environment" : "user";
  }

  /** Whether there are several cameras; known once one was allowed. */
  static async canTurn() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter(({ kind }) => kind === "videoinput").length > 1;
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
      throw new UserError(say("cameraInsecure"));
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 1280 }, facingMode: this.#facing }, audio: false,
      });
    } catch (error) {
      const words = {
        NotAllowedError: "cameraDenied", NotFoundError: "cameraMissing", NotReadableError: "cameraBusy",
      };
      throw new UserError(say(words[error.name] ?? "cameraFailed", { reason: error.message }));
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
      track.addEventListener("ended", () => end(new UserError(say("cameraOff"))));
    }
    this.#video.play()
      .then(() => this.#run(stopped.signal, onFrame, onRate))
      .catch(end);
  }

  /** The current picture at the camera's full size, as a PNG file. */
  still() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    return this.#drawn(width, height).convertToBlob({ type: "image/png" });
  }

  /** The current picture; mirrored, as people know themselves, for the side of the user. */
  #drawn(width, height) {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    const facing = this.#stream.getVideoTracks()[0].getSettings().facingMode ?? this.#facing;
    if (facing !== "environment") context.setTransform(-1, 0, 0, 1, width, 0);
    context.imageSmoothingQuality = "medium";
    context.drawImage(this.#video, 0, 0, width, height);
    return canvas;
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
      const canvas = this.#drawn(Math.round(width * scale), Math.round(height * scale));
      const frame = canvas.transferToImageBitmap();
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
