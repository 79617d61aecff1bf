// node paint.mjs udnie.onnx coffee.ppm painting.ppm
import { readFile, writeFile } from "node:fs/promises";
import * as ort from "onnxruntime-web"; // or "onnxruntime-node", which is faster

const [model, source, target] = process.argv.slice(2);
const session = await ort.InferenceSession.create(await readFile(model));

const photo = readPpm(await readFile(source));
const image = new ort.Tensor("uint8", photo.pixels, [1, photo.height, photo.width, 3]);
const { stylized } = await session.run({ image });
const header = `P6\n${photo.width} ${photo.height}\n255\n`;
await writeFile(target, Buffer.concat([Buffer.from(header), stylized.data]));

/** Width, height and pixels (RGB) of a PPM file, the simplest there is. */
function readPpm(file) {
  const [header, width, height] = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(file.toString("latin1"));
  return { width: +width, height: +height, pixels: new Uint8Array(file.subarray(header.length)) };
}
