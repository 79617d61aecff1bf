// The pixel operations of pictures/edit.py and pictures/detail.py, equal to Python's within a level.
// A picture is { data, width, height } with `channels` interleaved bytes per pixel.

const LANCZOS = { reach: 3, at: (x) => sinc(x) * sinc(x / 3) };
const BILINEAR = { reach: 1, at: (x) => 1 - Math.abs(x) };
const FIXED = 2 ** 22; // Pillow's fixed-point weights are multiples of 1 / FIXED
const SIDE_PER_SIGMA = 512; // px of the longer side for each px of the blur's sigma
const LEAST_SIGMA = 0.5;
const MOST_ASPECT = 8;
const STRIP_PIXELS = 500_000; // processed at a time, to limit memory

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** For each pixel of a resized side: its first source pixel, and the filter's weights. */
function weights(from, to, { reach, at }) {
  const scale = from / to;
  const widened = Math.max(scale, 1);
  return Array.from({ length: to }, (_, place) => {
    const center = (place + 0.5) * scale;
    const first = Math.max(Math.trunc(center - reach * widened + 0.5), 0);
    const end = Math.min(Math.trunc(center + reach * widened + 0.5), from);
    const found = new Float64Array(end - first);
    let sum = 0;
    for (let i = 0; i < found.length; i++) {
      const x = (i + first - center + 0.5) / widened;
      found[i] = Math.abs(x) < reach ? at(x) : 0;
      sum += found[i];
    }
    return { first, weights: found.map((w) => Math.round((w / sum) * FIXED)) };
  });
}

/** Resize one side of `count` lines, `line` bytes apart, with pixels `step` bytes apart. */
function resizeSide(data, out, table, count, line, step, outLine, outStep, channels) {
  for (let i = 0; i < count; i++) {
    for (let place = 0; place < table.length; place++) {
      const { first, weights: w } = table[place];
      for (let c = 0; c < channels; c++) {
        let sum = FIXED / 2;
        let at = i * line + first * step + c;
        for (let k = 0; k < w.length; k++, at += step) sum += data[at] * w[k];
        out[i * outLine + place * outStep + c] = Math.floor(sum / FIXED); // the array clamps
      }
    }
  }
}

/** Resize a picture with a filter, first its rows, then its columns. */
export function resize(picture, width, height, channels, filter = LANCZOS) {
  if (width === picture.width && height === picture.height) return picture;
  const wide = new Uint8ClampedArray(width * picture.height * channels);
  const row = width * channels;
  resizeSide(picture.data, wide, weights(picture.width, width, filter), picture.height,
    picture.width * channels, channels, row, channels, channels);
  const data = new Uint8ClampedArray(width * height * channels);
  resizeSide(wide, data, weights(picture.height, height, filter), width,
    channels, row, channels, row, channels);
  return { data, width, height };
}

/** Width and height times a factor, rounded, at least 1. */
export function scaled(width, height, factor) {
  return [width, height].map((side) => Math.max(1, halfEven(side * factor)));
}

