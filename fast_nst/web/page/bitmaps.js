// Smaller copies of pictures, and files of them that are not too large.

import { scaled } from "./pixels.js";

const LESS = 0.75; // of a side, as long as a file has too many bytes
const QUALITY = 0.95;

export function longerSide({ width, height }) {
  return Math.max(width, height);
}

/** A copy with so many pixels on its longer side. */
export function shrunk(bitmap, side) {
  const [width, height] = scaled(bitmap.width, bitmap.height, side / longerSide(bitmap));
  return createImageBitmap(bitmap, {
    resizeWidth: width, resizeHeight: height, resizeQuality: "high",
  });
}

/** The longer side of a picture, or of its largest copy with so many pixels at most. */
export function sideWithin(picture, pixels) {
  const { width, height } = picture;
  const longer = longerSide(picture);
  let side = Math.min(longer, Math.floor(longer * Math.sqrt(pixels / (width * height))));
  const count = () => scaled(width, height, side / longer).reduce((a, b) => a * b);
  while (side > 1 && count() > pixels) side--; // the shorter side was rounded up
  return Math.max(side, 1);
}

/**
 * A bitmap as a file with so many bytes at most: without loss if it can be, or nearly, or smaller.
 *
 * @returns { blob, width, height }
 */
export async function fileWithin(bitmap, bytes) {
  let picture = bitmap;
  for (;;) {
    const { width, height } = picture;
    // As PNG a photograph has more than one byte a pixel. WebP keeps what is transparent.
    const types = width * height > bytes ? ["image/webp"] : ["image/png", "image/webp"];
    for (const type of types) {
      const blob = await encoded(picture, type);
      if (blob && blob.size <= bytes) return { blob, width, height };
    }
    picture = await shrunk(picture, Math.max(1, Math.floor(LESS * longerSide(picture))));
  }
}

/** A file of it; null where the format has no room for such a picture. */
async function encoded(bitmap, type) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  try {
    return await canvas.convertToBlob({ type, quality: QUALITY });
  } catch {
    return null;
  }
}
