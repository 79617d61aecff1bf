// The first frame of a film, which is shown painted while the film is.

import { longerSide, resizeBitmap } from "./bitmaps.js";

const SIDE = 1024; // px, longer side at most
const PATIENCE = 5000; // ms to load it

/** The first frame of a file; fails where the browser cannot play it. */
export async function firstFrame(file) {
  const video = Object.assign(document.createElement("video"), { muted: true, preload: "auto" });
  video.src = URL.createObjectURL(file);
  try {
    await new Promise((resolve, reject) => {
      video.addEventListener("loadeddata", resolve);
      video.addEventListener("error", () => reject(video.error));
      setTimeout(() => reject(new Error("the film does not load")), PATIENCE);
    });
    const frame = await createImageBitmap(video);
    return longerSide(frame) > SIDE ? await resizeBitmap(frame, SIDE) : frame;
  } finally {
    URL.revokeObjectURL(video.src);
    video.removeAttribute("src");
  }
}