/** Round half to even, as Python and NumPy do. */
function halfEven(value) {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

/** Enlarge a painting to its photograph's size, and add `detail` of the luma lost in between. */
export function enlarge(small, smallPhoto, photo, detail) {
  const painted = resize(small, photo.width, photo.height, 3).data;
  const low = resize(smallPhoto, photo.width, photo.height, 3).data;
  const data = new Uint8ClampedArray(photo.data.length);
  for (let i = 0; i < data.length; i += 3) {
    const lost = luma(photo.data[i] - low[i], photo.data[i + 1] - low[i + 1],
      photo.data[i + 2] - low[i + 2]);
    for (let c = 0; c < 3; c++) data[i + c] = halfEven(painted[i + c] + detail * lost);
  }
  return { ...photo, data };
}

/** `painting + detail * D`, where D is the photograph's fine structure; see pictures/detail.py. */
export function addDetail(photo, painting, detail) {
  if (detail === 0) return painting;
  const { width, height } = photo;
  const longer = Math.min(Math.max(width, height), MOST_ASPECT * Math.min(width, height));
  const sigma = Math.max(longer / SIDE_PER_SIGMA, LEAST_SIGMA);
  const kernel = gaussian(sigma);
  const radius = Math.floor(2 * sigma + 0.5);
  const halo = Math.max(kernel.length >> 1, 2 * radius);
  const data = new Uint8ClampedArray(painting.data.length);
  const rows = Math.max(Math.floor(STRIP_PIXELS / width), 2 * halo);
  for (let top = 0, at = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    for (const added of fineStructure(lumaAround(photo, top, count, halo), kernel, radius, halo)) {
      for (let c = 0; c < 3; c++, at++) data[at] = halfEven(painting.data[at] + detail * added);
    }
  }
  return { ...painting, data };
}

/** A Gaussian kernel of 3 sigma to each side, with a sum of 1. */
function gaussian(sigma) {
  const half = Math.floor(3 * sigma + 0.5);
  const found = Array.from({ length: 2 * half + 1 }, (_, i) => Math.exp(-0.5 * ((i - half) / sigma) ** 2));
  const sum = found.reduce((a, b) => a + b);
  return found.map((weight) => weight / sum);
}

/** Luma of `count` rows with a halo of `halo` px around them; borders are replicated. */
function lumaAround({ data, width, height }, top, count, halo) {
  const around = plane(width + 2 * halo, count + 2 * halo);
  const inside = (place, length) => Math.min(Math.max(place, 0), length - 1);
  for (let y = 0, out = 0; y < around.height; y++) {
    const row = inside(top + y - halo, height) * width;
    for (let x = 0; x < around.width; x++, out++) {
      const at = 3 * (row + inside(x - halo, width));
      around.data[out] = luma(data[at], data[at + 1], data[at + 2]);
    }
  }
  return around;
}

/** D of a plane without its halo. */
function fineStructure(around, kernel, radius, halo) {
  const size = 2 * radius + 1;
  const blurred = cropped(convolve(convolve(around, kernel, true), kernel, false),
    halo - (kernel.length >> 1));
  const [opening, closing] = [-1, 1].map((sign) => (
    cropped(extremum(extremum(around, size, sign), size, -sign), halo - 2 * radius)));
  const { data } = cropped(around, halo);
  return data.map((value, i) => Math.min(
    Math.max(value - blurred.data[i], value - closing.data[i]), value - opening.data[i]));
}

function plane(width, height) {
  return { data: new Float32Array(width * height), width, height };
}

function cropped({ data, width, height }, margin) {
  const inner = plane(width - 2 * margin, height - 2 * margin);
  for (let y = 0; y < inner.height; y++) {
    const first = (y + margin) * width + margin;
    inner.data.set(data.subarray(first, first + inner.width), y * inner.width);
  }
  return inner;
}

/** Valid convolution with a kernel, down the columns or along the rows. */
function convolve({ data, width, height }, kernel, isDown) {
  const less = kernel.length - 1;
  const sums = isDown ? plane(width, height - less) : plane(width - less, height);
  for (let y = 0, out = 0; y < sums.height; y++) {
    for (let x = 0; x < sums.width; x++, out++) {
      let at = y * width + x;
      let sum = 0;
      for (let k = 0; k <= less; k++, at += isDown ? width : 1) sum += kernel[k] * data[at];
      sums.data[out] = sum;
    }
  }
  return sums;
}

/** The maximum, or with sign -1 the minimum, of each square of `size` px; valid area only. */
function extremum(given, size, sign) {
  let found = given;
  for (const isDown of [true, false]) {
    for (let covered = 1, step; covered < size; covered += step) {
      step = Math.min(covered, size - covered);
      const { data, width, height } = found;
      found = isDown ? plane(width, height - step) : plane(width - step, height);
      const away = isDown ? step * width : step;
      for (let y = 0, out = 0; y < found.height; y++) {
        for (let at = y * width; at < y * width + found.width; at++, out++) {
          const [one, other] = [data[at], data[at + away]];
          found.data[out] = sign * (one - other) > 0 ? one : other;
        }
      }
    }
  }
  return found;
}

/** The painting's luma with the photograph's chroma. */
export function keepColors(photo, painting) {
  const [p, s] = [photo.data, painting.data];
  const data = new Uint8ClampedArray(p.length);
  for (let i = 0; i < p.length; i += 3) {
    const lighter = luma(s[i] - p[i], s[i + 1] - p[i + 1], s[i + 2] - p[i + 2]);
    for (let c = 0; c < 3; c++) data[i + c] = halfEven(p[i + c] + lighter);
  }
  return { ...photo, data };
}

function luma(red, green, blue) {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

/** `(1 - share) * photo + share * painting`. */
export function blend(photo, painting, share) {
  if (share === 1) return painting;
  const data = new Uint8ClampedArray(photo.data.length);
  for (let i = 0; i < data.length; i++) {
    data[i] = halfEven(photo.data[i] + share * (painting.data[i] - photo.data[i]));
  }
  return { ...photo, data };
}

/** Stretch a mask to a picture's size; see pictures/mask.py. */
export function fitMask(mask, width, height) {
  return resize(mask, width, height, 1, BILINEAR);
}

/** `outside + mask / 255 * (inside - outside)`, rounded, of pictures with any number of channels. */
export function compose(outside, inside, mask) {
  const channels = inside.data.length / mask.data.length;
  const data = new Uint8ClampedArray(inside.data.length);
  for (let i = 0, at = 0; i < mask.data.length; i++) {
    const weight = mask.data[i];
    for (let c = 0; c < channels; c++, at++) {
      const sum = outside.data[at] * (255 - weight) + inside.data[at] * weight;
      data[at] = Math.trunc((sum + 127) / 255);
    }
  }
  return { width: inside.width, height: inside.height, data };
}

/** Split RGBA into RGB and alpha, which is null if everything is opaque. */
export function split(image) {
  const count = image.width * image.height;
  const data = new Uint8ClampedArray(count * 3);
  const alpha = new Uint8ClampedArray(count);
  let isOpaque = true;
  for (let i = 0; i < count; i++) {
    data[3 * i] = image.data[4 * i];
    data[3 * i + 1] = image.data[4 * i + 1];
    data[3 * i + 2] = image.data[4 * i + 2];
    alpha[i] = image.data[4 * i + 3];
    isOpaque &&= alpha[i] === 255;
  }
  const size = { width: image.width, height: image.height };
  return { rgb: { data, ...size }, alpha: isOpaque ? null : { data: alpha, ...size } };
}

/** Join RGB and alpha to an ImageData. */
export function join(rgb, alpha) {
  const image = new ImageData(rgb.width, rgb.height);
  for (let i = 0; i < rgb.width * rgb.height; i++) {
    image.data[4 * i] = rgb.data[3 * i];
    image.data[4 * i + 1] = rgb.data[3 * i + 1];
    image.data[4 * i + 2] = rgb.data[3 * i + 2];
    image.data[4 * i + 3] = alpha ? alpha.data[i] : 255;
  }
  return image;
}
