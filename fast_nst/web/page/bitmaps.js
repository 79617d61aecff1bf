// Bitmaps: drawn, smaller copies, and files within a size limit.

import { scaled } from "./pixels.js";

const SAMPLE = 64; // px
const STEP = 0.75; // factor on the side while a file is too large
const QUALITY = 0.95;

/** Draw a bitmap on a canvas and give that its size. */
export function drawBitmap(canvas, bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}

export function longerSide({ width, height }) {
  return Math.max(width, height);
}

/** Whether it has parts that are not opaque, as seen on a small copy. */
export function hasClearParts(bitmap) {
  const canvas = new OffscreenCanvas(SAMPLE, SAMPLE);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0, SAMPLE, SAMPLE);
  const { data } = context.getImageData(0, 0, SAMPLE, SAMPLE);
  return data.some((value, i) => i % 4 === 3 && value < 255);
}

/** A copy with a longer side of `side` px. */
export function resizeBitmap(bitmap, side) {
  const [width, height] = scaled(bitmap.width, bitmap.height, side / longerSide(bitmap));
  return createImageBitmap(bitmap, {
    resizeWidth: width, resizeHeight: height, resizeQuality: "high",
  });
}

/** The longer side, in px, of a picture's largest copy with at most `pixels` pixels. */
export function maxSideFor(picture, pixels) {
  const { width, height } = picture;
  const longer = longerSide(picture);
  let side = Math.min(longer, Math.floor(longer * Math.sqrt(pixels / (width * height))));
  const count = () => scaled(width, height, side / longer).reduce((a, b) => a * b);
  while (side > 1 && count() > pixels) side--; // the shorter side was rounded up
  return Math.max(side, 1);
}

/**
 * Encode a bitmap in at most `bytes` bytes: as PNG, else as WebP, else as a smaller copy.
 *
 * @returns { blob, width, height }
 */
export async function encodeWithin(bitmap, bytes) {
  let picture = bitmap;
  for (;;) {
    const { width, height } = picture;
    // A photograph needs more than a byte per pixel as PNG. WebP keeps transparency.
    const types = width * height > bytes ? ["image/webp"] : ["image/png", "image/webp"];
    for (const type of types) {
      const blob = await encoded(picture, type);
      if (blob && blob.size <= bytes) return { blob, width, height };
    }
    picture = await resizeBitmap(picture, Math.max(1, Math.floor(STEP * longerSide(picture))));
  }
}

/** Its file; null where the format does not support the bitmap's size. */
async function encoded(bitmap, type) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  try {
    return await canvas.convertToBlob({ type, quality: QUALITY });
  } catch {
    return null;
  }
}
