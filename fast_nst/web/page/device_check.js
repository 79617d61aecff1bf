// Whether another device paints the same pixels as WebAssembly.

const TOLERANCE = 2; // levels of 255
const [WIDTH, HEIGHT] = [128, 96];

/** A picture of smooth gradients with noise, always the same. */
function testPicture() {
  const data = new Uint8ClampedArray(WIDTH * HEIGHT * 3);
  let noise = 1;
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / 3);
    const wave = Math.sin((pixel % WIDTH) / 20 + (i % 3)) + Math.cos(pixel / WIDTH / 15);
    noise = (noise * 48271) % 0x7fffffff;
    data[i] = 128 + 45 * wave + 30 * (noise / 0x7fffffff - 0.5);
  }
  return { width: WIDTH, height: HEIGHT, data };
}

/**
 * Compare a device's painting of a test picture with that of WebAssembly.
 *
 * @param device The device.
 * @param open (device) -> { paint, close }: `paint(picture)` gives its painting.
 * @returns { ok, difference }: whether they agree, and the largest difference in levels of 255.
 */
export async function checkDevice(device, open) {
  const picture = testPicture();
  const paintings = [];
  for (const each of [device, "wasm"]) {
    const { paint, close } = await open(each);
    paintings.push(await paint(picture));
    await close();
  }
  const [found, expected] = paintings.map(({ data }) => data);
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(found[i] - expected[i]));
  }
  return { ok: difference <= TOLERANCE, difference };
}
